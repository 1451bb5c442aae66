//! Who may act for whom, where the edge can see it without Postgres: copies of API keys and of tenants' settings.
//!
//! Postgres has the truth. A copy is written with every change and made again when it is not there. Writes may arrive in any
//! order, so a copy only ever moves one way: a key's validity only gets shorter, a tenant's settings only newer.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{KeyGrant, KeyHash, KeyScopes, TenantId, TenantSettings};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_dynamo::aws_sdk_dynamodb_1::{from_item, to_item};
use uuid::Uuid;

use crate::error::unless_outdated;
use crate::item::Item;
use crate::key::Key;
use crate::lifetime::expiry;
use crate::{Error, Hot, Put, Read};

/// The form of the items.
const FORMAT: u32 = 1;
/// What stands for a key that does not end, in microseconds since 1970: later than any that does.
const NEVER: i64 = i64::MAX;

/// A copy, and when it was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Copied<T> {
    /// What Postgres had.
    pub value: T,
    /// When it had it.
    pub at: Timestamp,
}

/// A tenant's settings with their version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionedSettings {
    /// Goes up with every change.
    pub version: i64,
    /// The settings.
    pub settings: TenantSettings,
}

#[derive(Serialize, Deserialize)]
struct CopyItem<T> {
    format: u32,
    expires_at: i64,
    copied_at_seconds: i64,
    #[serde(flatten)]
    value: T,
}

#[derive(Serialize, Deserialize)]
struct GrantItem {
    id: Uuid,
    tenant: TenantId,
    scopes: KeyScopes,
    valid_until_microseconds: i64,
}

impl Hot {
    /// Copies what a key stands for. [`Put::Outdated`] when a copy is there that ends earlier: that one holds.
    pub async fn put_key(&self, hash: &KeyHash, grant: &KeyGrant, now: Timestamp) -> Result<Put, Error> {
        let valid_until = grant.valid_until.map_or(NEVER, Timestamp::as_microsecond);
        let value = GrantItem {
            id: grant.id,
            tenant: grant.tenant.clone(),
            scopes: grant.scopes.clone(),
            valid_until_microseconds: valid_until,
        };
        let condition = "not attribute_type(valid_until_microseconds, :number) \
                         or valid_until_microseconds >= :value or expires_at <= :now";
        self.put_copy(Key::api_key(hash), value, condition, valid_until, now).await
    }

    /// What a key stands for, ended or not, as the last write left it: one request.
    pub async fn get_key(&self, hash: &KeyHash, now: Timestamp) -> Result<Read<Copied<KeyGrant>>, Error> {
        let read = read_copy::<GrantItem>(self.get(Key::api_key(hash)).await?, now);
        Ok(match read {
            Read::Absent => Read::Absent,
            Read::Corrupt { reason } => Read::Corrupt { reason },
            Read::Present(Copied { value, at }) => {
                let valid_until = match value.valid_until_microseconds {
                    NEVER => None,
                    microseconds => Some(Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MIN)),
                };
                let GrantItem { id, tenant, scopes, .. } = value;
                Read::Present(Copied { value: KeyGrant { id, tenant, scopes, valid_until }, at })
            }
        })
    }

    /// Copies a tenant's settings. [`Put::Outdated`] when newer ones are there.
    pub async fn put_settings(
        &self,
        tenant: &TenantId,
        settings: &VersionedSettings,
        now: Timestamp,
    ) -> Result<Put, Error> {
        let condition = "not attribute_type(#version, :number) or #version <= :value or expires_at <= :now";
        self.put_copy(Key::settings(tenant), settings.clone(), condition, settings.version, now).await
    }

    /// A tenant's settings, as the last write left them: one request.
    pub async fn get_settings(
        &self,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<Read<Copied<VersionedSettings>>, Error> {
        Ok(read_copy(self.get(Key::settings(tenant)).await?, now))
    }

    async fn put_copy(
        &self,
        key: Key,
        value: impl Serialize,
        condition: &str,
        compared: i64,
        now: Timestamp,
    ) -> Result<Put, Error> {
        let mut item: HashMap<String, AttributeValue> = to_item(CopyItem {
            format: FORMAT,
            expires_at: expiry(now, self.lifetimes.copy),
            copied_at_seconds: now.as_second(),
            value,
        })?;
        item.extend(key.attributes());
        let has_version = condition.contains("#version");
        let names = has_version.then(|| HashMap::from([("#version".to_owned(), "version".to_owned())]));
        let answer = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .expression_attribute_values(":number", AttributeValue::S("N".to_owned()))
            .expression_attribute_values(":value", AttributeValue::N(compared.to_string()))
            .expression_attribute_values(":now", AttributeValue::N(now.as_second().to_string()))
            .send()
            .await;
        unless_outdated(answer)
    }
}

fn read_copy<T: DeserializeOwned>(item: Option<Item>, now: Timestamp) -> Read<Copied<T>> {
    match item.map(from_item::<CopyItem<T>>) {
        None => Read::Absent,
        Some(Ok(item)) if item.expires_at <= now.as_second() => Read::Absent,
        Some(Ok(item)) if item.format != FORMAT => {
            Read::Corrupt { reason: format!("format is {}, expected {FORMAT}", item.format) }
        }
        Some(Ok(item)) => {
            let at = Timestamp::from_second(item.copied_at_seconds).unwrap_or(Timestamp::UNIX_EPOCH);
            Read::Present(Copied { value: item.value, at })
        }
        Some(Err(error)) => Read::Corrupt { reason: error.to_string() },
    }
}
