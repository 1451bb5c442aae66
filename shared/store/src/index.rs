/// What recall finds an event by.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedEvent {
    /// The event, by its version in the window's session.
    pub version: i64,
    /// Its vector, of the length the embedder makes.
    pub embedding: Vec<f32>,
    /// The embedder, with its version. Vectors of different embedders are never compared.
    pub embedding_model: String,
    /// The text whose words it is found by.
    pub terms: String,
}
