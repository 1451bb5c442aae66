//! Everything that belongs together is named together: a folder in `functions/` has its function in the template, a
//! route its queue, a queue its mapping, dead letters and alarm, and every reference names something.

mod grants;
mod template;

use std::fs;

use domain::{AcceptedEvents, Envelope};
use local::template::Template;

use self::grants::string;
use self::template::{ORDERED, SCHEDULED, WOKEN, routes, workspace};
pub(crate) use self::template::{folders, problems, text};

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
