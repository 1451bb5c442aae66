//! Which model thinks for a tenant.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use domain::{ModelChoice, TenantSettings};
use model::{Error, OfferedModel, OfferedModels, OpenAi, Price};

/// The models that tenants may choose, each with a client that is made when it is first asked.
#[derive(Debug, Default)]
pub struct Models(BTreeMap<String, (OfferedModel, OnceLock<OpenAi>)>);

/// What thinks about a tenant's windows.
#[derive(Debug, Clone, Default)]
pub(crate) enum Thinking {
    /// What the deployment has: the agent's model, or its rules where it has none.
    #[default]
    Usual,
    /// The agent's rules.
    BuiltIn,
    /// Another model than the deployment's, and what its tokens cost.
    Offered(OpenAi, Option<Price>),
    /// A model that cannot be asked, and why: nobody thinks in its place.
    Unusable(Error),
}

impl Models {
    /// The models of a configuration.
    pub(crate) fn new(offered: &OfferedModels) -> Self {
        Self(
            offered.iter().map(|(name, model)| (name.to_owned(), (model.clone(), OnceLock::new()))).collect(),
        )
    }

    /// What a tenant has chosen.
    pub(crate) fn of_tenant(&self, settings: &TenantSettings) -> Thinking {
        match &settings.model {
            None => Thinking::Usual,
            Some(ModelChoice::BuiltIn) => Thinking::BuiltIn,
            Some(ModelChoice::Offered(name)) => self.offered(name).unwrap_or_else(Thinking::Unusable),
        }
    }

    fn offered(&self, name: &str) -> Result<Thinking, Error> {
        let Some((model, client)) = self.0.get(name) else {
            return Err(Error::Configuration(format!(
                "the tenant's model is {name:?}, which MODEL_CHOICES does not offer"
            )));
        };
        let client = if let Some(client) = client.get() {
            client
        } else {
            let made = OpenAi::offered(model)?;
            client.get_or_init(|| made)
        };
        Ok(Thinking::Offered(client.clone(), model.price))
    }
}

impl Thinking {
    /// The model to ask where an agent asks the deployment's, `usual`.
    ///
    /// # Errors
    /// When none is to be asked.
    pub(crate) fn model<'a>(&'a self, usual: &'a OpenAi) -> Result<&'a OpenAi, Error> {
        match self {
            Self::Usual => Ok(usual),
            Self::Offered(model, _) => Ok(model),
            Self::Unusable(error) => Err(error.clone()),
            Self::BuiltIn => {
                Err(Error::Configuration("an agent asks a model for a tenant that has none".to_owned()))
            }
        }
    }

    /// What its tokens cost; `usual` is what those of the deployment's model do.
    pub(crate) const fn price(&self, usual: Option<Price>) -> Option<Price> {
        match self {
            Self::Usual => usual,
            Self::Offered(_, price) => *price,
            Self::BuiltIn | Self::Unusable(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use model::{Model, ModelConfig};

    use super::*;

    fn chosen(model: Option<&str>) -> (Result<String, String>, bool) {
        let variables: HashMap<String, String> = [
            ("MODEL_URL", "https://a.example/v1"),
            ("MODEL_NAME", "usual"),
            ("MODEL_INPUT_PRICE", "1"),
            ("MODEL_OUTPUT_PRICE", "1"),
            ("MODEL_CHOICES", r#"{"eu": {"url": "https://eu.example/v1", "model": "other"}}"#),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = ModelConfig::from_map(&variables).unwrap();
        let models = Models::new(&OfferedModels::from_map(&variables, &config).unwrap());
        let Model::OpenAi(usual) = Model::new(&config).unwrap() else { panic!("a model is set") };
        let model = model.map(|name| ModelChoice::from(name.to_owned()));
        let thinking = models.of_tenant(&TenantSettings { model, ..TenantSettings::default() });
        let asked = thinking.model(&usual).map(|model| format!("{} at {}", model.name(), model.provider()));
        let price = thinking.price(Price::from_map(&variables).unwrap());
        (asked.map_err(|error| error.to_string()), price.is_some())
    }

    #[test]
    fn a_tenant_has_the_deployments_model_unless_it_chose_another() {
        assert_eq!(chosen(None), (Ok("usual at a.example".to_owned()), true));
        assert_eq!(
            chosen(Some("eu")),
            (Ok("other at eu.example".to_owned()), false),
            "nor is it priced as that"
        );
    }

    #[test]
    fn nobody_is_asked_in_the_place_of_a_model_that_is_not_offered() {
        let (asked, _) = chosen(Some("gone"));
        assert_eq!(
            asked,
            Err("the tenant's model is \"gone\", which MODEL_CHOICES does not offer".to_owned())
        );
        assert!(chosen(Some("built-in")).0.is_err());
    }
}
