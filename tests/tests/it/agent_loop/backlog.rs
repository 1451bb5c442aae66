//! More than one window: what is read at once, in which order, and what is left for later.

use std::time::Duration;

use domain::{Debounce, Envelope, SessionId, TenantId, WakeUp};
use jiff::{SignedDuration, Timestamp};
use runtime::{Invocation, handle};
use uuid::Uuid;

use super::stage::{Echo, Stage, claim, event, failures, wake_up};

#[tokio::test]
async fn a_long_backlog_is_several_windows_in_order_within_one_wake_up() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 4);
    let session = stage.insert("one", &["a", "b", "c", "d", "e", "f", "g", "h", "i"]).await;
    stage.deliver(&agent, &[("m", wake_up(session, 9))]).await;
    assert_eq!(agent.windows(), [(0, 4), (4, 8), (8, 9)]);
}

#[tokio::test]
async fn out_of_time_the_rest_of_a_backlog_is_sent_again() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 4);
    let session = stage.insert("one", &["a", "b", "c", "d", "e"]).await;
    let over = Invocation::at(Timestamp::UNIX_EPOCH, 1);
    let response = handle(&stage.services, &agent, event(&[("m", wake_up(session, 5))]), &over).await;
    assert!(failures(&response).is_empty());
    assert_eq!(agent.windows(), [(0, 4)]);
    let sent = stage.aws.drain(&stage.queue_url).await.unwrap();
    let rest = Envelope::parse(sent[0].body().unwrap()).unwrap();
    assert!(matches!(rest.wake_up, WakeUp::Session { version: 5, .. }));
}

#[tokio::test]
async fn a_busy_session_is_left_until_it_is_quiet_or_has_waited_long_enough() {
    let stage = Stage::set().await;
    let patient = Echo::new(Some(Debounce { max_wait: Duration::from_hours(1) }), 100);
    let session = stage.insert("one", &["a", "b", "c"]).await;
    stage.deliver(&patient, &[("1", wake_up(session, 1))]).await;
    assert!(patient.windows().is_empty(), "two newer events have wake-ups of their own");
    stage.deliver(&patient, &[("3", wake_up(session, 3))]).await;
    assert_eq!(patient.windows(), [(0, 3)]);

    let impatient = Echo::new(Some(Debounce { max_wait: Duration::ZERO }), 100);
    stage.insert("one", &["d", "e"]).await;
    stage.deliver(&impatient, &[("4", wake_up(session, 4))]).await;
    assert_eq!(impatient.windows(), [(3, 5)], "all events of the burst, once");
}

#[tokio::test]
async fn a_limited_rate_or_a_session_in_other_hands_puts_the_wake_up_off() {
    let stage = Stage::set().await;
    let agent = Echo::new(None, 100);
    let limited = stage.insert("limited", &["limited"]).await;
    assert!(stage.deliver(&agent, &[("m", wake_up(limited, 1))]).await.is_empty());

    let held = stage.insert("held", &["a"]).await;
    let now = (stage.services.now)();
    let lease = stage
        .services
        .hot
        .acquire_lease("echo", held, Uuid::nil(), 0, 1, Duration::from_mins(1), now)
        .await
        .unwrap();
    assert!(matches!(lease, hot::Leased::Taken(_)));
    assert!(stage.deliver(&agent, &[("m", wake_up(held, 1))]).await.is_empty());
    assert_eq!(agent.windows(), [(0, 1)], "only the limited one was tried");

    let attributes = stage
        .aws
        .sqs()
        .get_queue_attributes()
        .queue_url(&stage.queue_url)
        .attribute_names(aws_sdk_sqs::types::QueueAttributeName::ApproximateNumberOfMessagesDelayed)
        .send()
        .await
        .unwrap();
    let delayed: Vec<&String> = attributes.attributes().unwrap().values().collect();
    assert_eq!(delayed, ["2"]);

    let later = now.saturating_add(SignedDuration::from_secs(61)).unwrap();
    let taken = stage
        .services
        .hot
        .acquire_lease("echo", held, Uuid::max(), 0, 1, Duration::from_mins(1), later)
        .await
        .unwrap();
    assert!(matches!(taken, hot::Leased::Taken(_)), "a lease ends by itself");
}

#[tokio::test]
async fn what_is_read_at_once_is_bounded_in_bytes_too() {
    let stage = Stage::set().await;
    let say = "insert into afterthought.messages (user_id, session, role, content)
               select 'ada', 'long', 'user', repeat('x', 262144) from generate_series(1, 20) returning session_id";
    let session = SessionId(stage.owner.query(say, &[]).await.unwrap()[0].get(0));
    let tenant = TenantId::new("default").unwrap();
    let claim = store::Claim { limit: 100, ..claim(&tenant, session) };
    let claimed = stage.services.store.claim(&claim).await.unwrap().unwrap();
    // 4 MiB, the braces of empty metadata included.
    assert_eq!((claimed.window.events.len(), claimed.window.head), (15, 20));
    let remember = "insert into afterthought.memories
            (id, tenant, user_id, scope, type, key, content, data, confidence, agent, model, valid_from)
        select gen_random_uuid(), 'default', 'ada', 'user', 'fact', 'k' || n, 'x',
               jsonb_build_object('text', repeat('x', 65536)), 0.5, 'test', 'test', now()
        from generate_series(1, 200) as n";
    stage.owner.execute(remember, &[]).await.unwrap();
    let user = domain::UserId::new("ada").unwrap();
    let memories = stage.services.store.user_memories(&tenant, &user, 10_000).await.unwrap();
    assert_eq!(memories.len(), 127, "8 MiB");
}
