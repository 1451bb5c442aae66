//! Values that change: the one that was said last holds.

use domain::SessionId;
use store::{Committed, Effects};

use super::stage::{Stage, home};

#[tokio::test]
async fn the_home_said_last_holds_and_the_others_are_history_with_their_evidence() {
    let stage = Stage::set().await;
    let mut sessions = Vec::new();
    for (session, city, day) in
        [("one", "Berlin", "2026-03-01"), ("two", "Lisbon", "2026-03-03"), ("three", "Porto", "2026-03-02")]
    {
        let id = stage.say(session, "user", city).await;
        let at =
            format!("update afterthought.session_events set occurred_at = '{day}' where session_id = '{id}'");
        stage.owner.batch_execute(&at).await.unwrap();
        let claimed = stage.claim("gate", id).await;
        let effects = Effects { thoughts: vec![home(city)], ..Effects::default() };
        assert!(matches!(stage.commit(&claimed, &effects).await, Committed::Done(_)));
        sessions.push(id);
    }
    assert_eq!(stage.current().await, ["Ada lives in Lisbon.:1"]);
    let past = "select content, valid_from::date::text, valid_to::date::text,
                       (select content from afterthought.memories o where o.id = m.superseded_by),
                       (select count(*) from afterthought.memory_evidence e where e.memory_id = m.id)
                from afterthought.memories m where valid_to is not null order by valid_from";
    let past: Vec<(String, String, String, String, i64)> = stage
        .owner
        .query(past, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4)))
        .collect();
    let lisbon = "Ada lives in Lisbon.";
    assert_eq!(
        past,
        [
            ("Ada lives in Berlin.".into(), "2026-03-01".into(), "2026-03-03".into(), lisbon.into(), 1),
            ("Ada lives in Porto.".into(), "2026-03-02".into(), "2026-03-03".into(), lisbon.into(), 1),
        ]
    );
}

#[tokio::test]
async fn sessions_that_tell_different_homes_at_once_agree_on_the_last() {
    let stage = Stage::set().await;
    for (number, city) in (1..=8_u8).zip(["A", "B", "C", "D", "A", "B", "C", "H"]) {
        let id = stage.say(&format!("s{number}"), "user", city).await;
        let at = format!(
            "update afterthought.session_events set occurred_at = '2026-03-0{number}' where session_id = '{id}'"
        );
        stage.owner.batch_execute(&at).await.unwrap();
    }
    let rows = stage
        .owner
        .query("select id, session from afterthought.sessions order by session", &[])
        .await
        .unwrap();
    let commits = rows.iter().map(|row| {
        let (stage, id) = (&stage, SessionId(row.get(0)));
        async move {
            let claimed = stage.claim("gate", id).await;
            let city = claimed.window.events[0].content.clone();
            let effects = Effects { thoughts: vec![home(&city)], ..Effects::default() };
            assert!(matches!(stage.commit(&claimed, &effects).await, Committed::Done(_)));
        }
    });
    futures::future::join_all(commits).await;
    assert_eq!(stage.current().await, ["Ada lives in H.:1"]);
    let evidence: i64 =
        stage.owner.query_one("select count(*) from afterthought.memory_evidence", &[]).await.unwrap().get(0);
    assert_eq!(evidence, 8, "nothing that was said is lost");
}
