//! Everything that belongs together is named together: a folder in `functions/` has its function in the template, a
//! route its queue, a queue its mapping, dead letters and alarm, and every reference names something.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use domain::{AcceptedEvents, Envelope, WakeUp};
use local::template::Template;
use serde_yaml_ng::Value;

fn workspace() -> PathBuf {
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

fn string<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The logical name in `Ref: x` or `Fn::GetAtt: [x, y]`.
fn referred(value: Option<&Value>) -> &str {
    let Some(value) = value else { return "" };
    let named = value.get("Ref").or_else(|| value.get("Fn::GetAtt")?.get(0));
    named.and_then(Value::as_str).unwrap_or_default()
}

/// What keeps an order: the queue, its dead letters, who sends to it, and who takes from it.
const ORDERED: [(&str, &str, &str, &str); 1] = [("ingest.fifo", "ingest-dlq.fifo", "webhook", "ingester")];

/// The variable that routes the agents which events wake, and the one of those which a schedule does.
const WOKEN: &str = "WAKE_UP_QUEUES";
const SCHEDULED: &str = "SCHEDULED_QUEUES";
/// Queues of functions that think about nothing, each by the variable that names it.
const OWN: [(&str, &str); 2] = [("JANITOR_QUEUE", "janitor"), ("NOTIFIER_QUEUE", "notifier")];

/// `agent` → logical name of its queue, as the functions are told in a variable.
fn routes(template: &Template, variable: &str) -> Vec<(String, String)> {
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
fn is_own(template: &Template, logical: &str, name: &str) -> bool {
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

fn functions(template: &Template, folders: &[String]) -> Vec<String> {
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

fn queues(template: &Template) -> Vec<String> {
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
        for (action, queue) in
            [("sqs:SendMessage", queue.as_str()), ("sqs:ReceiveMessage", dead), ("sqs:DeleteMessage", dead)]
        {
            if !operator_may(template, action, queue) {
                problems.push(format!("recall lacks {action} on {queue}"));
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
fn ordered_queue(
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
fn schedules(template: &Template) -> Vec<String> {
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

/// Whether a role that EventBridge Scheduler takes on has a statement that allows sending to a queue.
fn role_may_send(template: &Template, role: &str, queue: &str) -> bool {
    let roles = template.resources("AWS::IAM::Role");
    let Some(role) = roles.get(role) else { return false };
    let trusted = &role["AssumeRolePolicyDocument"]["Statement"][0];
    if trusted["Principal"]["Service"].as_str() != Some("scheduler.amazonaws.com") {
        return false;
    }
    let policies = role["Policies"].as_sequence().into_iter().flatten();
    policies.filter_map(|policy| policy["PolicyDocument"]["Statement"].as_sequence()).flatten().any(
        |statement| {
            statement["Action"].as_str() == Some("sqs:SendMessage")
                && statement["Resource"]
                    .as_sequence()
                    .is_some_and(|queues| queues.iter().any(|one| referred(Some(one)) == queue))
        },
    )
}

/// A value with a model and without one.
fn by_model(value: &Value) -> [&Value; 2] {
    let chosen = value.get("Fn::If").filter(|chosen| chosen[0].as_str() == Some("HasModel"));
    chosen.map_or([value; 2], |chosen| [&chosen[1], &chosen[2]])
}

/// The parameter that `CDC_QUIET_SECONDS` names for an agent, with a model and without one.
fn quiet_seconds(template: &Template, agent: &str) -> [Option<String>; 2] {
    let variables = &template.document()["Globals"]["Function"]["Environment"]["Variables"];
    by_model(&variables["CDC_QUIET_SECONDS"]).map(|table| {
        let table = table["Fn::Sub"].as_str()?;
        let entry = table.split(',').find_map(|entry| entry.strip_prefix(agent)?.strip_prefix("=${"))?;
        entry.strip_suffix('}').map(str::to_owned)
    })
}

/// Whether a function may send to a queue, whatever the parameters.
fn may_send(template: &Template, name: &str, queue: &str) -> bool {
    let functions = template.resources("AWS::Serverless::Function");
    let function = functions.values().find(|function| string(function, "FunctionName") == name);
    function.and_then(|function| function.get("Policies")).and_then(Value::as_sequence).is_some_and(
        |policies| {
            policies.iter().any(|policy| referred(policy["SQSSendMessagePolicy"].get("QueueName")) == queue)
        },
    )
}

/// Whether the function with the admin API has a statement that allows an action on a queue.
fn operator_may(template: &Template, action: &str, queue: &str) -> bool {
    let functions = template.resources("AWS::Serverless::Function");
    let Some(recall) = functions.values().find(|function| string(function, "FunctionName") == "recall")
    else {
        return false;
    };
    let statements = recall["Policies"]
        .as_sequence()
        .into_iter()
        .flatten()
        .filter(|policy| policy["Fn::If"][0].as_str() == Some("HasAdminApi"))
        .filter_map(|policy| policy["Fn::If"][1]["Statement"].as_sequence())
        .flatten();
    let listed = |value: &Value| value.as_sequence().cloned().unwrap_or_else(|| vec![value.clone()]);
    statements
        .filter(|statement| listed(&statement["Action"]).iter().any(|one| one.as_str() == Some(action)))
        .any(|statement| listed(&statement["Resource"]).iter().any(|one| referred(Some(one)) == queue))
}

/// Names that SAM makes beside those of the template.
fn known_names(template: &Template) -> BTreeSet<String> {
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

fn dangling(template: &Template) -> Vec<String> {
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
fn placeholders(text: &str) -> Vec<String> {
    text.split("${")
        .skip(1)
        .filter_map(|rest| rest.split('}').next())
        .map(|name| name.split('.').next().unwrap_or(name).to_owned())
        .collect()
}

#[test]
fn the_template_and_the_functions_belong_together() {
    let template = Template::parse(&text()).unwrap();
    assert_eq!(problems(&template, &folders()), Vec::<String>::new());
    assert!(!routes(&template, WOKEN).is_empty() && !routes(&template, SCHEDULED).is_empty());
}

#[test]
fn whatever_is_missing_is_found() {
    let broken = |from: &str, to: &str| {
        let text = text();
        assert!(text.contains(from), "the template no longer has {from:?}");
        problems(&Template::parse(&text.replace(from, to)).unwrap(), &folders()).join("\n")
    };
    let cases = [
        (
            "FunctionName: summarizer\n",
            "FunctionName: summariser\n",
            "functions/summarizer is not in the template",
        ),
        ("CodeUri: ../functions/recall", "CodeUri: ../functions/indexer", "name, folder and CodeUri differ"),
        ("BuildMethod: rust-cargolambda", "BuildMethod: makefile", "not built by cargo-lambda"),
        (
            ",summarizer=${SummarizerQueue}",
            "",
            "SummarizerQueue is neither in WAKE_UP_QUEUES nor in SCHEDULED_QUEUES",
        ),
        ("=${SummarizerQueue}", "=${IndexerQueue}", "which is not its queue"),
        ("=${SummarizerQueue}", "=${SumQueue}", "SumQueue does not exist"),
        (
            "- SQSSendMessagePolicy: { QueueName: !GetAtt SummarizerQueue.QueueName }",
            "- SQSPollerPolicy: { QueueName: !GetAtt SummarizerQueue.QueueName }",
            "cdc-reader may not send to SummarizerQueue",
        ),
        (
            "                  - !GetAtt SummarizerQueue.Arn\n",
            "",
            "recall lacks sqs:SendMessage on SummarizerQueue",
        ),
        (
            "                  - !GetAtt IndexerDeadLetters.Arn\n",
            "",
            "recall lacks sqs:DeleteMessage on IndexerDeadLetters",
        ),
        (
            "pattern-finder=${PatternFinderQueue},",
            "",
            "PatternFinderQueue is neither in WAKE_UP_QUEUES nor in SCHEDULED_QUEUES",
        ),
        (
            "indexer=${IndexerQueue}\"",
            "indexer=${IndexerQueue},pattern-finder=${PatternFinderQueue}\"",
            "pattern-finder is routed twice",
        ),
        ("Type: AWS::Scheduler::Schedule", "Type: AWS::Events::Rule", "does not have one schedule"),
        (
            "Arn: !GetAtt PatternFinderQueue.Arn\n        RoleArn",
            "Arn: !GetAtt IndexerQueue.Arn\n        RoleArn",
            "sends to IndexerQueue, which SCHEDULED_QUEUES does not name",
        ),
        (r#""type":"tick""#, r#""type":"tock""#, "which is no tick"),
        (
            "ScheduleExpression: !Ref PatternFinderSchedule",
            "ScheduleExpression: !Ref LogLevel",
            r#"takes its times from "LogLevel""#,
        ),
        (
            "Service: scheduler.amazonaws.com",
            "Service: events.amazonaws.com",
            "PatternFinderTick may not send to PatternFinderQueue",
        ),
        (
            "                  - !GetAtt PatternFinderQueue.Arn\n",
            "",
            "PatternFinderTick may not send to PatternFinderQueue",
        ),
        (
            "- SQSSendMessagePolicy: { QueueName: !GetAtt NotifierQueue.QueueName }\n        - !If\n          - HasDatabaseSecret",
            "- SQSSendMessagePolicy: { QueueName: !GetAtt PatternFinderQueue.QueueName }\n        - !If\n          - HasDatabaseSecret",
            "cdc-reader may send to PatternFinderQueue, which has a schedule",
        ),
        (
            "- SQSSendMessagePolicy: { QueueName: !GetAtt PatternFinderDeadLetters.QueueName }",
            "- SQSPollerPolicy: { QueueName: !GetAtt PatternFinderDeadLetters.QueueName }",
            "pattern-finder may not send to PatternFinderDeadLetters",
        ),
        ("FunctionResponseTypes: [ReportBatchItemFailures]", "x: y", "lacks ReportBatchItemFailures"),
        ("MaximumConcurrency: 10", "MaximumConcurrency: !Ref LogLevel", "lacks MaximumConcurrency"),
        (
            "EventSourceArn: !GetAtt IndexerQueue.Arn",
            "EventSourceArn: !GetAtt SummarizerQueue.Arn",
            "IndexerQueue wakes nobody",
        ),
        ("summarizer=${SummaryQuietSeconds},", "", "SummarizerQueue has another quiet period"),
        ("action-detector=${AgentQuietSeconds},", "", "ActionDetectorQueue has another quiet period"),
        ("[HasModel, !Ref AgentQuietSeconds, 0]", "30", "EntityExtractorQueue has another quiet period"),
        ("NOTIFIER_QUEUE: !Ref NotifierQueue", "NOTIFIER_QUEUE: nothing", "NotifierQueue is neither in"),
        (
            "QueueName: ingest.fifo\n",
            "QueueName: ingest.fifo\n      RedrivePolicy: { maxReceiveCount: 5 }\n",
            "IngestQueue gives up what it holds",
        ),
        (
            "- SQSSendMessagePolicy: { QueueName: !GetAtt IngestQueue.QueueName }",
            "- SQSPollerPolicy: { QueueName: !GetAtt IngestQueue.QueueName }",
            "webhook may not send to IngestQueue",
        ),
        (
            "- SQSSendMessagePolicy: { QueueName: !GetAtt IngestQueue.QueueName }\n        - Version",
            "- SQSPollerPolicy: { QueueName: !GetAtt IngestQueue.QueueName }\n        - Version",
            "cdc-reader may not send to IngestQueue",
        ),
        (
            "- SQSSendMessagePolicy: { QueueName: !GetAtt IngestDeadLetters.QueueName }",
            "- SQSPollerPolicy: { QueueName: !GetAtt IngestDeadLetters.QueueName }",
            "ingester may not send to the dead letters of IngestQueue",
        ),
        (
            "EventSourceArn: !GetAtt IngestQueue.Arn",
            "EventSourceArn: !GetAtt IndexerQueue.Arn",
            "IngestQueue wakes nobody",
        ),
        ("Value: !GetAtt IngestDeadLetters.QueueName", "Value: nothing", "IngestDeadLetters has no alarm"),
        ("deadLetterTargetArn: !GetAtt IndexerDeadLetters.Arn", "x: y", "no dead-letter queue indexer-dlq"),
        ("Value: !GetAtt IndexerDeadLetters.QueueName", "Value: nothing", "IndexerDeadLetters has no alarm"),
        (
            "EventSourceArn: !GetAtt IndexerQueue.Arn",
            "EventSourceArn: !GetAtt IdxQueue.Arn",
            "IdxQueue does not exist",
        ),
        ("!If [HasAlarmTopic,", "!If [HasTopic,", "condition HasTopic does not exist"),
    ];
    for (from, to, expected) in cases {
        let problems = broken(from, to);
        assert!(problems.contains(expected), "{from:?} → {to:?}: {problems}");
    }
    let forgotten = [folders(), vec!["new-agent".to_owned()]].concat();
    let problems = problems(&Template::parse(&text()).unwrap(), &forgotten);
    assert_eq!(problems, ["functions/new-agent is not in the template"]);
}

#[test]
fn a_wake_up_is_hidden_for_six_times_the_time_an_agent_has() {
    let template = Template::parse(&text()).unwrap();
    let default = |parameter: &str| template.document()["Parameters"][parameter]["Default"].as_u64().unwrap();
    assert!(default("WakeUpVisibilitySeconds") >= 6 * default("AgentTimeoutSeconds"));
}

#[test]
fn the_tests_table_is_the_templates() {
    let template = Template::parse(&text()).unwrap();
    let table = template.resources("AWS::DynamoDB::Table")["HotTable"];
    let keys: Vec<_> =
        table["KeySchema"].as_sequence().unwrap().iter().map(|key| string(key, "AttributeName")).collect();
    assert_eq!(keys, ["pk", "sk"]);
    assert_eq!(template.hot_table_expiry(), Some("expires_at"));
}

#[test]
fn every_function_has_a_test_event() {
    for function in folders() {
        let path = workspace().join("tests/events").join(format!("{function}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|_| panic!("{} is missing", path.display()));
        let event: serde_json::Value = serde_json::from_str(&text).unwrap();
        let records = event.get("Records").and_then(serde_json::Value::as_array);
        for record in records.into_iter().flatten() {
            let queue = record["eventSourceARN"].as_str().unwrap();
            let body = record["body"].as_str().unwrap();
            if let Some((ordered, ..)) = ORDERED.iter().find(|(.., taker)| *taker == function) {
                assert!(queue.ends_with(&format!(":{ordered}")));
                AcceptedEvents::parse(body).unwrap();
            } else {
                assert!(queue.ends_with(&format!(":{function}")));
                Envelope::parse(body).unwrap();
            }
        }
    }
}
