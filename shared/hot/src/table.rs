use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::config::Config;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::KeysAndAttributesBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure,
};

use crate::item::{Answer, Assignment, Change, Condition, Exchange, Item, Next, Path, Write};
use crate::key::Key;
use crate::{Error, Hot};

/// How many items one request reads: DynamoDB's own bound.
const MOST_KEYS_AT_ONCE: usize = 100;
/// How often what was left out is asked for.
const MOST_ROUNDS: u8 = 5;

impl Hot {
    /// Goes through an exchange: one request for each write it asks for.
    pub(crate) async fn carry_out<E: Exchange>(&self, mut exchange: E) -> Result<E::Outcome, Error> {
        let mut next = exchange.next(None);
        loop {
            match next {
                Next::Done(outcome) => return Ok(outcome),
                Next::Write(write) => next = exchange.next(Some(self.write(write).await?)),
            }
        }
    }

    /// The item under a key, expired or not, as the last write left it: one request.
    pub(crate) async fn get(&self, key: Key) -> Result<Option<Item>, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .consistent_read(true)
            .send()
            .await?;
        Ok(answer.item)
    }

    /// These parts of the item under a key, as the last write left it: one request. `None` when there is no item, or
    /// nothing of these is in it.
    pub(crate) async fn get_parts(&self, key: Key, parts: &[Path]) -> Result<Option<Item>, Error> {
        let mut words = Words::default();
        let projection: Vec<String> = parts.iter().map(|part| words.path(part)).collect();
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .projection_expression(projection.join(", "))
            .set_expression_attribute_names(Some(words.names()))
            .consistent_read(true)
            .send()
            .await?;
        Ok(answer.item.filter(|item| !item.is_empty()))
    }

    /// These parts of the items whose keys begin like this one, as the last writes left them, in the order of their keys:
    /// one request for each megabyte that the items take.
    pub(crate) async fn query(&self, beginning: &Key, parts: &[Path]) -> Result<Vec<Item>, Error> {
        let (partition, prefix) = beginning.clone().parts();
        let mut words = Words::default();
        let projection: Vec<String> = parts.iter().map(|part| words.path(part)).collect();
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk and begins_with(sk, :sk)")
                .expression_attribute_values(":pk", AttributeValue::S(partition.clone()))
                .expression_attribute_values(":sk", AttributeValue::S(prefix.clone()))
                .projection_expression(projection.join(", "))
                .set_expression_attribute_names(Some(words.names()))
                .set_exclusive_start_key(after)
                .consistent_read(true)
                .send()
                .await?;
            items.extend(answer.items.unwrap_or_default());
            after = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                return Ok(items);
            }
        }
    }

    /// These attributes of the items under many keys, as writes left them that were not just now.
    pub(crate) async fn get_many(
        &self,
        keys: &[Key],
        attributes: &[&str],
    ) -> Result<HashMap<Key, Item>, Error> {
        let mut words = Words::default();
        let projection: Vec<String> =
            ["pk", "sk"].iter().chain(attributes).map(|name| words.name(name)).collect();
        let wanted = KeysAndAttributes::builder()
            .projection_expression(projection.join(", "))
            .set_expression_attribute_names(Some(words.names()));
        self.get_batches(keys, &wanted).await
    }

    /// The items under a few keys, as the last writes left them.
    pub(crate) async fn get_together(&self, keys: &[Key]) -> Result<HashMap<Key, Item>, Error> {
        self.get_batches(keys, &KeysAndAttributes::builder().consistent_read(true)).await
    }

    /// One request per 100 keys, and one for each time that DynamoDB leaves some of them out.
    async fn get_batches(
        &self,
        keys: &[Key],
        wanted: &KeysAndAttributesBuilder,
    ) -> Result<HashMap<Key, Item>, Error> {
        // DynamoDB refuses a request that names a key twice.
        let keys: Vec<&Key> = keys.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut found = HashMap::new();
        for keys in keys.chunks(MOST_KEYS_AT_ONCE) {
            let mut rest: Vec<Item> = keys.iter().map(|key| (*key).clone().attributes()).collect();
            let mut rounds = 0;
            while !rest.is_empty() {
                if rounds == MOST_ROUNDS {
                    return Err(Error::Throttled("many keys were left out time and again".into()));
                }
                rounds += 1;
                let wanted = wanted
                    .clone()
                    .set_keys(Some(rest))
                    .build()
                    .map_err(|error| Error::Refused(Box::new(error)))?;
                let answer = self.client.batch_get_item().request_items(&self.table, wanted).send().await?;
                let items = answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default();
                found.extend(items.into_iter().filter_map(|item| Some((Key::of_item(&item)?, item))));
                let left_out = answer.unprocessed_keys.unwrap_or_default().remove(&self.table);
                rest = left_out.map(|left_out| left_out.keys).unwrap_or_default();
            }
        }
        Ok(found)
    }

    /// One conditional write: one request.
    pub(crate) async fn write(&self, write: Write) -> Result<Answer, Error> {
        let mut words = Words::default();
        let condition = words.condition(&write.condition);
        match write.change {
            Change::Update(assignments) => {
                let request = self
                    .client
                    .update_item()
                    .table_name(&self.table)
                    .set_key(Some(write.key.attributes()))
                    .condition_expression(condition)
                    .update_expression(words.update(&assignments))
                    .set_expression_attribute_names(Some(words.names()))
                    .set_expression_attribute_values(words.values())
                    .return_values(ReturnValue::AllNew)
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
                let answer = if write.repeatable {
                    request.send().await
                } else {
                    let once = Config::builder().retry_config(RetryConfig::disabled());
                    request.customize().config_override(once).send().await
                };
                applied_or_refused(answer, |error| match error {
                    UpdateItemError::ConditionalCheckFailedException(refused) => Some(refused.item.clone()),
                    _ => None,
                })
                .map(|answer| answer.map_or_else(Answer::Refused, |output| applied(output.attributes)))
            }
            Change::Delete => {
                let answer = self
                    .client
                    .delete_item()
                    .table_name(&self.table)
                    .set_key(Some(write.key.attributes()))
                    .condition_expression(condition)
                    .set_expression_attribute_names(Some(words.names()))
                    .set_expression_attribute_values(words.values())
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                    .send()
                    .await;
                applied_or_refused(answer, |error| match error {
                    DeleteItemError::ConditionalCheckFailedException(refused) => Some(refused.item.clone()),
                    _ => None,
                })
                .map(|answer| answer.map_or_else(Answer::Refused, |_| applied(None)))
            }
        }
    }
}

/// What was found under a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Read<T> {
    /// A live item.
    Present(T),
    /// None, or one that has expired.
    Absent,
    /// An item that this version cannot read. To be treated as absent, and told to an operator.
    Corrupt {
        /// What is wrong with it, without its values.
        reason: String,
    },
}

fn applied(item: Option<Item>) -> Answer {
    Answer::Applied(item.unwrap_or_default())
}

/// The output, or the item because of which the condition was false.
fn applied_or_refused<T, E>(
    answer: Result<T, SdkError<E>>,
    refused: impl FnOnce(&E) -> Option<Option<Item>>,
) -> Result<Result<T, Option<Item>>, Error>
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    match answer {
        Ok(output) => Ok(Ok(output)),
        Err(error) => match error.as_service_error().and_then(refused) {
            Some(item) => Ok(Err(item)),
            None => Err(error.into()),
        },
    }
}

/// Expressions of DynamoDB and the placeholders in them. Names always have one: many common words are reserved.
#[derive(Debug, Default)]
struct Words {
    names: Vec<String>,
    values: Vec<AttributeValue>,
}

impl Words {
    fn name(&mut self, name: &str) -> String {
        let at = self.names.iter().position(|known| known == name).unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        format!("#n{at}")
    }

    fn value(&mut self, value: &AttributeValue) -> String {
        let at = self.values.iter().position(|known| known == value).unwrap_or_else(|| {
            self.values.push(value.clone());
            self.values.len() - 1
        });
        format!(":v{at}")
    }

    fn path(&mut self, path: &Path) -> String {
        match path {
            Path::Attribute(name) => self.name(name),
            Path::Member(name, member) => format!("{}.{}", self.name(name), self.name(member)),
        }
    }

    fn condition(&mut self, condition: &Condition) -> String {
        match condition {
            Condition::NoItem => format!("attribute_not_exists({})", self.name("pk")),
            Condition::Missing(path) => format!("attribute_not_exists({})", self.path(path)),
            Condition::Exists(path) => format!("attribute_exists({})", self.path(path)),
            Condition::Equal(path, value) => format!("{} = {}", self.path(path), self.value(value)),
            Condition::Differs(path, value) => format!("{} <> {}", self.path(path), self.value(value)),
            Condition::AtMost(path, value) => format!("{} <= {}", self.path(path), self.value(value)),
            Condition::Above(path, value) => format!("{} > {}", self.path(path), self.value(value)),
            Condition::Fewer(path, value) => format!("size({}) < {}", self.path(path), self.value(value)),
            Condition::All(conditions) => self.joined(conditions, " and "),
            Condition::Any(conditions) => self.joined(conditions, " or "),
        }
    }

    fn joined(&mut self, conditions: &[Condition], by: &str) -> String {
        let parts: Vec<String> = conditions.iter().map(|condition| self.condition(condition)).collect();
        format!("({})", parts.join(by))
    }

    fn update(&mut self, assignments: &[Assignment]) -> String {
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        for assignment in assignments {
            match assignment {
                Assignment::Set(path, value) => {
                    set.push(format!("{} = {}", self.path(path), self.value(value)));
                }
                Assignment::SetIfMissing(path, value) => {
                    let path = self.path(path);
                    set.push(format!("{path} = if_not_exists({path}, {})", self.value(value)));
                }
                Assignment::Add(path, value) => {
                    let path = self.path(path);
                    let zero = self.value(&AttributeValue::N("0".to_owned()));
                    set.push(format!("{path} = if_not_exists({path}, {zero}) + {}", self.value(value)));
                }
                Assignment::Remove(path) => remove.push(self.path(path)),
            }
        }
        let clauses = [("set ", set), ("remove ", remove)];
        let clauses = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        clauses.map(|(word, parts)| format!("{word}{}", parts.join(", "))).collect::<Vec<_>>().join(" ")
    }

    fn names(&self) -> HashMap<String, String> {
        let names = self.names.iter().enumerate();
        names.map(|(at, name)| (format!("#n{at}"), name.clone())).collect()
    }

    /// `None` when there are none: DynamoDB takes no empty list.
    fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        let values = self.values.iter().enumerate();
        (!self.values.is_empty())
            .then(|| values.map(|(at, value)| (format!(":v{at}"), value.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{attribute, number};

    #[test]
    fn a_condition_and_an_update_share_their_placeholders() {
        let mut words = Words::default();
        let member = || Path::Member("holders", "a.b".to_owned());
        let condition = words.condition(&Condition::Any(vec![
            Condition::NoItem,
            Condition::All(vec![
                Condition::AtMost(member(), number(5)),
                Condition::Fewer(attribute("holders"), number(3)),
            ]),
        ]));
        assert_eq!(condition, "(attribute_not_exists(#n0) or (#n1.#n2 <= :v0 and size(#n1) < :v1))");
        let update = words.update(&[
            Assignment::Remove(member()),
            Assignment::Add(attribute("tries"), number(1)),
            Assignment::SetIfMissing(attribute("through"), number(5)),
        ]);
        assert_eq!(
            update,
            "set #n3 = if_not_exists(#n3, :v2) + :v3, #n4 = if_not_exists(#n4, :v0) remove #n1.#n2"
        );
        assert_eq!(words.names()["#n2"], "a.b", "a dot in a name separates nothing");
    }
}
