//! Two runs side by side: every row, item and archived line of one against the other's.
//!
//! What chance made is mapped away, and nothing else: an identifier becomes the name of what it identifies, a moment at which the
//! test ran becomes "now", and one of the week after it "soon".

use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;

use aws_sdk_dynamodb::types::AttributeValue;
use flate2::read::GzDecoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::stage::Stage;

/// Left out: the tombstone, and rules for secrets, which are the same everywhere.
const LEFT_OUT: [&str; 3] = ["erasures", "erased_sessions", "guard_rules"];
/// Tables that are not read as they are, and how they are: what is left out is a digest of identifiers or moments, numbers or counts
/// the rows of everybody, is where a server listens and what signs for it, or is what a database numbers its publication by.
const READ_AS: [(&str, &str); 6] = [
    ("adopted_tables", "select to_jsonb(t) - '{rows_backfilled, rows_followed, rows_refused, published_as}'::text[] from afterthought.adopted_tables t"),
    ("archive_objects", "select to_jsonb(t) - '{bytes, checksum}'::text[] from afterthought.archive_objects t"),
    (
        "memory_marks",
        "select case m.scope when 'session' then to_jsonb(t) - 'mark' else to_jsonb(t) end
         from afterthought.memory_marks t join afterthought.memories m on m.id = t.memory_id",
    ),
    // Those who change a total at once change different rows of it.
    (
        "memory_totals",
        "select jsonb_build_object('tenant', tenant, 'owner', owner, 'texts', sum(texts), 'words', sum(words),
                                   'in_graph', bool_or(in_graph))
         from afterthought.memory_totals group by tenant, owner",
    ),
    ("webhook_deliveries", "select to_jsonb(t) - 'id' from afterthought.webhook_deliveries t"),
    ("webhook_endpoints", "select to_jsonb(t) - '{url, secret}'::text[] from afterthought.webhook_endpoints t"),
];
/// What identifiers are known by.
const NAMES: &str = "
    select id::text, 'session ' || user_id || '/' || session from afterthought.sessions
    union all
    select id::text, concat_ws(' ', 'memory', user_id, type, key, md5(content)) from afterthought.memories
    union all
    select r.id::text, concat_ws(' ', 'run', s.user_id, s.session, r.agent, r.after_version, r.through_version)
    from afterthought.agent_runs r join afterthought.sessions s on s.id = r.session_id
    union all
    select o.id::text, concat_ws(' ', 'object', s.user_id, s.session, o.first_version)
    from afterthought.archive_objects o join afterthought.sessions s on s.id = o.session_id
    union all
    select id::text, 'adoption ' || relation from afterthought.adopted_tables";
/// As long as an identifier is.
const ID_BYTES: usize = 36;

/// Everything that is kept, as lines, each with how often it is there.
#[derive(Debug, Default)]
pub(super) struct Kept {
    lines: BTreeMap<String, usize>,
    names: HashMap<String, String>,
    began: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl Kept {
    /// Reads what a run that began at a moment has come to.
    pub(super) async fn read(stage: &Stage, began: Timestamp) -> Self {
        let rows = stage.owner.query(NAMES, &[]).await.unwrap();
        let names = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut kept =
            Self { names, began: Some(began), ended: Some((stage.services.now)()), ..Self::default() };
        let tables = "select relname::text from pg_class
                      where relkind in ('r', 'p') and not relispartition and relnamespace = 'afterthought'::regnamespace";
        for table in stage.owner.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            if LEFT_OUT.contains(&table.as_str()) {
                continue;
            }
            let read = match READ_AS.iter().find(|(name, _)| *name == table) {
                Some((_, read)) => (*read).to_owned(),
                None => format!("select to_jsonb(t) from afterthought.{table} t"),
            };
            for row in stage.owner.query(&read, &[]).await.unwrap() {
                kept.add(&table, row.get(0));
            }
        }
        let mut after = None;
        loop {
            let scan =
                stage.aws.dynamodb().scan().table_name(&stage.hot_table).set_exclusive_start_key(after);
            let page = scan.send().await.unwrap();
            for item in page.items() {
                kept.add("item", item.iter().map(|(name, value)| (name.clone(), plain(value))).collect());
            }
            after = page.last_evaluated_key.filter(|key| !key.is_empty());
            if after.is_none() {
                break;
            }
        }
        for line in archived(stage) {
            kept.add("archived", serde_json::from_str(&line).unwrap());
        }
        kept
    }

    /// How many lines there are.
    pub(super) fn len(&self) -> usize {
        self.lines.values().sum()
    }

    /// Lines that are more often in one than in the other.
    pub(super) fn differences(&self, other: &Self) -> Vec<String> {
        let more = |one: &Self, other: &Self, sign: char| -> Vec<(String, char)> {
            let is_more = |(line, times): &(&String, &usize)| {
                other.lines.get(*line).is_none_or(|others| others < times)
            };
            one.lines.iter().filter(is_more).map(|(line, _)| (line.clone(), sign)).collect()
        };
        let mut found = [more(self, other, '+'), more(other, self, '-')].concat();
        found.sort();
        found.into_iter().map(|(line, sign)| format!("{sign} {line}")).collect()
    }

    /// Adds something of a kind.
    pub(super) fn add(&mut self, kind: &str, value: Value) {
        let line = format!("{kind}: {}", self.without_chance(value));
        *self.lines.entry(line).or_default() += 1;
    }

    fn without_chance(&self, value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let field = |(name, value): (String, Value)| (self.named(&name), self.without_chance(value));
                let fields: BTreeMap<String, Value> = fields.into_iter().map(field).collect();
                Value::Object(Map::from_iter(fields))
            }
            Value::Array(values) => {
                let has_ids = values.iter().any(|value| value.get("id").is_some());
                let mut values: Vec<Value> =
                    values.into_iter().map(|value| self.without_chance(value)).collect();
                // Memories of the same moment are in the order of their identifiers.
                if has_ids {
                    values.sort_by_key(Value::to_string);
                }
                Value::Array(values)
            }
            Value::String(text) => match self.moment(&text) {
                Some(when) => when.into(),
                None => self.named(&text).into(),
            },
            other => other,
        }
    }

    /// What to call a moment of this run, or of the week after it: a text, or seconds or milliseconds since 1970.
    fn moment(&self, text: &str) -> Option<&'static str> {
        let moment = match text.parse::<i64>() {
            Ok(number) if number > 1_000_000_000_000 => Timestamp::from_millisecond(number).ok()?,
            Ok(number) => Timestamp::from_second(number).ok()?,
            Err(_) => text.parse::<Timestamp>().ok()?,
        };
        let slack = SignedDuration::from_mins(1);
        let (began, ended) = self.began.zip(self.ended)?;
        if moment < began - slack {
            return None;
        }
        let is_number = !text.contains('-');
        match moment {
            moment if moment <= ended + slack => Some("now"),
            moment if is_number && moment <= ended + SignedDuration::from_hours(24 * 8) => Some("soon"),
            _ => None,
        }
    }

    /// A text with the names of what is identified in it.
    fn named(&self, text: &str) -> String {
        let (mut named, mut rest) = (String::new(), text.chars());
        loop {
            let left = rest.as_str();
            if let Some((id, after)) =
                left.split_at_checked(ID_BYTES).filter(|(id, _)| Uuid::try_parse(id).is_ok())
            {
                named += self.names.get(id).map_or("an identifier", String::as_str);
                rest = after.chars();
            } else if let Some(next) = rest.next() {
                named.push(next);
            } else {
                return named;
            }
        }
    }
}

/// The lines of every object in the archive.
pub(super) fn archived(stage: &Stage) -> Vec<String> {
    let unpacked = |path| {
        let mut text = String::new();
        GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    stage.objects().into_iter().flat_map(unpacked).collect()
}

/// What an attribute holds.
fn plain(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
        AttributeValue::N(number) => number.clone().into(),
        AttributeValue::Bool(yes) => (*yes).into(),
        AttributeValue::L(values) => values.iter().map(plain).collect(),
        AttributeValue::M(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        AttributeValue::Null(_) => Value::Null,
        other => format!("{other:?}").into(),
    }
}
