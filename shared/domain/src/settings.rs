use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::guard_policy::{GuardPolicy, read_or_redact};
use crate::model_choice::read_or_built_in;
use crate::{HotLifetimes, MemoryType, ModelChoice, Retention};

/// What a tenant has of its own, as `tenants.settings` holds it. A field that is not given is the deployment's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TenantSettings {
    /// What thinks; the deployment's model when not given.
    #[serde(deserialize_with = "read_or_built_in")]
    pub model: Option<ModelChoice>,
    /// Requests to the model per minute and provider; 0 for no limit.
    pub model_requests_per_minute: Option<u32>,
    /// How many of them may come at once.
    pub model_burst: Option<u32>,
    /// Tokens of the model per day (UTC); 0 for no limit.
    pub model_tokens_per_day: Option<u64>,
    /// What happens to a window when they are used up.
    pub when_exhausted: Option<WhenExhausted>,
    /// How many sessions each agent thinks about at once; 0 for no limit.
    pub agent_concurrency: Option<u32>,
    /// Requests to `recall` per minute; 0 for no limit.
    pub recall_requests_per_minute: Option<u32>,
    /// Events that are taken in over HTTP per minute; 0 for no limit.
    pub ingest_events_per_minute: Option<u32>,
    /// Events that are taken in over HTTP per day (UTC); 0 for no limit.
    pub ingest_events_per_day: Option<u64>,
    /// Thoughts less confident than this are dropped, 0 to 1; 0.3 when not given.
    pub confidence_floor: Option<f32>,
    /// How many current memories of user scope a user has at most; 10,000 when not given, 0 for any number.
    pub memories_per_user: Option<u32>,
    /// Which thoughts a person looks at before they are recalled.
    pub review: ReviewPolicy,
    /// For how long what is old is kept.
    pub retention: Retention,
    /// What is done about secrets and identifiers in what comes in.
    #[serde(deserialize_with = "read_or_redact")]
    pub guard: GuardPolicy,
    /// For how long hot state keeps what is the tenant's.
    pub lifetimes: HotLifetimes,
}

impl TenantSettings {
    /// The floor of a tenant that has none of its own.
    const USUAL_FLOOR: f32 = 0.3;
    /// The most memories per user of a tenant that has no number of its own.
    const USUAL_MEMORIES: u32 = 10_000;

    /// Settings as they are stored, and the names of the fields that cannot be read. The others hold: a slip in one field lets
    /// nothing out that another keeps in.
    pub fn read(stored: Value) -> (Self, Vec<String>) {
        let Value::Object(fields) = stored else { return (Self::default(), vec!["settings".to_owned()]) };
        if let Ok(settings) = serde_json::from_value(Value::Object(fields.clone())) {
            return (settings, Vec::new());
        }
        let is_readable = |name: &str, value: &Value| {
            let alone = Map::from_iter([(name.to_owned(), value.clone())]);
            serde_json::from_value::<Self>(Value::Object(alone)).is_ok()
        };
        let (readable, wrong): (Map<_, _>, Map<_, _>) =
            fields.into_iter().partition(|(name, value)| is_readable(name, value));
        let settings = serde_json::from_value(Value::Object(readable)).unwrap_or_default();
        (settings, wrong.into_iter().map(|(name, _)| name).collect())
    }

    /// Thoughts less confident than this are dropped.
    pub fn confidence_floor(&self) -> f32 {
        self.confidence_floor.unwrap_or(Self::USUAL_FLOOR).clamp(0.0, 1.0)
    }

    /// How many memories of user scope a user has at most; `None` for any number.
    pub fn memories_per_user(&self) -> Option<u32> {
        Some(self.memories_per_user.unwrap_or(Self::USUAL_MEMORIES)).filter(|most| *most > 0)
    }
}

/// What happens to a window when the tokens of the day are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WhenExhausted {
    /// The built-in model thinks about it, and the run says `degraded`.
    #[default]
    BuiltIn,
    /// It waits for the next day.
    Pause,
}

/// Which thoughts a person looks at before they are recalled.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ReviewPolicy {
    /// Those less confident than this, 0 to 1.
    pub below_confidence: Option<f32>,
    /// Those of these types.
    pub types: Vec<MemoryType>,
    /// Those of these agents.
    pub agents: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::GuardAction;

    #[test]
    fn a_field_that_cannot_be_read_takes_no_other_with_it() {
        let stored =
            json!({"model_burst": "many", "guard": {"secrets": "block"}, "model": "built-in", "colour": 1});
        let (settings, wrong) = TenantSettings::read(stored);
        assert_eq!(wrong, ["model_burst"]);
        assert_eq!((settings.guard.secrets, settings.model_burst), (GuardAction::Block, None));
        assert_eq!(settings.model, Some(ModelChoice::BuiltIn));
        assert_eq!(TenantSettings::read(json!([])), (TenantSettings::default(), vec!["settings".to_owned()]));
        assert_eq!(TenantSettings::read(json!({"colour": 1})), (TenantSettings::default(), vec![]));
    }

    #[test]
    fn a_choice_that_cannot_be_read_sends_nothing_to_a_model() {
        let model = |stored: Value| TenantSettings::read(json!({"model": stored})).0.model;
        assert_eq!(model(json!(null)), None);
        assert_eq!(model(json!("eu")), Some(ModelChoice::Offered("eu".to_owned())));
        for wrong in [json!(7), json!({"name": "eu"}), json!(false), json!("built-in")] {
            assert_eq!(model(wrong), Some(ModelChoice::BuiltIn));
        }
        let chosen = TenantSettings { model: Some(ModelChoice::BuiltIn), ..TenantSettings::default() };
        assert_eq!(serde_json::to_value(chosen).unwrap()["model"], "built-in");
    }
}
