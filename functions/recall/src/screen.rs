//! Taking out of what an application writes what the tenant wants kept out.

use domain::{GuardAction, GuardPolicy, TenantId};
use guard::{Blocked, Found, Screen, screen_event};
use serde_json::Value;

use crate::Parts;
use crate::http::Problem;
use crate::sessions::EventAsked;

impl Parts {
    async fn guard_policy(&self, tenant: &TenantId) -> Result<GuardPolicy, Problem> {
        Ok(self.guard.keyring().settings(tenant, (self.now)()).await?.guard)
    }

    /// Looks through events that are to be appended, before anything is made of them.
    pub(crate) async fn screen_events(
        &self,
        tenant: &TenantId,
        events: &mut [EventAsked],
    ) -> Result<(), Problem> {
        let policy = self.guard_policy(tenant).await?;
        if policy.is_off() {
            return Ok(());
        }
        let mut found = Found::default();
        for (position, event) in events.iter_mut().enumerate() {
            // What is too long is not looked through.
            event.check(position)?;
            let mut payload = Value::Object(event.payload.take().unwrap_or_default());
            let in_event = screen_event(policy, event.content.as_mut(), &mut payload);
            found.add(&in_event.map_err(|Blocked { field, rule }| {
                refused(tenant, &Blocked { field: format!("events[{position}].{field}"), rule })
            })?);
            event.payload = match payload {
                Value::Object(members) if !members.is_empty() => Some(members),
                _ => None,
            };
        }
        found.tell(tenant, GuardAction::Redact);
        Ok(())
    }

    /// Looks through what is to be remembered, in words and in data.
    pub(crate) async fn screen_memory(
        &self,
        tenant: &TenantId,
        content: Option<&mut String>,
        data: Option<&mut Value>,
    ) -> Result<(), Problem> {
        let Some(mut screen) = Screen::of(self.guard_policy(tenant).await?) else { return Ok(()) };
        let in_words = content.map_or(Ok(()), |content| screen.text("content", content));
        let in_data = in_words.and_then(|()| data.map_or(Ok(()), |data| screen.document("data", data)));
        in_data.map_err(|blocked| refused(tenant, &blocked))?;
        screen.found().tell(tenant, GuardAction::Redact);
        Ok(())
    }
}

fn refused(tenant: &TenantId, blocked: &Blocked) -> Problem {
    Found::from(blocked.rule).tell(tenant, GuardAction::Block);
    Problem::unprocessable(&blocked.field, blocked.detail())
}
