//! What is asked about keys and settings, checked as it is read.

use domain::{KeyScope, MemoryType, ModelChoice, WhenExhausted};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::guard::GuardAsked;
use super::lifetimes::LifetimesAsked;
use super::retention::RetentionAsked;
use crate::http::{Moment, Problem, Short, Whole};

/// How long the old key goes on when nobody says, in seconds: a day.
const USUAL_OVERLAP_SECONDS: i64 = 24 * 60 * 60;
/// The most agents whose thoughts a person looks at.
const MOST_AGENTS: usize = 50;

/// The settings that say how much a tenant may use, which it cannot change itself.
const LIMITS: [&str; 7] = [
    "model_requests_per_minute",
    "model_burst",
    "model_tokens_per_day",
    "agent_concurrency",
    "recall_requests_per_minute",
    "ingest_events_per_minute",
    "ingest_events_per_day",
];

/// An API key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKeyAsked {
    /// What it is called, 1 to 200 bytes without control characters.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) name: Short<200>,
    /// What it may do: `ingest`, `read`, `admin`; none of them includes another.
    #[schema(value_type = Vec<String>, min_items = 1)]
    pub(crate) scopes: Vec<KeyScope>,
    /// When it expires, a time to come; never when not given.
    pub(crate) expires_at: Option<Moment>,
}

impl NewKeyAsked {
    /// Says which field is not what was expected.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Problem> {
        if self.name.as_str().chars().any(char::is_control) {
            let detail = "field `name` has control characters, expected none".to_owned();
            return Err(Problem::invalid("name", detail));
        }
        if self.scopes.is_empty() {
            let detail = "field `scopes` is empty, expected some of `ingest`, `read`, `admin`".to_owned();
            return Err(Problem::invalid("scopes", detail));
        }
        check_expiry(self.expires_at, now)
    }
}

/// An API key that takes the place of another.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRotationAsked)]
pub(crate) struct RotationAsked {
    /// For how many seconds the old key goes on, at most 30 days; a day when not given. 0 ends it at once.
    #[serde(default)]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 2_592_000)]
    overlap_seconds: Option<Whole<0, 2_592_000>>,
    /// When the new key expires, a time to come; never when not given.
    pub(crate) expires_at: Option<Moment>,
}

impl RotationAsked {
    /// Says which field is not what was expected.
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Problem> {
        check_expiry(self.expires_at, now)
    }

    /// For how many seconds the old key goes on.
    pub(crate) fn overlap_seconds(&self) -> i64 {
        self.overlap_seconds.map_or(USUAL_OVERLAP_SECONDS, Whole::get)
    }
}

fn check_expiry(expires_at: Option<Moment>, now: Timestamp) -> Result<(), Problem> {
    match expires_at {
        Some(Moment(at)) if at <= now => {
            let detail = "field `expires_at` has passed, expected a time to come".to_owned();
            Err(Problem::unprocessable("expires_at", detail))
        }
        _ => Ok(()),
    }
}

/// What is to change of a tenant's settings. A field that is not given stays; null makes it the deployment's again.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SettingsAsked {
    /// What thinks: `built-in`, which sends nothing that was said to a model, or one of the models that the deployment offers.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100)]
    model: Given<Short<100>>,
    /// Requests to the model per minute and provider; 0 for no limit.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000)]
    model_requests_per_minute: Given<Whole<0, 1_000_000>>,
    /// How many of them may come at once.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000)]
    model_burst: Given<Whole<1, 1_000_000>>,
    /// Tokens of the model per day (UTC); 0 for no limit.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_i64)]
    model_tokens_per_day: Given<Whole<0, 1_000_000_000_000>>,
    /// What happens when they are used up: `built-in` or `pause`.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    when_exhausted: Given<WhenExhausted>,
    /// How many sessions each agent thinks about at once; 0 for no limit.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000)]
    agent_concurrency: Given<Whole<0, 1_000_000>>,
    /// Requests to `recall` per minute; 0 for no limit.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000)]
    recall_requests_per_minute: Given<Whole<0, 1_000_000>>,
    /// Events that are taken in over HTTP per minute; 0 for no limit.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000)]
    ingest_events_per_minute: Given<Whole<0, 1_000_000>>,
    /// Events that are taken in over HTTP per day (UTC); 0 for no limit.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_i64)]
    ingest_events_per_day: Given<Whole<0, 1_000_000_000_000>>,
    /// Thoughts less confident than this are dropped, 0 to 1.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    confidence_floor: Given<Share>,
    /// How many current memories of user scope a user has at most; 0 for any number.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000)]
    memories_per_user: Given<Whole<0, 1_000_000>>,
    /// Which thoughts a person looks at before they are recalled, all of it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ReviewAsked>)]
    review: Given<ReviewAsked>,
    /// For how long what is old is kept, all of it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RetentionAsked>)]
    retention: Given<RetentionAsked>,
    /// What is done about secrets and identifiers in what comes in, all of it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<GuardAsked>)]
    guard: Given<GuardAsked>,
    /// For how long hot state keeps what is the tenant's, all of it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<LifetimesAsked>)]
    lifetimes: Given<LifetimesAsked>,
}

/// Which thoughts a person looks at before they are recalled.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ReviewAsked {
    /// Those less confident than this, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 1)]
    below_confidence: Option<Share>,
    /// Those of these types.
    #[schema(value_type = Vec<String>)]
    types: Vec<MemoryType>,
    /// Those of these agents, at most 50.
    #[schema(value_type = Vec<String>)]
    agents: Vec<Short<100>>,
}

/// A field that may be given, and may be null then.
type Given<T> = Option<Option<T>>;

/// A field that is given, be it null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Given<T>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A number from 0 to 1.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "f64")]
struct Share(f64);

impl TryFrom<f64> for Share {
    type Error = &'static str;

    fn try_from(number: f64) -> Result<Self, Self::Error> {
        if (0.0..=1.0).contains(&number) { Ok(Self(number)) } else { Err("expected a number from 0 to 1") }
    }
}

impl SettingsAsked {
    /// The fields that are given, as they are stored; null for one that is to be removed. `models` are those the deployment
    /// offers.
    pub(crate) fn fields(
        &self,
        may_set_limits: bool,
        models: &[String],
    ) -> Result<serde_json::Value, Problem> {
        if let Some(Some(model)) = &self.model {
            check_model(model.as_str(), models)?;
        }
        if let Some(Some(review)) = &self.review
            && review.agents.len() > MOST_AGENTS
        {
            let detail =
                format!("field `review.agents` names more agents than {MOST_AGENTS}, expected at most that");
            return Err(Problem::invalid("review.agents", detail));
        }
        let fields = serde_json::to_value(self).map_err(|error| {
            tracing::error!(%error, "settings could not be written");
            Problem::unavailable("this function")
        })?;
        let limit = LIMITS.into_iter().find(|limit| fields.get(limit).is_some());
        match limit.filter(|_| !may_set_limits) {
            None => Ok(fields),
            Some(limit) => Err(Problem::forbidden(
                Some(limit),
                format!("field `{limit}` is a limit, which operators set: PUT /v1/admin/tenants/{{tenant}}"),
            )),
        }
    }
}

/// Whether a tenant may choose this model.
fn check_model(model: &str, offered: &[String]) -> Result<(), Problem> {
    if model == ModelChoice::BUILT_IN || offered.iter().any(|offered| offered == model) {
        return Ok(());
    }
    let names = [ModelChoice::BUILT_IN].into_iter().chain(offered.iter().map(String::as_str));
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    let detail = format!("field `model` is none that the deployment offers, expected {}", names.join(" or "));
    Err(Problem::invalid("model", detail))
}

#[cfg(test)]
mod tests {
    use domain::TenantSettings;
    use serde_json::json;

    use super::*;
    use crate::http::read_json;

    fn asked(body: &serde_json::Value) -> Result<SettingsAsked, Problem> {
        read_json(body.to_string().as_bytes())
    }

    #[test]
    fn what_is_given_is_what_changes() {
        let body = json!({"confidence_floor": 0.5, "memories_per_user": null, "review": {"types": ["fact"]}});
        let fields = asked(&body).unwrap().fields(false, &[]).unwrap();
        let review = json!({"types": ["fact"], "agents": []});
        assert_eq!(fields, json!({"confidence_floor": 0.5, "memories_per_user": null, "review": review}));
    }

    #[test]
    fn a_field_that_is_wrong_is_named() {
        for (body, parameter, expected) in [
            (json!({"colour": 1}), "colour", "unknown"),
            (json!({"confidence_floor": 1.5}), "confidence_floor", "0 to 1"),
            (json!({"memories_per_user": -1}), "memories_per_user", "from 0 to 1000000"),
            (json!({"model_burst": 0}), "model_burst", "from 1 to"),
            (json!({"when_exhausted": "stop"}), "when_exhausted", "pause"),
            (json!({"review": {"kinds": []}}), "kinds", "unknown"),
            (json!({"review": {"types": ["opinion"]}}), "review.types[0]", "opinion"),
            (json!({"model": 7}), "model", "string"),
            (json!({"model": ""}), "model", "1 to 100"),
            (json!({"lifetimes": 60}), "lifetimes", "expected"),
            (
                json!({"lifetimes": {"tool_state_seconds": 59}}),
                "lifetimes.tool_state_seconds",
                "from 60 to 2592000",
            ),
            (
                json!({"lifetimes": {"step_result_seconds": 2_592_001}}),
                "lifetimes.step_result_seconds",
                "from 60 to",
            ),
            (json!({"lifetimes": {"tools": 60}}), "tools", "unknown"),
            (json!({"guard": "redact"}), "guard", "expected"),
            (json!({"guard": {"secrets": "hide"}}), "guard.secrets", "redact"),
            (json!({"guard": {"names": "redact"}}), "names", "unknown"),
            (json!({"guard": {"identifiers": "on"}}), "guard.identifiers", "redact"),
            (json!({"guard": {"identifiers": 1}}), "guard.identifiers", "redact"),
            (json!({"guard": {"identifiers": {"iban": true}}}), "guard.identifiers.iban", "expected"),
            (json!({"guard": {"identifiers": {"passport": "block"}}}), "passport", "unknown"),
        ] {
            let problem = asked(&body).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(parameter)), "{body}");
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
    }

    #[test]
    fn a_tenant_chooses_among_the_models_that_are_offered() {
        let offered = ["eu".to_owned(), "large".to_owned()];
        let chosen = |model| asked(&json!({"model": model})).unwrap().fields(false, &offered);
        for model in [json!("built-in"), json!("eu"), json!(null)] {
            assert_eq!(chosen(model.clone()).unwrap(), json!({"model": model}));
        }
        for model in ["https://a.example/v1", "Eu", "default"] {
            let problem = chosen(json!(model)).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some("model")));
            assert!(problem.detail.ends_with("expected `built-in` or `eu` or `large`"), "{}", problem.detail);
        }
    }

    #[test]
    fn a_tenant_does_not_set_its_own_limits() {
        for limit in LIMITS {
            let asked = asked(&json!({limit: 5})).unwrap();
            let problem = asked.fields(false, &[]).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (403, Some(limit)));
            assert_eq!(asked.fields(true, &[]).unwrap(), json!({limit: 5}));
        }
    }

    #[test]
    fn every_setting_can_be_set_and_is_read_as_it_was_set() {
        let body = json!({
            "model": "eu", "model_requests_per_minute": 1, "model_burst": 2, "model_tokens_per_day": 3, "when_exhausted": "pause",
            "agent_concurrency": 4, "recall_requests_per_minute": 5, "ingest_events_per_minute": 6,
            "ingest_events_per_day": 7, "confidence_floor": 0.5, "memories_per_user": 8,
            "review": {"below_confidence": 0.25, "types": ["fact"], "agents": ["summarizer"]},
            "retention": {"versions_days": 1, "runs_days": 2, "checkpoints_days": 3, "checkpoints_kept": 4,
                          "deleted_days": 5, "expired_days": 6, "faded_days": 7, "waiting_days": 8, "deliveries_days": 9,
                          "archive_days": 10, "orphans_days": 11, "erasure_days": 12},
            "guard": {"secrets": "block",
                      "identifiers": {"credit_card": "block", "iban": "redact", "phone": "off", "email": "redact",
                                      "us_ssn": "block", "ip_address": "off"}},
            "lifetimes": {"session_context_seconds": 60, "working_memory_seconds": 61, "tool_state_seconds": 62,
                          "step_result_seconds": 63}
        });
        let fields = asked(&body).unwrap().fields(true, &["eu".to_owned()]).unwrap();
        let settings: TenantSettings = serde_json::from_value(fields).unwrap();
        assert_eq!(serde_json::to_value(&settings).unwrap(), body, "a setting is missing here or there");
    }

    #[test]
    fn a_key_has_a_scope_and_a_time_to_come() {
        let now = Timestamp::from_second(1_000).unwrap();
        let check = |body: serde_json::Value| {
            let asked: NewKeyAsked = read_json(body.to_string().as_bytes())?;
            asked.check(now)
        };
        assert_eq!(check(json!({"name": "ci", "scopes": ["read"]})), Ok(()));
        for (body, parameter) in [
            (json!({"name": "ci", "scopes": []}), "scopes"),
            (json!({"name": "ci", "scopes": ["rule"]}), "scopes[0]"),
            (json!({"name": "a\tb", "scopes": ["read"]}), "name"),
            (json!({"name": "", "scopes": ["read"]}), "name"),
            (json!({"name": "ci", "scopes": ["read"], "expires_at": "1970-01-01T00:16:40Z"}), "expires_at"),
            (json!({"name": "ci", "scopes": ["read"], "hash": "x"}), "hash"),
        ] {
            assert_eq!(check(body.clone()).unwrap_err().parameter.as_deref(), Some(parameter), "{body}");
        }
    }
}
