//! What an agent may close.

use domain::{ClosedBecause, Evidence, SessionId, Thought};
use store::{Committed, Effects};
use uuid::Uuid;

use super::stage::{Stage, closing, fact, known};

#[tokio::test]
async fn what_an_agent_closes_is_history_and_its_evidence_stays() {
    let stage = Stage::set().await;
    let first = stage.learn("one", fact("a", "Ada lives in Lisbon.")).await;
    let second = stage.learn("two", fact("b", "Ada's home is Lisbon.")).await;
    stage.learn("three", fact("c", "Ada once liked tea.")).await;
    let memories = known(&stage).await;
    let (kept, twin) = (&memories["Ada lives in Lisbon."], &memories["Ada's home is Lisbon."]);
    let time = "2026-03-01T00:00:00Z".parse().unwrap();
    assert_eq!(kept.evidence, [(Evidence { session: first, version: 1 }, time)]);
    let session = stage.say("four", "user", "hello").await;
    let claimed = stage.claim("gate", session).await;
    let invented = Evidence { session: SessionId(Uuid::from_u128(9)), version: 1 };
    let merged = Thought {
        evidence: Vec::new(),
        elsewhere: vec![Evidence { session: second, version: 1 }, invented],
        since: Some(time),
        ..fact("a", "Ada lives in Lisbon.")
    };
    let effects = Effects {
        thoughts: vec![merged],
        closings: vec![
            closing(twin, ClosedBecause::Duplicate, Some(kept.memory.id)),
            closing(&memories["Ada once liked tea."], ClosedBecause::Faded, None),
        ],
        ..Effects::default()
    };
    assert!(matches!(stage.commit(&claimed, &effects).await, Committed::Done(_)));
    assert_eq!(stage.current().await, ["Ada lives in Lisbon.:2"]);
    assert_eq!(
        stage.ledger().await[3..],
        ["merged fact {}", "closed fact duplicate {}", "closed fact faded {}"]
    );
    let closed = "select count(*) from afterthought.memories m
                  where valid_to = '2026-04-01' and exists (select from afterthought.memory_evidence e where e.memory_id = m.id)";
    assert_eq!(stage.owner.query_one(closed, &[]).await.unwrap().get::<_, i64>(0), 2);
}

#[tokio::test]
async fn what_changed_was_closed_or_pinned_meanwhile_is_not_closed() {
    let stage = Stage::set().await;
    stage.learn("one", fact("a", "Ada lives in Lisbon.")).await;
    stage.learn("two", fact("b", "Ada's home is Lisbon.")).await;
    let session = stage.say("four", "user", "hello").await;
    let changes: [&str; 4] = [
        "update afterthought.memories set version = version + 1 where key = 'b'",
        "update afterthought.memories set pinned = true where key = 'b'",
        "update afterthought.memories set pinned = false, valid_to = now() where key = 'b'",
        "update afterthought.memories set valid_to = case key when 'a' then now() end",
    ];
    for change in changes {
        let memories = known(&stage).await;
        let (Some(kept), Some(twin)) =
            (memories.get("Ada lives in Lisbon."), memories.get("Ada's home is Lisbon."))
        else {
            panic!("both hold before {change}")
        };
        let effects = Effects {
            closings: vec![closing(twin, ClosedBecause::Duplicate, Some(kept.memory.id))],
            ..Effects::default()
        };
        let claimed = stage.claim("gate", session).await;
        stage.owner.batch_execute(change).await.unwrap();
        assert_eq!(stage.commit(&claimed, &effects).await, Committed::LostRace, "{change}");
        assert_eq!(stage.claim("gate", session).await.window.after, 0, "the cursor stays: {change}");
        stage.owner.batch_execute("update afterthought.memories set valid_to = null").await.unwrap();
    }
}
