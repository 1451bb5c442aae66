//! Leases and session contexts over the real DynamoDB protocol.

mod flow_control;

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Event, EventKind, MemoryId, SessionId, TenantId, UserId};
use hot::{ActiveMemory, Hot, LatestSession, Lease, Leased, Put, Read, SessionContext};
use jiff::{SignedDuration, Timestamp};
use testkit::TestAws;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_mins(1);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

async fn hot() -> (TestAws, Hot) {
    let aws = TestAws::create().await.unwrap();
    let table = aws.create_hot_table().await.unwrap();
    let hot = Hot::new(aws.dynamodb(), table);
    (aws, hot)
}

fn event(version: i64, created: Timestamp) -> Event {
    Event {
        version,
        kind: EventKind::Message,
        role: "user".into(),
        speaker: (version % 2 == 0).then(|| "Ada".into()),
        content: format!("message {version}"),
        payload: serde_json::json!({}),
        occurred_at: created,
        created_at: created,
    }
}

fn context(user: &str, session: &str, versions: i64, created: Timestamp) -> SessionContext {
    let mut context =
        SessionContext::new(TenantId::new("acme").unwrap(), UserId::new(user).unwrap(), session.into());
    context.advance(&(1..=versions).map(|version| event(version, created)).collect::<Vec<_>>());
    context
}

async fn read(hot: &Hot, like: &SessionContext, now: Timestamp) -> Read<SessionContext> {
    hot.get_context(&like.tenant, &like.user, &like.session_name, now).await.unwrap()
}

fn key(like: &SessionContext) -> HashMap<String, AttributeValue> {
    let attribute = |text: String| AttributeValue::S(text);
    HashMap::from([
        ("pk".into(), attribute(format!("user#{}#{}", like.tenant, like.user))),
        ("sk".into(), attribute(format!("context#{}", like.session_name))),
    ])
}

/// What a run gets that wants the lease of the summarizer on a session for the window that begins at `after`.
async fn take(hot: &Hot, holder: u128, after: i64, through: i64, now: Timestamp) -> Leased {
    let session = SessionId(Uuid::from_u128(1));
    hot.acquire_lease("summarizer", session, Uuid::from_u128(holder), after, through, MINUTE, now)
        .await
        .unwrap()
}

fn taken(leased: Leased) -> Lease {
    let Leased::Taken(lease) = leased else { panic!("{leased:?}") };
    lease
}

#[tokio::test]
async fn one_holder_at_a_time_and_its_death_costs_no_more_than_the_lease() {
    let (_aws, hot) = hot().await;
    let lease = taken(take(&hot, 1, 0, 5, at(0)).await);
    assert_eq!((lease.tries, lease.through), (1, 5));
    assert_eq!(take(&hot, 2, 0, 9, at(59)).await, Leased::Held { until: at(60) });
    let repeated = taken(take(&hot, 1, 0, 7, at(1)).await);
    assert_eq!(
        (repeated.tries, repeated.through),
        (1, 5),
        "the answer to the first attempt may have been lost"
    );
    let taken_over = taken(take(&hot, 2, 0, 9, at(62)).await);
    assert_eq!((taken_over.tries, taken_over.through), (2, 5), "the same window again");
    hot.release_lease(&lease).await.unwrap();
    hot.yield_lease(&lease).await.unwrap();
    assert_eq!(
        take(&hot, 1, 0, 9, at(63)).await,
        Leased::Held { until: at(122) },
        "giving back an ended lease must not end the next holder's"
    );
    hot.release_lease(&taken_over).await.unwrap();
    hot.release_lease(&taken_over).await.unwrap();
    assert_eq!(taken(take(&hot, 1, 0, 9, at(63)).await).tries, 1, "done: nothing is left of it");
}

#[tokio::test]
async fn of_many_at_once_one_gets_the_lease() {
    let (_aws, hot) = hot().await;
    let attempts = (1..=10).map(|holder| {
        let hot = hot.clone();
        async move { take(&hot, holder, 0, 1, at(0)).await }
    });
    let got = futures::future::join_all(attempts).await;
    assert_eq!(got.iter().filter(|leased| matches!(leased, Leased::Taken(_))).count(), 1);
}

#[tokio::test]
async fn a_context_comes_back_as_it_was_put_and_only_moves_forward() {
    let (_aws, hot) = hot().await;
    let mut newer = context("ada", "chat", 7, at(0));
    newer.active_entities = vec![ActiveMemory::new(MemoryId(Uuid::from_u128(5)), "Lisbon")];
    let older = context("ada", "chat", 3, at(-5));
    assert_eq!(read(&hot, &newer, at(0)).await, Read::Absent);
    assert_eq!(hot.put_context(&older, at(0)).await.unwrap(), Put::Stored);
    assert_eq!(hot.put_context(&newer, at(0)).await.unwrap(), Put::Stored);
    assert_eq!(hot.put_context(&older, at(0)).await.unwrap(), Put::Outdated);
    assert_eq!(hot.put_context(&newer, at(0)).await.unwrap(), Put::Stored, "a repeat comes to the same");
    assert_eq!(read(&hot, &newer, at(0)).await, Read::Present(newer));
}

#[tokio::test]
async fn a_context_ends_a_day_after_the_last_activity_although_the_item_is_still_there() {
    let (aws, hot) = hot().await;
    let old = context("ada", "chat", 9, at(0));
    hot.put_context(&old, at(0)).await.unwrap();
    let day = SignedDuration::from_hours(24);
    assert_eq!(read(&hot, &old, at(-1) + day).await, Read::Present(old.clone()));
    assert_eq!(read(&hot, &old, at(0) + day).await, Read::Absent);
    assert_eq!(hot.latest_session(&old.tenant, &old.user, at(0) + day).await.unwrap(), Read::Absent);

    let stored =
        aws.dynamodb().get_item().table_name("afterthought-hot").set_key(Some(key(&old))).send().await;
    let expires = stored.unwrap().item.unwrap().remove("expires_at").unwrap();
    assert_eq!(expires, AttributeValue::N((at(0) + day).as_second().to_string()), "the table's time to live");

    let reset = context("ada", "chat", 2, at(10) + day);
    assert_eq!(hot.put_context(&reset, at(10) + day).await.unwrap(), Put::Stored);
}

#[tokio::test]
async fn the_latest_session_of_a_user_is_the_one_active_last_whatever_the_order_of_writes() {
    let (_aws, hot) = hot().await;
    let morning = context("ada", "morning", 3, at(0));
    let evening = context("ada", "evening", 1, at(500));
    let other = context("bob", "other", 1, at(900));
    for context in [&evening, &morning, &other] {
        hot.put_context(context, at(900)).await.unwrap();
    }
    let latest = hot.latest_session(&morning.tenant, &morning.user, at(900)).await.unwrap();
    let evening = LatestSession { session_name: "evening".to_owned(), active_at: evening.updated_at };
    assert_eq!(latest, Read::Present(evening));
}

#[tokio::test]
async fn names_with_separators_never_meet() {
    let (_aws, hot) = hot().await;
    let one = context("ada#context#x", "y", 1, at(0));
    let two = context("ada", "x#context#y", 2, at(0));
    hot.put_context(&one, at(0)).await.unwrap();
    assert_eq!(read(&hot, &two, at(0)).await, Read::Absent);
    hot.put_context(&two, at(0)).await.unwrap();
    assert_eq!(read(&hot, &one, at(0)).await, Read::Present(one));
}

#[tokio::test]
async fn a_corrupt_item_says_so_and_the_same_version_heals_it() {
    let (aws, hot) = hot().await;
    let context = context("ada", "chat", 4, at(0));
    for (attribute, value) in [
        ("recent_messages", AttributeValue::S("{".into())),
        ("version", AttributeValue::S("four".into())),
        ("format", AttributeValue::N("99".into())),
        ("expires_at", AttributeValue::Bool(true)),
    ] {
        hot.put_context(&context, at(0)).await.unwrap();
        aws.dynamodb()
            .update_item()
            .table_name("afterthought-hot")
            .set_key(Some(key(&context)))
            .update_expression("set #a = :v")
            .expression_attribute_names("#a", attribute)
            .expression_attribute_values(":v", value)
            .send()
            .await
            .unwrap();
        assert!(matches!(read(&hot, &context, at(0)).await, Read::Corrupt { .. }), "{attribute}");
        assert_eq!(hot.put_context(&context, at(0)).await.unwrap(), Put::Stored, "{attribute}");
        assert_eq!(read(&hot, &context, at(0)).await, Read::Present(context.clone()), "{attribute}");
    }
}

#[tokio::test]
async fn what_is_active_is_replaced_in_a_live_context_and_nowhere_else() {
    let (_aws, hot) = hot().await;
    let live = context("ada", "chat", 4, at(0));
    let lisbon = ActiveMemory::new(MemoryId(Uuid::from_u128(5)), "Lisbon");
    let flights = ActiveMemory::new(MemoryId(Uuid::from_u128(6)), "book flights");
    let put = async |now| {
        hot.put_active(
            &live.tenant,
            &live.user,
            &live.session_name,
            std::slice::from_ref(&lisbon),
            std::slice::from_ref(&flights),
            now,
        )
        .await
        .unwrap()
    };
    assert_eq!(put(at(0)).await, Put::Outdated);
    assert_eq!(read(&hot, &live, at(0)).await, Read::Absent);
    hot.put_context(&live, at(0)).await.unwrap();
    assert_eq!(put(at(1)).await, Put::Stored);
    let Read::Present(now) = read(&hot, &live, at(1)).await else { panic!("the context is live") };
    assert_eq!((now.active_entities, now.pending_actions), (vec![lisbon.clone()], vec![flights.clone()]));
    assert_eq!(now.recent_messages, live.recent_messages);
}

#[tokio::test]
async fn twenty_of_the_longest_messages_fit_into_one_item() {
    let (_aws, hot) = hot().await;
    let mut context = context("ada", "chat", 0, at(0));
    let long = (1..=20).map(|version| Event { content: "\u{1F600}".repeat(65_536), ..event(version, at(0)) });
    context.advance(&long.collect::<Vec<_>>());
    assert_eq!(hot.put_context(&context, at(0)).await.unwrap(), Put::Stored);
    let Read::Present(stored) = read(&hot, &context, at(0)).await else { panic!("the context is live") };
    assert_eq!(stored.recent_messages.last().unwrap().version, 20);
}

#[tokio::test]
async fn a_missing_table_is_a_refusal() {
    let aws = TestAws::create().await.unwrap();
    let hot = Hot::new(aws.dynamodb(), "nowhere".into());
    let error = hot
        .acquire_lease("indexer", SessionId(Uuid::nil()), Uuid::nil(), 0, 1, MINUTE, at(0))
        .await
        .unwrap_err();
    assert!(matches!(error, hot::Error::Refused(_)), "{error}");
}
