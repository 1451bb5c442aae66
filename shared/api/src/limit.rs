//! How much a tenant may ask: limits that refuse, because whoever asks waits for the answer.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use domain::{TenantId, TenantSettings};
use hot::{Admitted, Allowance, Counted, Hot, Rate};
use jiff::Timestamp;

use crate::{Keyring, Problem};

/// What the limits are called, in hot state and in headers.
const REQUESTS: &str = "recall";
const EVENTS: &str = "events";
const EVENTS_OF_A_DAY: &str = "events-per-day";
const MINUTE: u32 = 60;
const DAY: u32 = 24 * 60 * 60;

/// What is left of a limit, as the headers `ratelimit-policy` and `ratelimit` tell it (draft-ietf-httpapi-ratelimit-headers).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    policy: &'static str,
    /// So much in so many seconds.
    quota: u64,
    window_seconds: u32,
    /// So much is admitted at once now.
    left: u64,
    /// After so many seconds it is as much as it can be, when nothing is asked.
    full_in_seconds: u64,
}

impl RateLimit {
    /// Adds it to the headers of an answer.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let Self { policy, quota, window_seconds, left, full_in_seconds } = self;
        for (name, value) in [
            ("ratelimit-policy", format!("\"{policy}\";q={quota};w={window_seconds}")),
            ("ratelimit", format!("\"{policy}\";r={left};t={full_in_seconds}")),
        ] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
    }
}

/// Refuses what a tenant asks beyond its rate. Where none is set, a request costs nothing for it.
#[derive(Debug, Clone, Copy)]
pub struct Limiter {
    /// Requests per minute of a tenant that has no limit of its own; 0 for no limit.
    per_minute: u32,
}

impl Limiter {
    /// A limit of so many requests a minute for tenants that have none of their own; 0 for no limit.
    pub const fn new(per_minute: u32) -> Self {
        Self { per_minute }
    }

    /// Whether the request may go on, and what is left then. A tenant may ask a tenth of a minute's requests at once, ten at
    /// least. Hot state or settings that cannot be read refuse nobody.
    pub async fn admit(
        &self,
        keyring: &Keyring,
        hot: &Hot,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Option<RateLimit>, Problem> {
        let settings = keyring.settings_if_known(tenant, now).await;
        let per_minute = settings.recall_requests_per_minute.unwrap_or(self.per_minute);
        if per_minute == 0 {
            return Ok(None);
        }
        let rate = Rate { per_minute, burst: (per_minute / 10).max(10) };
        let Some((wait, limit)) = ask(hot, REQUESTS, tenant, rate, NonZeroU32::MIN, now).await else {
            return Ok(None);
        };
        let Some(wait) = wait else { return Ok(Some(limit)) };
        let detail = format!("the tenant may ask {per_minute} times a minute");
        Err(Problem::too_many_requests(&detail, wait).with_limits(vec![limit]))
    }
}

/// How many events are taken in of a tenant that has no limits of its own; 0 for no limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct IngestQuota {
    /// So many a minute; all of them may come at once.
    pub per_minute: u32,
    /// So many a day (UTC).
    pub per_day: u64,
}

impl IngestQuota {
    /// How many a minute and how many a day are taken in of a tenant; 0 for no limit.
    fn of(&self, settings: &TenantSettings) -> (u32, u64) {
        (
            settings.ingest_events_per_minute.unwrap_or(self.per_minute),
            settings.ingest_events_per_day.unwrap_or(self.per_day),
        )
    }

    /// Whether a tenant is limited at all.
    pub fn is_limiting(&self, settings: &TenantSettings) -> bool {
        self.of(settings) != (0, 0)
    }

    /// Whether so many events of one request may be taken in, all or none, and what is left then.
    ///
    /// To be asked once for each request, when all else about it is right, and not for a repeat. A request that is refused for
    /// the day counts towards the minute. Hot state that does not answer refuses nobody.
    ///
    /// # Errors
    /// 429 with `retry-after`; 422 for more events than can ever be taken in at once.
    pub async fn admit(
        &self,
        hot: &Hot,
        settings: &TenantSettings,
        tenant: &TenantId,
        events: NonZeroU32,
        now: Timestamp,
    ) -> Result<Vec<RateLimit>, Problem> {
        let (per_minute, per_day) = self.of(settings);
        for (most, time) in [(u64::from(per_minute), "minute"), (per_day, "day")] {
            if most > 0 && u64::from(events.get()) > most {
                let detail = format!(
                    "the request has {events} events, expected at most {most}: the tenant may send that many a {time}"
                );
                let left = self.left(hot, settings, tenant, now).await;
                return Err(Problem::unprocessable("events", detail).with_limits(left));
            }
        }
        let mut limits = Vec::new();
        if per_minute > 0 {
            let rate = at_once(per_minute);
            if let Some((wait, limit)) = ask(hot, EVENTS, tenant, rate, events, now).await {
                limits.push(limit);
                if let Some(wait) = wait {
                    let detail = format!("the tenant may send {per_minute} events a minute");
                    return Err(Problem::too_many_requests(&detail, wait).with_limits(limits));
                }
            }
        }
        if per_day > 0 {
            match hot.count(EVENTS, tenant, per_day, u64::from(events.get()), now).await {
                Ok(counted) => {
                    let (wait, limit) = of_a_day(per_day, counted, now);
                    limits.push(limit);
                    if !counted.is_admitted {
                        let detail = format!("the tenant may send {per_day} events a day (UTC)");
                        return Err(Problem::too_many_requests(&detail, wait).with_limits(limits));
                    }
                }
                Err(error) => tracing::warn!(%error, "the events of the day were not counted"),
            }
        }
        Ok(limits)
    }

    /// What is left for a tenant now, when nothing is taken in. Of what hot state does not tell, nothing is said.
    pub async fn left(
        &self,
        hot: &Hot,
        settings: &TenantSettings,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Vec<RateLimit> {
        let (per_minute, per_day) = self.of(settings);
        let mut limits = Vec::new();
        if per_minute > 0 {
            let rate = at_once(per_minute);
            match hot.rate_left(EVENTS, tenant, rate, now).await {
                Ok(allowance) => limits.push(of_a_minute(EVENTS, rate, allowance)),
                Err(error) => tracing::warn!(%error, "the rate limit was not looked at"),
            }
        }
        if per_day > 0 {
            match hot.counted(EVENTS, tenant, per_day, now).await {
                Ok(counted) => limits.push(of_a_day(per_day, counted, now).1),
                Err(error) => tracing::warn!(%error, "the events of the day were not looked at"),
            }
        }
        limits
    }

    /// Gives back what was admitted at a time and then not taken in, none of it. What hot state does not answer to stays used.
    pub async fn give_back(
        &self,
        hot: &Hot,
        settings: &TenantSettings,
        tenant: &TenantId,
        events: NonZeroU32,
        admitted_at: Timestamp,
    ) {
        let (per_minute, per_day) = self.of(settings);
        if per_minute > 0
            && let Err(error) = hot.give_back(EVENTS, tenant, at_once(per_minute), events).await
        {
            tracing::warn!(%error, "events that were not taken in count towards the minute");
        }
        if per_day > 0
            && let Err(error) = hot.uncount(EVENTS, tenant, u64::from(events.get()), admitted_at).await
        {
            tracing::warn!(%error, "events that were not taken in count towards the day");
        }
    }
}

/// A rate of which all of a minute may come at once.
const fn at_once(per_minute: u32) -> Rate {
    Rate { per_minute, burst: per_minute }
}

fn of_a_minute(policy: &'static str, rate: Rate, allowance: Allowance) -> RateLimit {
    RateLimit {
        policy: if policy == REQUESTS { "requests" } else { policy },
        quota: u64::from(rate.per_minute),
        window_seconds: MINUTE,
        left: u64::from(allowance.left),
        full_in_seconds: whole_seconds(allowance.full_in),
    }
}

/// How long it is until the next day, and what is left of this one.
fn of_a_day(per_day: u64, counted: Counted, now: Timestamp) -> (Duration, RateLimit) {
    let wait = Duration::try_from(counted.next_day.duration_since(now)).unwrap_or_default();
    let limit = RateLimit {
        policy: EVENTS_OF_A_DAY,
        quota: per_day,
        window_seconds: DAY,
        left: counted.left,
        full_in_seconds: whole_seconds(wait),
    };
    (wait, limit)
}

/// Asks hot state; for how long to wait when it says no, and what is left. `None` when it does not answer.
async fn ask(
    hot: &Hot,
    policy: &'static str,
    tenant: &TenantId,
    rate: Rate,
    count: NonZeroU32,
    now: Timestamp,
) -> Option<(Option<Duration>, RateLimit)> {
    let asked = hot.rate_limit(policy, tenant, rate, count, now).await;
    let allowance =
        asked.inspect_err(|error| tracing::warn!(%error, "the rate limit was not looked at")).ok()?;
    let wait = match allowance.admitted {
        Admitted::Yes => None,
        Admitted::Later { at } => Some(Duration::try_from(at.duration_since(now)).unwrap_or_default()),
    };
    Some((wait, of_a_minute(policy, rate, allowance)))
}

/// The seconds of a time, a part counting as one.
pub(crate) fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_as_the_draft_writes_it() {
        let mut headers = HeaderMap::new();
        let limit =
            RateLimit { policy: EVENTS, quota: 60, window_seconds: MINUTE, left: 4, full_in_seconds: 56 };
        limit.tell(&mut headers);
        RateLimit { policy: EVENTS_OF_A_DAY, quota: 1000, window_seconds: DAY, left: 0, ..limit }
            .tell(&mut headers);
        let of = |name: &str| {
            headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(of("ratelimit-policy"), "\"events\";q=60;w=60, \"events-per-day\";q=1000;w=86400");
        assert_eq!(of("ratelimit"), "\"events\";r=4;t=56, \"events-per-day\";r=0;t=56");
    }

    #[test]
    fn a_part_of_a_second_counts_as_one() {
        let of = |milliseconds| whole_seconds(Duration::from_millis(milliseconds));
        assert_eq!([of(0), of(1), of(1000), of(1001)], [0, 1, 1, 2]);
    }
}
