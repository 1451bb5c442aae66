/// What thinking cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// The model and the version of the prompt or rules it followed, such as `built-in/entities-1`.
    pub model: String,
    /// Tokens of the question, as the provider counts them; 0 for the built-in model.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}
