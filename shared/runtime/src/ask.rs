use std::time::Duration;

use domain::{SessionId, TenantId, TenantSettings, WhenExhausted};
use hot::{Admitted, Hot, Put, Rate, Read, Reserved, StepKey};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use model::{Answer, Asked, OpenAi, Price, Question, Usage};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::Store;

use crate::agent::ThinkError;
use crate::config::Limits;
use crate::models::Thinking;

/// Tokens are reserved for the answer before it is known how long it will be.
const USUAL_ANSWER_TOKENS: u64 = 1024;
/// English text is about four bytes a token.
const BYTES_PER_TOKEN: u64 = 4;

/// How one run asks a model: every answer is paid for once, within the tenant's rate and tokens.
#[derive(Clone)]
pub(crate) struct Asking {
    pub(crate) hot: Hot,
    pub(crate) store: Store,
    pub(crate) agent: &'static str,
    pub(crate) tenant: TenantId,
    pub(crate) session: SessionId,
    pub(crate) after: i64,
    pub(crate) through: i64,
    /// Whether a run has begun with this window before, so that it may have left answers.
    pub(crate) resumed: bool,
    pub(crate) limits: Limits,
    pub(crate) thinking: Thinking,
    pub(crate) price: Option<Price>,
    pub(crate) now: fn() -> Timestamp,
}

/// An answer as it is memoised.
#[derive(Serialize, Deserialize)]
struct Memo {
    value: Value,
    model: String,
    input_tokens: u64,
    output_tokens: u64,
}

impl Asking {
    /// The memo, else the throttle, the budget, the model, and a memo of what it said. The tenant's model is asked, where it
    /// has another than `model`, the deployment's.
    ///
    /// On the usual way that is one write to DynamoDB for the memo, one for the throttle and two for the budget where they
    /// are set; a memo is only looked for when the window was begun before.
    pub(crate) async fn ask<T: DeserializeOwned, V>(
        &self,
        model: &OpenAi,
        name: &str,
        question: Question<'_>,
        check: impl Fn(T) -> Result<V, model::Error>,
    ) -> Result<Answer<V>, ThinkError> {
        let model = self.thinking.model(model)?;
        let key = StepKey {
            agent: self.agent,
            session: self.session,
            after: self.after,
            through: self.through,
            name,
            question: digest(model, &question),
        };
        if self.resumed
            && let Some(memo) = self.recollect(&key).await
        {
            tracing::info!(step = name, "the model's answer was known from a run before");
            self.count_call("known");
            return Ok(read(&memo, check)?);
        }
        self.throttle(model).await?;
        let reserved = self.reserve(&question).await?;
        let Asked { answer, spent } = model.ask::<Value>(question).await;
        self.measure(answer.as_ref().err(), spent.as_ref());
        self.settle(reserved, answer.as_ref().err(), spent.as_ref()).await;
        let Answer { value, usage } = answer?;
        let memo = Memo {
            value,
            model: usage.model,
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
        };
        // Only an answer that is of use is kept: one that is not will be asked for again.
        let read = read(&memo, check)?;
        self.memoise(&key, &memo).await;
        Ok(read)
    }

    /// What a run before was told. Hot state that does not answer is no reason not to think.
    async fn recollect(&self, key: &StepKey<'_>) -> Option<Memo> {
        match self.hot.get_step(key, (self.now)()).await {
            Ok(Read::Present(bytes)) => match serde_json::from_slice(&bytes) {
                Ok(memo) => Some(memo),
                Err(error) => {
                    tracing::warn!(%error, "a memoised answer cannot be read and is asked for again");
                    None
                }
            },
            Ok(Read::Absent) => None,
            Ok(Read::Corrupt { reason }) => {
                metrics::counter!("CorruptSteps", "Agent" => self.agent).increment(1);
                tracing::warn!(reason, "a memoised answer is damaged and is asked for again");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "memoised answers cannot be looked for");
                None
            }
        }
    }

    async fn memoise(&self, key: &StepKey<'_>, memo: &Memo) {
        let bytes = match serde_json::to_vec(memo) {
            Ok(bytes) => bytes,
            Err(error) => return tracing::warn!(%error, "an answer cannot be memoised"),
        };
        match self.hot.put_step(key, &bytes, (self.now)()).await {
            Ok(Put::Stored | Put::Outdated) => {}
            Ok(Put::TooLarge) => tracing::warn!(bytes = bytes.len(), "an answer is too long to be memoised"),
            Err(error) => tracing::warn!(%error, "an answer could not be memoised"),
        }
    }

    async fn throttle(&self, model: &OpenAi) -> Result<(), ThinkError> {
        let burst = self.limits.burst;
        let rate = self.limits.requests_per_minute.map(|per_minute| Rate { per_minute, burst });
        let Some(rate) = rate else { return Ok(()) };
        match self.hot.throttle(model.provider(), &self.tenant, rate, (self.now)()).await? {
            Admitted::Yes => Ok(()),
            Admitted::Later { at } => {
                let patience = Duration::try_from(at.duration_since((self.now)())).unwrap_or_default();
                Err(ThinkError::Later { patience: patience.max(Duration::from_secs(1)) })
            }
        }
    }

    /// Tokens set aside for a question, none where there is no budget.
    async fn reserve(&self, question: &Question<'_>) -> Result<Option<(jiff::civil::Date, u64)>, ThinkError> {
        let Some(limit) = self.limits.tokens_per_day else { return Ok(None) };
        let now = (self.now)();
        let day = now.to_zoned(TimeZone::UTC).date();
        let bytes = question.instructions.len() + question.input.len();
        let estimate = u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_TOKEN + USUAL_ANSWER_TOKENS;
        if estimate > limit {
            // No day will have that many: waiting for one would be for ever.
            return Err(ThinkError::Exhausted { until: None });
        }
        let mut seed = None;
        loop {
            match self.hot.reserve_tokens(&self.tenant, day, estimate, limit, seed).await? {
                Reserved::Yes => return Ok(Some((day, estimate))),
                Reserved::Exhausted => {
                    let until = match self.limits.when_exhausted {
                        WhenExhausted::BuiltIn => None,
                        WhenExhausted::Pause => Some(next_day(now)),
                    };
                    return Err(ThinkError::Exhausted { until });
                }
                // The item is new or was lost: the runs of the day say what was spent.
                Reserved::Unknown => seed = Some(self.store.tokens_of_day(&self.tenant, day).await?),
            }
        }
    }

    /// Counts a request where it is made: what a run that comes to nothing spent is in no row of `agent_runs`.
    fn measure(&self, error: Option<&model::Error>, spent: Option<&Usage>) {
        self.count_call(match error {
            None => "answered",
            Some(model::Error::RateLimited { .. }) => "rate_limited",
            Some(model::Error::Transient(_)) => "failed",
            Some(model::Error::Invalid(_)) => "invalid",
            Some(model::Error::Refused) => "refused",
            Some(model::Error::TooLong) => "too_long",
            Some(model::Error::Configuration(_)) => "misconfigured",
        });
        let Some(spent) = spent else { return };
        let agent = self.agent;
        metrics::counter!("ModelTokens", "Agent" => agent, "Kind" => "input").increment(spent.input_tokens);
        metrics::counter!("ModelTokens", "Agent" => agent, "Kind" => "output").increment(spent.output_tokens);
        if let Some(price) = self.price {
            metrics::histogram!("ModelCost", "Agent" => agent).record(price.cost(spent).microdollars());
        }
    }

    fn count_call(&self, outcome: &'static str) {
        metrics::counter!("ModelCalls", "Agent" => self.agent, "Outcome" => outcome).increment(1);
    }

    /// Corrects what was set aside by what was spent. Lost, it errs on the side of having spent more.
    async fn settle(
        &self,
        reserved: Option<(jiff::civil::Date, u64)>,
        error: Option<&model::Error>,
        spent: Option<&Usage>,
    ) {
        let Some((day, estimate)) = reserved else { return };
        let spent = match (spent, error) {
            (Some(usage), _) => usage.input_tokens.saturating_add(usage.output_tokens),
            // Answered without a count: the estimate stands.
            (None, None | Some(model::Error::Invalid(_) | model::Error::Refused | model::Error::TooLong)) => {
                return;
            }
            (None, Some(_)) => 0,
        };
        if let Err(error) = self.hot.settle_tokens(&self.tenant, day, estimate, spent).await {
            tracing::warn!(%error, "spent tokens could not be settled");
        }
    }
}

fn read<T: DeserializeOwned, V>(
    memo: &Memo,
    check: impl Fn(T) -> Result<V, model::Error>,
) -> Result<Answer<V>, model::Error> {
    let value = T::deserialize(&memo.value)
        .map_err(|_| model::Error::Invalid("the answer passes its schema but cannot be read".to_owned()))?;
    let usage = Usage {
        model: memo.model.clone(),
        input_tokens: memo.input_tokens,
        output_tokens: memo.output_tokens,
    };
    Ok(Answer { value: check(value)?, usage })
}

/// What makes two questions the same: the model, the rules, the instructions and what they are about.
fn digest(model: &OpenAi, question: &Question<'_>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [model.provider(), model.name(), question.rules, question.instructions, question.input] {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part.as_bytes());
    }
    digest.finalize().into()
}

fn next_day(now: Timestamp) -> Timestamp {
    now.to_zoned(TimeZone::UTC).date().tomorrow().and_then(|day| day.to_zoned(TimeZone::UTC)).map_or_else(
        |_| now.saturating_add(SignedDuration::from_hours(24)).unwrap_or(now),
        |day| day.timestamp(),
    )
}

impl Limits {
    /// The deployment's limits with what the tenant has of its own.
    pub(crate) fn of_tenant(&self, settings: &TenantSettings) -> Self {
        Self {
            requests_per_minute: settings
                .model_requests_per_minute
                .or(self.requests_per_minute)
                .filter(|per_minute| *per_minute > 0),
            burst: settings.model_burst.unwrap_or(self.burst),
            tokens_per_day: settings
                .model_tokens_per_day
                .or(self.tokens_per_day)
                .filter(|tokens| *tokens > 0),
            when_exhausted: settings.when_exhausted.unwrap_or(self.when_exhausted),
            concurrency: settings.agent_concurrency.or(self.concurrency).filter(|limit| *limit > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            requests_per_minute: Some(60),
            burst: 5,
            tokens_per_day: Some(1000),
            when_exhausted: WhenExhausted::BuiltIn,
            concurrency: None,
        }
    }

    #[test]
    fn a_tenant_has_the_deployments_limits_but_for_its_own() {
        assert_eq!(limits().of_tenant(&TenantSettings::default()), limits());
        let own = TenantSettings {
            model_requests_per_minute: Some(0),
            model_tokens_per_day: Some(7),
            when_exhausted: Some(WhenExhausted::Pause),
            agent_concurrency: Some(2),
            ..TenantSettings::default()
        };
        assert_eq!(
            limits().of_tenant(&own),
            Limits {
                requests_per_minute: None,
                burst: 5,
                tokens_per_day: Some(7),
                when_exhausted: WhenExhausted::Pause,
                concurrency: Some(2),
            }
        );
        let faster = TenantSettings { model_requests_per_minute: Some(600), ..TenantSettings::default() };
        assert_eq!(limits().of_tenant(&faster).requests_per_minute, Some(600));
    }

    #[test]
    fn a_budget_begins_anew_at_midnight_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(next_day(at("2026-11-21T00:00:00Z")), at("2026-11-22T00:00:00Z"));
        assert_eq!(next_day(at("2026-12-31T23:59:59.9Z")), at("2027-01-01T00:00:00Z"));
    }
}
