use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::SessionId;
use jiff::Timestamp;
use uuid::Uuid;

use crate::error::unless_outdated;
use crate::key::Key;
use crate::{Error, Hot, Put};

/// The right of one run to think about one session, until it is given back or ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    agent: String,
    session: SessionId,
    holder: Uuid,
}

impl Hot {
    /// Takes the lease of (agent, session) for `holder`, or answers `None` when another holder's has not ended at `now`.
    ///
    /// One conditional write. Whoever holds it already gets it again, so a lost answer costs nothing. The end is kept
    /// in milliseconds beside the time to live, which is whole seconds.
    pub async fn acquire_lease(
        &self,
        agent: &str,
        session: SessionId,
        holder: Uuid,
        time: Duration,
        now: Timestamp,
    ) -> Result<Option<Lease>, Error> {
        let ends = now.as_millisecond().saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        let mut item = Key::lease(agent, session).attributes();
        item.insert("holder".to_owned(), AttributeValue::S(holder.to_string()));
        item.insert("ends_at".to_owned(), AttributeValue::N(ends.to_string()));
        item.insert("expires_at".to_owned(), AttributeValue::N((ends / 1000 + 1).to_string()));
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) or ends_at <= :now or holder = :holder")
            .expression_attribute_values(":now", AttributeValue::N(now.as_millisecond().to_string()))
            .expression_attribute_values(":holder", AttributeValue::S(holder.to_string()))
            .send()
            .await;
        Ok(match unless_outdated(answer)? {
            Put::Stored => Some(Lease { agent: agent.to_owned(), session, holder }),
            Put::Outdated => None,
        })
    }

    /// Gives a lease back. Nothing happens when it has ended and another holder has taken it.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), Error> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(Key::lease(&lease.agent, lease.session).attributes()))
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", AttributeValue::S(lease.holder.to_string()))
            .send()
            .await;
        unless_outdated(answer).map(|_| ())
    }
}
