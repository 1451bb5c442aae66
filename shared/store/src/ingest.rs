//! Events that were accepted before Postgres was asked.

use domain::{AcceptedEvents, TenantId};
use futures::{join, try_join};
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::types::ToSql;

use crate::{Error, Store};

impl Store {
    /// Stores accepted events of one tenant, all or none, in one statement and one round trip; answers how many were not
    /// there before. Doing it again comes to nothing.
    ///
    /// Events of one session that come in several messages have to be in order. An error that
    /// [`is a refusal`](Error::is_refusal) is due to one of the events and will come again with it; after any other
    /// error whether they were stored is not known, and they are to be given again.
    pub async fn ingest(&self, tenant: &TenantId, accepted: &[&AcceptedEvents]) -> Result<u64, Error> {
        let columns = Columns::of(accepted);
        let transaction = self.transaction(tenant).await?;
        let (hold_off, insert) = try_join!(
            transaction.prepare(include_str!("../queries/hold_off_erasures.sql")),
            transaction.prepare(include_str!("../queries/insert_accepted.sql")),
        )?;
        let values: [&(dyn ToSql + Sync); 12] = [
            &tenant.as_str(),
            &columns.users,
            &columns.sessions,
            &columns.kinds,
            &columns.roles,
            &columns.speakers,
            &columns.contents,
            &columns.payloads,
            &columns.schema_versions,
            &columns.keys,
            &columns.occurred_at,
            &columns.accepted_at,
        ];
        let (users, tenants) = (&columns.users, vec![tenant.as_str(); columns.users.len()]);
        let held: [&(dyn ToSql + Sync); 2] = [&tenants, users];
        let (begun, held, inserted, committed) = join!(
            transaction.begin(),
            transaction.query(&hold_off, &held),
            transaction.execute(&insert, &values),
            transaction.commit(),
        );
        begun?;
        held?;
        // Whatever Postgres refused, its answer to the commit leaves the connection fit for use.
        committed?;
        transaction.end();
        inserted
    }
}

/// Accepted events as the arrays that the statement takes.
#[derive(Default)]
struct Columns<'a> {
    users: Vec<&'a str>,
    sessions: Vec<&'a str>,
    kinds: Vec<&'static str>,
    roles: Vec<Option<&'a str>>,
    speakers: Vec<Option<&'a str>>,
    contents: Vec<Option<&'a str>>,
    payloads: Vec<&'a Value>,
    schema_versions: Vec<i16>,
    keys: Vec<&'a str>,
    occurred_at: Vec<Timestamp>,
    /// Since when each has been there: since it was accepted, or written to a table that was adopted.
    accepted_at: Vec<Timestamp>,
}

impl<'a> Columns<'a> {
    /// The events of each session together, those of one session in the order given.
    fn of(accepted: &[&'a AcceptedEvents]) -> Self {
        let mut sorted: Vec<&AcceptedEvents> = accepted.to_vec();
        sorted.sort_by_key(|accepted| (accepted.user.as_str(), accepted.session.as_str()));
        let mut columns = Self::default();
        for accepted in sorted {
            for event in &accepted.events {
                columns.users.push(accepted.user.as_str());
                columns.sessions.push(accepted.session.as_str());
                columns.kinds.push(event.kind.as_str());
                columns.roles.push(event.role.as_deref());
                columns.speakers.push(event.speaker.as_deref());
                columns.contents.push(event.content.as_deref());
                columns.payloads.push(&event.payload);
                columns.schema_versions.push(event.schema_version);
                columns.keys.push(&event.idempotency_key);
                columns.occurred_at.push(event.occurred_at);
                columns.accepted_at.push(event.written_at.unwrap_or(accepted.accepted_at));
            }
        }
        columns
    }
}
