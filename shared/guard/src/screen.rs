use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use domain::{GuardAction, GuardPolicy, OWN_PAYLOAD};
use serde_json::{Map, Value, json};

use crate::look::{Finding, Rule, look};

/// Under which name of our own part of a payload it is recorded what was found.
const RECORD: &str = "guard";
/// What was done about what was found, as the record says it.
const DONE: [&str; 2] = ["redacted", "blocked"];
/// How many different findings are taken out of a text one by one. Nothing is left of one that has more: it is a list of them.
const MOST_DIFFERENT: usize = 500;

/// That something is not taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// The field it stands in.
    pub field: String,
    /// By what it was found.
    pub rule: Rule,
}

impl Blocked {
    /// What is told to whoever sent it: the field and what is in it, never the words.
    pub fn detail(&self) -> String {
        format!(
            "field `{}` holds what looks like {} {}, which this tenant does not take in: send it without",
            self.field,
            article(self.rule.label()),
            self.rule.label()
        )
    }
}

/// What was found in something, by rule and never by what it said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found(BTreeMap<Rule, u32>);

impl Found {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what else was found.
    pub fn add(&mut self, other: &Self) {
        for (rule, count) in &other.0 {
            *self.0.entry(*rule).or_default() += count;
        }
    }

    fn count(&mut self, rule: Rule) {
        *self.0.entry(rule).or_default() += 1;
    }

    /// Writes into a payload what was taken out of an event: `{"afterthought": {"guard": {"redacted": {rule: count}}}}`, and adds
    /// it to what somebody who looked before has written there.
    /// The payload of an event in which nothing was found stays as it is.
    pub fn record(&self, action: GuardAction, payload: &mut Value) {
        let Value::Object(members) = payload else { return };
        if self.is_empty() {
            return;
        }
        let mut record = recorded(members);
        let [redacted, blocked] = DONE;
        let done = if action == GuardAction::Block { blocked } else { redacted };
        let counts = record.entry(done.to_owned()).or_default();
        for (rule, count) in &self.0 {
            *counts.entry(rule.name().to_owned()).or_default() += u64::from(*count);
        }
        let own = members.entry(OWN_PAYLOAD).or_insert_with(|| json!({}));
        if let Value::Object(own) = own {
            own.insert(RECORD.to_owned(), json!(record));
        } else {
            *own = json!({ RECORD: record });
        }
    }

    /// What stands in the place of a whole text that is not stored: `[blocked: credit card, IBAN]`.
    pub fn in_place(&self) -> String {
        let labels: Vec<&str> = self.0.keys().map(|rule| rule.label()).collect();
        format!("[blocked: {}]", labels.join(", "))
    }

    /// Counts what was found and writes down which rules found it, without what it was found in.
    pub fn tell(&self, tenant: &domain::TenantId, action: GuardAction) {
        for (rule, count) in &self.0 {
            metrics::counter!("Guarded", "Kind" => rule.kind(), "Action" => action.as_str())
                .increment(u64::from(*count));
            let (rule, action) = (rule.name(), action.as_str());
            tracing::info!(%tenant, guard.rule = rule, guard.action = action, guard.count = count, "something was kept out");
        }
    }
}

impl From<Rule> for Found {
    fn from(rule: Rule) -> Self {
        Self([(rule, 1)].into())
    }
}

/// What a payload says was done, as far as it is what [`Found::record`] writes: how often each rule found something.
fn recorded(payload: &Map<String, Value>) -> BTreeMap<String, BTreeMap<String, u64>> {
    let record = payload.get(OWN_PAYLOAD).and_then(|own| own.get(RECORD)).and_then(Value::as_object);
    let done = record.into_iter().flatten().filter(|(done, _)| DONE.contains(&done.as_str()));
    let counted = |(rule, count): (&String, &Value)| {
        count.as_u64().filter(|_| Rule::is_name(rule)).map(|count| (rule.clone(), count.min(u32::MAX.into())))
    };
    done.map(|(done, counts)| {
        (done.clone(), counts.as_object().into_iter().flatten().filter_map(counted).collect())
    })
    .collect()
}

/// Takes out of a payload what looks as if we had written down there what was taken out: it comes from somebody else.
pub fn drop_record(payload: &mut Map<String, Value>) {
    let Some(Value::Object(own)) = payload.get_mut(OWN_PAYLOAD) else { return };
    if own.remove(RECORD).is_some() && own.is_empty() {
        payload.remove(OWN_PAYLOAD);
    }
}

/// Takes everything out of a payload but what was written down of what was taken out.
pub fn keep_record(payload: &mut Value) {
    let record = payload.as_object().map(recorded).filter(|record| !record.is_empty());
    *payload = record.map_or_else(|| json!({}), |record| json!({ OWN_PAYLOAD: { RECORD: record } }));
}

/// Looks through what belongs together, one part after the other.
#[derive(Debug)]
pub struct Screen {
    policy: GuardPolicy,
    found: Found,
}

impl Screen {
    /// A screen for a policy; `None` for one that looks for nothing.
    pub fn of(policy: GuardPolicy) -> Option<Self> {
        (!policy.is_off()).then(|| Self { policy, found: Found::default() })
    }

    /// Takes out of a text what is to be redacted.
    ///
    /// # Errors
    /// When it holds what is to be blocked; the text is as it was then.
    pub fn text(&mut self, field: &str, text: &mut String) -> Result<(), Blocked> {
        let findings = look(self.policy, text);
        if let Some(redacted) = self.redacted(field, text, &findings)? {
            *text = redacted;
        }
        Ok(())
    }

    /// Takes out of a document what is to be redacted: out of its texts, and numbers that are as long as one. A member's name
    /// counts as what stands before its text: `"password": "…"` is as telling as `password = "…"`. Names themselves
    /// stay as they are.
    ///
    /// # Errors
    /// When it holds what is to be blocked; parts of the document may have been redacted by then.
    pub fn document(&mut self, field: &str, document: &mut Value) -> Result<(), Blocked> {
        self.walk(field, None, document)
    }

    /// What was redacted.
    pub fn found(self) -> Found {
        self.found
    }

    fn walk(&mut self, field: &str, name: Option<&str>, value: &mut Value) -> Result<(), Blocked> {
        match value {
            Value::Null | Value::Bool(_) => Ok(()),
            Value::Number(number) => {
                let digits = number.to_string();
                let findings = look(self.policy, &digits);
                if let Some(redacted) = self.redacted(field, &digits, &findings)? {
                    *value = Value::String(redacted);
                }
                Ok(())
            }
            Value::String(text) => {
                let findings = match name {
                    Some(name) => look_after(self.policy, name, text),
                    None => look(self.policy, text),
                };
                if let Some(redacted) = self.redacted(field, text, &findings)? {
                    *text = redacted;
                }
                Ok(())
            }
            Value::Array(elements) => {
                elements.iter_mut().try_for_each(|element| self.walk(field, name, element))
            }
            Value::Object(members) => {
                members.iter_mut().try_for_each(|(name, member)| self.walk(field, Some(name), member))
            }
        }
    }

    /// A text with names in the place of what was found; `None` when there was nothing.
    fn redacted(&mut self, field: &str, text: &str, findings: &[Finding]) -> Result<Option<String>, Blocked> {
        if let Some(finding) = findings.iter().find(|finding| finding.action == GuardAction::Block) {
            return Err(Blocked { field: field.to_owned(), rule: finding.rule });
        }
        if findings.is_empty() {
            return Ok(None);
        }
        if findings.len() > MOST_DIFFERENT {
            let found =
                |finding: &Finding| (text.get(finding.range.clone()).unwrap_or_default(), finding.rule);
            let different: BTreeMap<&str, Rule> = findings.iter().map(found).collect();
            if different.len() > MOST_DIFFERENT {
                for rule in different.values() {
                    self.found.count(*rule);
                }
                let labels: BTreeSet<&str> = different.values().map(|rule| rule.label()).collect();
                return Ok(Some(format!("[{}]", Vec::from_iter(labels).join(", "))));
            }
        }
        let mut redacted = String::with_capacity(text.len());
        let mut from = 0;
        for finding in findings {
            redacted.push_str(text.get(from..finding.range.start).unwrap_or_default());
            let _ = write!(redacted, "[{}]", finding.rule.label());
            from = finding.range.end;
            self.found.count(finding.rule);
        }
        redacted.push_str(text.get(from..).unwrap_or_default());
        Ok(Some(redacted))
    }
}

/// Looks through an event, and writes into its payload what was taken out of it.
///
/// # Errors
/// When it holds what is to be blocked, in `content` or in `payload`. It may have been redacted in part by then.
pub fn screen_event(
    policy: GuardPolicy,
    content: Option<&mut String>,
    payload: &mut Value,
) -> Result<Found, Blocked> {
    let Some(mut screen) = Screen::of(policy) else { return Ok(Found::default()) };
    if let Some(content) = content {
        screen.text("content", content)?;
    }
    screen.document("payload", payload)?;
    let found = screen.found();
    found.record(GuardAction::Redact, payload);
    Ok(found)
}

/// What is in a text that stands under a name.
fn look_after(policy: GuardPolicy, name: &str, text: &str) -> Vec<Finding> {
    let before = format!("{name}=\"");
    let whole = format!("{before}{text}\"");
    let within = |at: usize| at.saturating_sub(before.len()).min(text.len());
    let findings = look(policy, &whole).into_iter();
    findings
        .map(|finding| Finding { range: within(finding.range.start)..within(finding.range.end), ..finding })
        .filter(|finding| !finding.range.is_empty())
        .collect()
}

fn article(label: &str) -> &'static str {
    let first = label.chars().next().unwrap_or_default();
    // What is spelled out begins with the sound of its first letter.
    let is_spelled = label
        .split(' ')
        .next()
        .is_some_and(|word| word.len() > 1 && word.chars().all(|letter| letter.is_ascii_uppercase()));
    let vowels = if is_spelled { "AEFHILMNORSX" } else { "AEIOaeio" };
    if vowels.contains(first) { "an" } else { "a" }
}
