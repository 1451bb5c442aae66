//! What is wrong with a template: what is missing, what differs, and what names nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use domain::{Envelope, WakeUp};
use local::template::Template;
use serde_yaml_ng::Value;

use super::grants::{janitor_may, may_send, operator_may, referred, role_may_send, string};

pub(super) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub(crate) fn text() -> String {
    fs::read_to_string(workspace().join("infra/template.yaml")).unwrap()
}

pub(crate) fn folders() -> Vec<String> {
    let mut folders: Vec<String> = fs::read_dir(workspace().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").is_file())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    folders.sort();
    folders
}

/// What keeps an order: the queue, its dead letters, who sends to it, and who takes from it.
pub(super) const ORDERED: [(&str, &str, &str, &str); 1] =
    [("ingest.fifo", "ingest-dlq.fifo", "webhook", "ingester")];

/// The variable that routes the agents which events wake, and the one of those which a schedule does.
pub(super) const WOKEN: &str = "WAKE_UP_QUEUES";

pub(super) const SCHEDULED: &str = "SCHEDULED_QUEUES";

/// What it takes to look through dead letters.
const LOOKING: [&str; 4] =
    ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"];

/// Queues of functions that think about nothing, each by the variable that names it.
pub(super) const OWN: [(&str, &str); 2] = [("JANITOR_QUEUE", "janitor"), ("NOTIFIER_QUEUE", "notifier")];

/// `agent` → logical name of its queue, as the functions are told in a variable.
pub(super) fn routes(template: &Template, variable: &str) -> Vec<(String, String)> {
    let variables = &template.document()["Globals"]["Function"]["Environment"]["Variables"];
    let text = variables[variable]["Fn::Sub"].as_str().unwrap_or_default();
    text.split(',')
        .filter_map(|entry| entry.split_once('='))
        .map(|(agent, queue)| {
            (agent.to_owned(), queue.trim_start_matches("${").trim_end_matches('}').to_owned())
        })
        .collect()
}

/// Whether a queue is named by a variable of its own.
pub(super) fn is_own(template: &Template, logical: &str, name: &str) -> bool {
    let variables = &template.document()["Globals"]["Function"]["Environment"]["Variables"];
    let named = OWN.iter().find(|(_, function)| *function == name);
    named.is_some_and(|(variable, _)| referred(variables.get(*variable)) == logical)
}

/// What is wrong with a template, given the folders of `functions/`; nothing when all is well.
pub(crate) fn problems(template: &Template, folders: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(functions(template, folders));
    problems.extend(queues(template));
    problems.extend(schedules(template));
    problems.extend(dangling(template));
    problems
}

pub(super) fn functions(template: &Template, folders: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let functions = template.resources("AWS::Serverless::Function");
    let names: BTreeSet<&str> = functions.values().map(|function| string(function, "FunctionName")).collect();
    for folder in folders {
        if !names.contains(folder.as_str()) {
            problems.push(format!("functions/{folder} is not in the template"));
        }
    }
    for (logical, function) in &functions {
        let name = string(function, "FunctionName");
        if string(function, "CodeUri") != format!("../functions/{name}")
            || !folders.iter().any(|folder| folder == name)
        {
            problems.push(format!("{logical}: name, folder and CodeUri differ"));
        }
        let method = &template.document()["Resources"][*logical]["Metadata"]["BuildMethod"];
        if method.as_str() != Some("rust-cargolambda") {
            problems.push(format!("{logical} is not built by cargo-lambda"));
        }
    }
    problems
}

pub(super) fn queues(template: &Template) -> Vec<String> {
    let mut problems = Vec::new();
    let queues = template.resources("AWS::SQS::Queue");
    let functions = template.resources("AWS::Serverless::Function");
    let mappings = template.resources("AWS::Lambda::EventSourceMapping");
    let alarms = template.resources("AWS::CloudWatch::Alarm");
    let of = |variable| routes(template, variable).into_iter().map(move |route| (variable, route));
    let routes: Vec<_> = of(WOKEN).chain(of(SCHEDULED)).collect();
    for (variable, (agent, queue)) in &routes {
        if queues.get(queue.as_str()).is_none_or(|found| string(found, "QueueName") != agent) {
            problems.push(format!("{variable} sends {agent} to {queue}, which is not its queue"));
        }
        if routes.iter().filter(|(_, (_, known))| known == queue).count() > 1 {
            problems.push(format!("{agent} is routed twice"));
        }
        // The reader wakes nobody that has a schedule.
        match (*variable == WOKEN, may_send(template, "cdc-reader", queue)) {
            (true, false) => problems.push(format!("cdc-reader may not send to {queue}")),
            (false, true) => problems.push(format!("cdc-reader may send to {queue}, which has a schedule")),
            _ => {}
        }
        // An agent puts off its own wake-ups, fans out its ticks, and says what it set aside.
        if !may_send(template, agent, queue) {
            problems.push(format!("{agent} may not send to {queue}"));
        }
        // Whoever reviews a memory may or may not be an operator.
        if agent == "indexer" && !may_send(template, "recall", queue) {
            problems.push(format!("recall may not send to {queue}"));
        }
        let dead = queues
            .get(queue.as_str())
            .map_or("", |queue| referred(queue["RedrivePolicy"].get("deadLetterTargetArn")));
        if !may_send(template, agent, dead) {
            problems.push(format!("{agent} may not send to {dead}"));
        }
        if !operator_may(template, "sqs:SendMessage", queue) {
            problems.push(format!("recall lacks sqs:SendMessage on {queue}"));
        }
        for action in LOOKING {
            if !operator_may(template, action, dead) {
                problems.push(format!("recall lacks {action} on {dead}"));
            }
            if !janitor_may(template, action, dead) {
                problems.push(format!("janitor lacks {action} on {dead}"));
            }
        }
    }
    for (logical, mapping) in &mappings {
        let queue = referred(mapping.get("EventSourceArn"));
        let function = functions
            .get(referred(mapping.get("FunctionName")))
            .map(|function| string(function, "FunctionName"));
        let name = queues.get(queue).map(|queue| string(queue, "QueueName"));
        let taker = ORDERED.iter().find(|(queue, ..)| Some(*queue) == name).map(|(.., taker)| *taker);
        if taker.or(name) != function || function.is_none() {
            problems.push(format!("{logical} joins a queue and a function of different names"));
        }
        let reports = mapping["FunctionResponseTypes"]
            .as_sequence()
            .is_some_and(|types| types.iter().any(|kind| kind.as_str() == Some("ReportBatchItemFailures")));
        if !reports {
            problems.push(format!("{logical} lacks ReportBatchItemFailures"));
        }
        // The emulator compares it with a count, so it has to be a number here and no parameter.
        if mapping["ScalingConfig"]["MaximumConcurrency"].as_u64().is_none() {
            problems.push(format!("{logical} lacks MaximumConcurrency"));
        }
    }
    for (logical, queue) in &queues {
        let name = string(queue, "QueueName");
        if name.trim_end_matches(".fifo").ends_with("-dlq") {
            let watched = alarms.values().any(|alarm| {
                string(alarm, "MetricName") == "ApproximateNumberOfMessagesVisible"
                    && referred(alarm["Dimensions"][0].get("Value")) == *logical
            });
            if !watched {
                problems.push(format!("{logical} has no alarm"));
            }
            continue;
        }
        if let Some(ordered) = ORDERED.iter().find(|(queue, ..)| *queue == name) {
            // What adopted tables say comes through it too.
            if !may_send(template, "cdc-reader", logical) {
                problems.push(format!("cdc-reader may not send to {logical}"));
            }
            problems.extend(ordered_queue(template, logical, queue, ordered));
            continue;
        }
        let dead = referred(queue["RedrivePolicy"].get("deadLetterTargetArn"));
        if queues.get(dead).map(|queue| string(queue, "QueueName")) != Some(format!("{name}-dlq").as_str())
            || queue["RedrivePolicy"]["maxReceiveCount"].as_u64() != Some(5)
        {
            problems.push(format!("{logical} has no dead-letter queue {name}-dlq after five attempts"));
        }
        if is_own(template, logical, name) {
            if !may_send(template, "recall", logical) || !may_send(template, name, logical) {
                problems.push(format!("recall or {name} may not send to {logical}"));
            }
        } else if !routes.iter().any(|(_, (agent, _))| agent == name) {
            problems.push(format!("{logical} is neither in {WOKEN} nor in {SCHEDULED}"));
        }
        let delay = by_model(queue.get("DelaySeconds").unwrap_or(&Value::Null))
            .map(|delay| Some(referred(Some(delay)).to_owned()).filter(|parameter| !parameter.is_empty()));
        if delay != quiet_seconds(template, name) {
            problems.push(format!("{logical} has another quiet period than CDC_QUIET_SECONDS says"));
        }
        if !mappings.values().any(|mapping| referred(mapping.get("EventSourceArn")) == *logical) {
            problems.push(format!("{logical} wakes nobody"));
        }
    }
    problems
}

/// A queue that keeps an order gives nothing up by itself: who takes from it decides what can never be done.
pub(super) fn ordered_queue(
    template: &Template,
    logical: &str,
    queue: &Value,
    (_, dead, sender, taker): &(&str, &str, &str, &str),
) -> Vec<String> {
    let mut problems = Vec::new();
    if queue["FifoQueue"].as_bool() != Some(true) || !queue["RedrivePolicy"].is_null() {
        problems.push(format!("{logical} gives up what it holds, or keeps no order"));
    }
    if queue["MessageRetentionPeriod"].as_u64() != Some(1_209_600) {
        problems.push(format!("{logical} forgets before it has to"));
    }
    if !may_send(template, sender, logical) {
        problems.push(format!("{sender} may not send to {logical}"));
    }
    let queues = template.resources("AWS::SQS::Queue");
    let dead = queues.iter().find(|(_, queue)| string(queue, "QueueName") == *dead);
    if dead.is_none_or(|(dead, _)| !may_send(template, taker, dead)) {
        problems.push(format!("{taker} may not send to the dead letters of {logical}"));
    }
    let mappings = template.resources("AWS::Lambda::EventSourceMapping");
    if !mappings.values().any(|mapping| referred(mapping.get("EventSourceArn")) == logical) {
        problems.push(format!("{logical} wakes nobody"));
    }
    problems
}

/// An agent with a schedule has one, which may and does send a tick to its queue and to nobody else's.
pub(super) fn schedules(template: &Template) -> Vec<String> {
    let mut problems = Vec::new();
    let schedules = template.resources("AWS::Scheduler::Schedule");
    let scheduled = routes(template, SCHEDULED);
    let to = |schedule: &Value| referred(schedule["Target"].get("Arn")).to_owned();
    for (agent, queue) in &scheduled {
        if schedules.values().filter(|schedule| to(schedule) == *queue).count() != 1 {
            problems.push(format!("{agent} does not have one schedule"));
        }
    }
    for (logical, schedule) in &schedules {
        let queue = to(schedule);
        let is_own = OWN.iter().any(|(_, name)| {
            let queues = template.resources("AWS::SQS::Queue");
            queues.get(queue.as_str()).is_some_and(|found| string(found, "QueueName") == *name)
        });
        if !is_own && !scheduled.iter().any(|(_, known)| *known == queue) {
            problems.push(format!("{logical} sends to {queue}, which {SCHEDULED} does not name"));
        }
        let body = string(&schedule["Target"], "Input");
        if Envelope::parse(body).ok().map(|envelope| envelope.wake_up) != Some(WakeUp::Tick) {
            problems.push(format!("{logical} sends {body:?}, which is no tick"));
        }
        let parameter = referred(schedule.get("ScheduleExpression"));
        let default = template.document()["Parameters"][parameter]["Default"].as_str().unwrap_or_default();
        if !default.starts_with("cron(") && !default.starts_with("rate(") {
            problems.push(format!("{logical} takes its times from {parameter:?}, which has none"));
        }
        if !role_may_send(template, referred(schedule["Target"].get("RoleArn")), &queue) {
            problems.push(format!("the role of {logical} may not send to {queue}"));
        }
    }
    problems
}

/// A value with a model and without one.
pub(super) fn by_model(value: &Value) -> [&Value; 2] {
    let chosen = value.get("Fn::If").filter(|chosen| chosen[0].as_str() == Some("HasModel"));
    chosen.map_or([value; 2], |chosen| [&chosen[1], &chosen[2]])
}

/// The parameter that `CDC_QUIET_SECONDS` names for an agent, with a model and without one.
pub(super) fn quiet_seconds(template: &Template, agent: &str) -> [Option<String>; 2] {
    let variables = &template.document()["Globals"]["Function"]["Environment"]["Variables"];
    by_model(&variables["CDC_QUIET_SECONDS"]).map(|table| {
        let table = table["Fn::Sub"].as_str()?;
        let entry = table.split(',').find_map(|entry| entry.strip_prefix(agent)?.strip_prefix("=${"))?;
        entry.strip_suffix('}').map(str::to_owned)
    })
}

/// Names that SAM makes beside those of the template.
pub(super) fn known_names(template: &Template) -> BTreeSet<String> {
    let keys = |section: &str| {
        let section = template.document().get(section).and_then(Value::as_mapping);
        section.into_iter().flatten().filter_map(|(key, _)| key.as_str().map(str::to_owned))
    };
    let mut known: BTreeSet<String> = keys("Parameters").chain(keys("Resources")).collect();
    for (logical, function) in template.resources("AWS::Serverless::Function") {
        if function.get("FunctionUrlConfig").is_some() {
            known.insert(format!("{logical}Url"));
        }
        if function.get("AutoPublishAlias").is_some() {
            known.extend([format!("{logical}.Version"), format!("{logical}.Alias")]);
        }
    }
    known
}

pub(super) fn dangling(template: &Template) -> Vec<String> {
    let known = known_names(template);
    let conditions: BTreeSet<&str> = template.document()["Conditions"]
        .as_mapping()
        .into_iter()
        .flatten()
        .filter_map(|(name, _)| name.as_str())
        .collect();
    let mut problems = Vec::new();
    let mut rest = vec![template.document()];
    while let Some(value) = rest.pop() {
        match value {
            Value::Sequence(items) => rest.extend(items),
            Value::Mapping(entries) => {
                for (key, argument) in entries {
                    rest.push(argument);
                    let names: Vec<String> = match key.as_str() {
                        Some("Ref") => vec![argument.as_str().unwrap_or_default().to_owned()],
                        Some("Fn::GetAtt") => vec![argument[0].as_str().unwrap_or_default().to_owned()],
                        Some("DependsOn") => argument.as_str().map(str::to_owned).into_iter().collect(),
                        Some("Fn::Sub") => placeholders(argument.as_str().unwrap_or_default()),
                        Some("Fn::If") => {
                            let condition = argument[0].as_str().unwrap_or_default();
                            if !conditions.contains(condition) {
                                problems.push(format!("condition {condition} does not exist"));
                            }
                            Vec::new()
                        }
                        _ => Vec::new(),
                    };
                    for name in names {
                        if !name.starts_with("AWS::") && !known.contains(&name) {
                            problems.push(format!("{name} does not exist"));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    problems
}

/// The names in the `${…}` of a text, without their attributes.
pub(super) fn placeholders(text: &str) -> Vec<String> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .map(|name| name.split('.').next().unwrap_or(name).to_owned())
        .collect()
}
