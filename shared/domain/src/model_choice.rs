use serde::{Deserialize, Deserializer, Serialize};

/// What thinks for a tenant, where that is not the deployment's model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ModelChoice {
    /// The agents' own rules: nothing that was said is sent to a model.
    BuiltIn,
    /// One of the models that the deployment offers, by its name there.
    Offered(String),
}

impl ModelChoice {
    /// What [`ModelChoice::BuiltIn`] is called.
    pub const BUILT_IN: &str = "built-in";
}

impl From<String> for ModelChoice {
    fn from(name: String) -> Self {
        if name == Self::BUILT_IN { Self::BuiltIn } else { Self::Offered(name) }
    }
}

impl From<ModelChoice> for String {
    fn from(choice: ModelChoice) -> Self {
        match choice {
            ModelChoice::BuiltIn => ModelChoice::BUILT_IN.to_owned(),
            ModelChoice::Offered(name) => name,
        }
    }
}

/// A choice, as a field of settings. One that cannot be read sends nothing to a model: whoever wrote it did not want the
/// deployment's.
pub(crate) fn read_or_built_in<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<ModelChoice>, D::Error> {
    let stored = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(stored).unwrap_or(Some(ModelChoice::BuiltIn)))
}
