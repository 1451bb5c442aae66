//! The template deploys to the emulator, and what the functions are told names what was made.

#![cfg(test)]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use local::cache::Cache;
use local::guard::Post;
use local::template::Template;
use local::{Environment, emulator, stack};

const ACCOUNT: &str = "000000000000";

fn workspace() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn parameters() -> BTreeMap<String, String> {
    [
        ("DatabaseUrl", "postgres://nobody@127.0.0.1:1/none"),
        ("RunMigrations", "false"),
        ("SummaryQuietSeconds", "2"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

#[tokio::test]
async fn the_template_deploys_and_deploys_again() {
    let environment = Environment::read();
    let cache = Cache::open(&environment).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "emulator", Duration::ZERO).unwrap();
    let _lease = post.lease().unwrap();
    let log = folder.path().join("emulator.log");
    let (_guarded, running) =
        emulator::start(&post, &cache, folder.path(), &log, &BTreeMap::new()).await.unwrap();
    let aws = emulator::sdk_config(&running.endpoint, ACCOUNT);
    let template = Template::read(&workspace()).unwrap();
    let first = stack::deploy(&aws, ACCOUNT, &template, &parameters()).await.unwrap();
    assert_eq!(first.environment["DATABASE_URL"], "postgres://nobody@127.0.0.1:1/none");
    let agents: std::collections::BTreeSet<String> =
        template.agents().into_iter().chain(template.scheduled()).collect();
    assert_eq!(first.queues.keys().cloned().collect::<std::collections::BTreeSet<_>>(), agents);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    for url in first.queues.values() {
        let attributes = sqs
            .get_queue_attributes()
            .queue_url(url)
            .attribute_names(aws_sdk_sqs::types::QueueAttributeName::All)
            .send()
            .await
            .unwrap()
            .attributes
            .unwrap();
        assert!(attributes[&aws_sdk_sqs::types::QueueAttributeName::RedrivePolicy].contains("-dlq"));
        let delay = &attributes[&aws_sdk_sqs::types::QueueAttributeName::DelaySeconds];
        let waits = url.ends_with("summarizer") || url.ends_with("sentiment-analyzer");
        assert_eq!(delay, if waits { "2" } else { "0" });
    }
    let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
    let expiry =
        dynamodb.describe_time_to_live().table_name(first.hot_table().unwrap()).send().await.unwrap();
    assert_eq!(expiry.time_to_live_description.unwrap().attribute_name.as_deref(), Some("expires_at"));
    assert!(first.outputs.contains_key("RecallUrl"));
    assert_eq!(first.environment["ARCHIVE_URL"], "", "nothing is archived unless somebody says where");
    let second = stack::deploy(&aws, ACCOUNT, &template, &parameters()).await.unwrap();
    assert_eq!(first, second);

    let mut with_archive = parameters();
    with_archive.insert("MakeArchive".to_owned(), "true".to_owned());
    let third = stack::deploy(&aws, ACCOUNT, &template, &with_archive).await.unwrap();
    let url = &third.environment["ARCHIVE_URL"];
    assert!(url.starts_with("s3://afterthought-") && url.ends_with("/events"), "{url}");

    let mut open = parameters();
    open.insert("WebhookAuthType".to_owned(), "NONE".to_owned());
    let refused = stack::deploy(&aws, ACCOUNT, &template, &open).await.unwrap_err().to_string();
    assert!(refused.contains("ApiKeys has to be required"), "{refused}");
    open.insert("ApiKeys".to_owned(), "required".to_owned());
    let fourth = stack::deploy(&aws, ACCOUNT, &template, &open).await.unwrap();
    let told =
        ["WEBHOOK_AUTH_TYPE", "RECALL_AUTH_TYPE", "API_KEYS"].map(|name| fourth.environment[name].as_str());
    assert_eq!(told, ["NONE", "AWS_IAM", "required"]);

    stack::remove(&aws).await.unwrap();
    let queues = sqs.list_queues().send().await.unwrap();
    assert_eq!(queues.queue_urls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_template_that_fails_names_the_resource_and_its_reason() {
    let environment = Environment::read();
    let cache = Cache::open(&environment).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "emulator", Duration::ZERO).unwrap();
    let _lease = post.lease().unwrap();
    let log = folder.path().join("emulator.log");
    let (_guarded, running) =
        emulator::start(&post, &cache, folder.path(), &log, &BTreeMap::new()).await.unwrap();
    let aws = emulator::sdk_config(&running.endpoint, ACCOUNT);
    let template = Template::parse(
        "Resources:\n  Broken:\n    Type: Custom::Nothing\n    Properties:\n      ServiceToken: \
         arn:aws:lambda:us-east-1:000000000000:function:absent\n",
    )
    .unwrap();
    let error = stack::deploy(&aws, ACCOUNT, &template, &BTreeMap::new()).await.unwrap_err().to_string();
    assert!(error.contains("Broken") && error.contains("absent"), "{error}");
}
