//! Everything of a user in hot state, as lines of JSON.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{TenantId, UserId};
use jiff::Timestamp;
use serde_dynamo::aws_sdk_dynamodb_1::from_item;
use serde_json::{Value, json};

use crate::item::read_number;
use crate::key::Key;
use crate::{Error, Hot};

/// So many items are read at a time: an item has 400 KB at most.
const ITEMS_AT_ONCE: i32 = 5;

impl Hot {
    /// The next items of a user that live at `now`, each under its key as an object with its `kind`: pending turns with their
    /// `session`, others with their `key`. And the key after which to go on; `None` when there are no more.
    pub async fn export(
        &self,
        tenant: &TenantId,
        user: &UserId,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<(Vec<(String, String)>, Option<String>), Error> {
        let partition = AttributeValue::S(Key::user(tenant, user));
        let start = after.map(|after| {
            let sort = ("sk".to_owned(), AttributeValue::S(after.to_owned()));
            [("pk".to_owned(), partition.clone()), sort].into()
        });
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", partition)
            .limit(ITEMS_AT_ONCE)
            .set_exclusive_start_key(start)
            .consistent_read(true)
            .send()
            .await?;
        let mut lines = Vec::new();
        for mut item in answer.items.unwrap_or_default() {
            if read_number::<i64>(&item, "expires_at").is_some_and(|until| until <= now.as_second()) {
                continue;
            }
            let session = Key::of_item(&item).and_then(|key| key.pending_session());
            let key = item.remove("sk");
            item.remove("pk");
            let key = key.as_ref().and_then(|key| key.as_s().ok()).map_or("", String::as_str);
            lines.push((key.to_owned(), line(session, key, from_item(item)?).to_string()));
        }
        let last = answer.last_evaluated_key.as_ref().and_then(|key| key.get("sk"));
        Ok((lines, last.and_then(|last| last.as_s().ok()).cloned()))
    }
}

/// A turn of a session as it is shown, or an item as it is.
fn line(pending_session: Option<String>, key: &str, item: Value) -> Value {
    match (pending_session, item) {
        (Some(session), Value::Object(mut turn)) => {
            turn.remove("expires_at");
            turn.insert("kind".to_owned(), "pending_message".into());
            turn.insert("session".to_owned(), session.into());
            Value::Object(turn)
        }
        (_, item) => json!({"kind": "hot_item", "key": key, "item": item}),
    }
}
