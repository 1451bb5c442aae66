//! Wake-ups through queues: the emulator for what SQS does, a scripted answer for what it does rarely.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use backon::ExponentialBuilder;
use domain::{Envelope, SessionId, TenantId, WakeUp};
use jiff::Timestamp;
use queue::{Ordered, Publisher};
use serde_json::{Value, json};
use testkit::TestAws;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

fn wake_up(tenant: &str, version: i64) -> Envelope {
    let (tenant, session) = (TenantId::new(tenant).unwrap(), SessionId(Uuid::from_u128(7)));
    Envelope::first(WakeUp::Session { tenant, session, version }, Timestamp::UNIX_EPOCH)
}

fn versions(envelopes: &[Envelope]) -> BTreeSet<i64> {
    let version = |envelope: &Envelope| match envelope.wake_up {
        WakeUp::Session { version, .. } => version,
        _ => 0,
    };
    envelopes.iter().map(version).collect()
}

#[tokio::test]
async fn every_wake_up_arrives_under_its_tenant_and_a_deferred_one_says_so() {
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("summarizer").await.unwrap();
    let publisher = Publisher::new(aws.sqs());
    let long = "ä".repeat(100);
    let sent: Vec<_> =
        (1..=25).map(|version| wake_up(if version % 2 == 0 { "acme" } else { &long }, version)).collect();
    publisher.publish(&queue, &sent).await.unwrap();
    publisher.publish(&queue, &[Envelope::first(WakeUp::Tick, Timestamp::UNIX_EPOCH)]).await.unwrap();
    publisher.defer(&queue, wake_up("acme", 99), Duration::ZERO).await.unwrap();

    let mut arrived = Vec::new();
    for message in aws.drain(&queue).await.unwrap() {
        let envelope = Envelope::parse(message.body().unwrap()).unwrap();
        let group =
            message.attributes.unwrap_or_default().remove(&MessageSystemAttributeName::MessageGroupId);
        match envelope.wake_up.tenant().map(TenantId::as_str) {
            Some("acme") => assert_eq!(group.as_deref(), Some("acme")),
            Some(_) => assert!(group.is_some_and(|group| group.is_ascii())),
            None => assert_eq!(group, None),
        }
        let deferred = (envelope.deferrals, envelope.first_sent_at);
        assert_eq!(
            deferred,
            (u32::from(versions(std::slice::from_ref(&envelope)).contains(&99)), Timestamp::UNIX_EPOCH)
        );
        arrived.push(envelope);
    }
    assert_eq!(arrived.len(), 27);
    assert_eq!(versions(&arrived), (0..=25).chain([99]).collect());
}

#[tokio::test]
async fn a_delayed_wake_up_is_not_there_at_once() {
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("summarizer").await.unwrap();
    Publisher::new(aws.sqs()).defer(&queue, wake_up("acme", 1), Duration::from_mins(15)).await.unwrap();
    assert_eq!(aws.drain(&queue).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_queue_that_does_not_exist_accepts_nothing_and_the_error_holds_all_of_it() {
    let aws = TestAws::create().await.unwrap();
    let queue = aws.create_queue("summarizer").await.unwrap().replace("summarizer", "no-such-queue");
    let publisher = Publisher::new(aws.sqs()).with_retries(ExponentialBuilder::default().with_max_times(0));
    let sent: Vec<_> = (1..=15).map(|version| wake_up("acme", version)).collect();
    let error = publisher.publish(&queue, &sent).await.unwrap_err();
    assert_eq!(versions(&error.envelopes), (1..=15).collect());
    let said = error.to_string();
    assert!(said.contains("no-such-queue did not accept 15 of 15 wake-ups"), "{said}");
}

#[tokio::test]
async fn a_queue_that_does_not_answer_is_waited_for_as_long_as_it_is_said_and_no_longer() {
    let aws = TestAws::create().await.unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let config = aws.config().to_builder().endpoint_url(&endpoint).build();
    let publisher = Publisher::new(aws_sdk_sqs::Client::new(&config))
        .with_retries(ExponentialBuilder::default().with_max_times(0))
        .with_timeout(Duration::from_millis(500));
    let ordered = [Ordered { body: "b".into(), group: "g".into(), deduplication: "d".into(), reason: None }];
    let sent = tokio::time::timeout(Duration::from_secs(20), publisher.publish_in_order(&endpoint, &ordered));
    let error = sent.await.expect("it does not wait").unwrap_err();
    assert_eq!((error.sent, error.missing), (1, 1));
}

/// A queue that answers each call as it is told: the message ids to refuse, and whether that is the sender's fault.
async fn scripted(answers: Vec<(Vec<&'static str>, bool)>) -> (TestAws, Publisher, Arc<Mutex<Vec<usize>>>) {
    let aws = TestAws::create().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&calls);
    tokio::spawn(async move {
        let mut answers = answers.into_iter();
        while let Ok((connection, _)) = listener.accept().await {
            let mut connection = BufReader::new(connection);
            while let Some(call) = read(&mut connection).await {
                let entries = call["Entries"].as_array().unwrap();
                seen.lock().unwrap().push(entries.len());
                let (refused, fault) = answers.next().unwrap_or_default();
                let (failed, accepted): (Vec<_>, Vec<_>) =
                    entries.iter().partition(|entry| refused.contains(&entry["Id"].as_str().unwrap()));
                let answer = json!({
                    "Failed": failed.iter().map(|entry| json!({
                        "Id": entry["Id"], "Code": "ServiceUnavailable", "SenderFault": fault, "Message": "come back",
                    })).collect::<Vec<_>>(),
                    "Successful": accepted.iter().map(|entry| json!({
                        "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "0",
                    })).collect::<Vec<_>>(),
                })
                .to_string();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:";
                let answer = format!("{head} {}\r\n\r\n{answer}", answer.len());
                connection.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    let config = aws.config().to_builder().endpoint_url(endpoint).build();
    let retries = ExponentialBuilder::default().with_min_delay(Duration::from_millis(1)).with_max_times(2);
    let publisher =
        Publisher::new(aws_sdk_sqs::Client::new(&config)).with_retries(retries).with_concurrency(1);
    (aws, publisher, calls)
}

/// The body of one request; `None` when the client is done with the connection.
async fn read(connection: &mut BufReader<TcpStream>) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if connection.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.ok()?;
    Some(serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn only_what_was_refused_is_sent_again_until_it_is_accepted() {
    let (_aws, publisher, calls) = scripted(vec![(vec!["1", "4"], false), (vec!["0"], false)]).await;
    let sent: Vec<_> = (1..=5).map(|version| wake_up("acme", version)).collect();
    publisher.publish("http://queue", &sent).await.unwrap();
    assert_eq!(*calls.lock().unwrap(), [5, 2, 1]);
}

#[tokio::test]
async fn what_is_never_accepted_is_listed_and_the_rest_of_the_batches_is_sent() {
    let (_aws, publisher, calls) =
        scripted(vec![(vec!["1", "4"], false), (vec!["0", "1"], false), (vec!["1"], false)]).await;
    let sent: Vec<_> = (1..=12).map(|version| wake_up("acme", version)).collect();
    let error = publisher.publish("http://queue", &sent).await.unwrap_err();
    assert_eq!(versions(&error.envelopes), [5].into());
    assert_eq!(
        error.to_string(),
        "http://queue did not accept 1 of 12 wake-ups: ServiceUnavailable: come back"
    );
    assert_eq!(*calls.lock().unwrap(), [10, 2, 2, 2]);
}

#[tokio::test]
async fn what_is_the_senders_fault_is_not_sent_again() {
    let (_aws, publisher, calls) = scripted(vec![(vec!["0"], true)]).await;
    let error =
        publisher.publish("http://queue", &[wake_up("acme", 1), wake_up("acme", 2)]).await.unwrap_err();
    assert_eq!(versions(&error.envelopes), [1].into());
    assert_eq!(*calls.lock().unwrap(), [2]);
}

/// SQS as it hands out the same letter again and again, and says how many it has handed out.
async fn hands_out(letters: &'static [&'static str], in_flight: usize) -> (TestAws, Publisher) {
    let aws = TestAws::create().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut received = letters.iter();
        while let Ok((connection, _)) = listener.accept().await {
            let mut connection = BufReader::new(connection);
            while let Some(call) = read(&mut connection).await {
                let answer = if call.get("MaxNumberOfMessages").is_some() {
                    let message = |id: &&str| json!({"MessageId": id, "Body": "x", "ReceiptHandle": id});
                    json!({ "Messages": received.next().iter().map(|id| message(id)).collect::<Vec<_>>() })
                } else if call.get("AttributeNames").is_some() {
                    json!({"Attributes": {"ApproximateNumberOfMessagesNotVisible": in_flight.to_string()}})
                } else {
                    json!({"Successful": [], "Failed": []})
                };
                let answer = answer.to_string();
                let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length:";
                let answer = format!("{head} {}\r\n\r\n{answer}", answer.len());
                connection.get_mut().write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    let config = aws.config().to_builder().endpoint_url(endpoint).build();
    (aws, Publisher::new(aws_sdk_sqs::Client::new(&config)))
}

#[tokio::test]
async fn a_look_at_dead_letters_is_cut_when_one_comes_again_or_somebody_else_has_some() {
    let cases: [(&[&str], usize, bool); 5] = [
        (&[], 0, false),
        (&["a", "b"], 2, false),
        // Two are held by this look, and one by somebody else.
        (&["a", "b"], 3, true),
        (&[], 1, true),
        // The look took so long that what it saw first is not hidden any more.
        (&["a", "b", "a"], 2, true),
    ];
    for (letters, in_flight, is_cut) in cases {
        let letters: &'static [&'static str] =
            Vec::leak(letters.iter().map(|id| &*String::leak((*id).to_owned())).collect());
        let (_aws, publisher) = hands_out(letters, in_flight).await;
        let looked = publisher.look_at_letters("http://queue", 100, |_| {}).await.unwrap();
        assert_eq!(looked.is_cut, is_cut, "{letters:?}, {in_flight} in flight");
    }
}
