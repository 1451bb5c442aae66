//! What an erased session has added to memories that come from others too.

use std::collections::BTreeSet;

use domain::SessionId;
use entity_extractor::EntityExtractor;
use hot::{ActiveMemory, SessionContext};
use sentiment_analyzer::SentimentAnalyzer;
use serde_json::{Value, json};

use super::mouths::Waking;
use super::stage::{MARK, Stage, VICTIM};
use super::{scan, verified};

impl Stage {
    /// Somebody says something in a session of the victim's, as this speaker.
    async fn hear(&self, session: &str, speaker: &str, lines: &[&str]) -> SessionId {
        let insert = "insert into afterthought.messages (tenant, user_id, session, role, speaker, content, occurred_at)
                      select 'acme', $1, $2, 'user', $3, said, timestamptz '2027-01-04' + place * interval '1 minute'
                      from unnest($4::text[]) with ordinality as l (said, place)";
        self.owner.execute(insert, &[&VICTIM, &session, &speaker, &lines]).await.unwrap();
        let read = "select id from afterthought.sessions where user_id = $1 and session = $2";
        SessionId(self.owner.query_one(read, &[&VICTIM, &session]).await.unwrap().get(0))
    }

    /// The data of the victim's current memory of a type and a key, and its identifier.
    async fn known(&self, kind: &str, key: &str) -> Option<(uuid::Uuid, String, Value)> {
        let read = "select id, content, data from afterthought.memories
                    where user_id = $1 and scope = 'user' and type = $2 and key = $3 and valid_to is null and status = 'active'";
        let row = self.owner.query_opt(read, &[&VICTIM, &kind, &key]).await.unwrap()?;
        Some((row.get(0), row.get(1), row.get(2)))
    }

    async fn erase_session(&self, session: &str) {
        let asked = json!({"subject": "session", "session": session});
        self.done("POST", VICTIM, "/erasures", asked).await;
    }
}

/// The sessions that the mood carries along.
fn carried(data: &Value) -> BTreeSet<String> {
    data["carried"].as_object().unwrap().keys().cloned().collect()
}

fn ids(sessions: &[SessionId]) -> BTreeSet<String> {
    sessions.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_mood_is_written_anew_without_a_session_that_is_erased() {
    let stage = Stage::set().await;
    let wake = async || stage.wake(&[SentimentAnalyzer::NAME], Waking::Behind).await;
    let mut others = Vec::new();
    for name in ["one", "two", "three"] {
        let lines = [format!("I love this wonderful {name}, it is great!"), "What a day.".to_owned()];
        others.push(stage.hear(name, "Ada", &[&lines[0], &lines[1]]).await);
        wake().await;
    }
    let (_, alone, before) = stage.known("sentiment", "weeks").await.unwrap();
    let erased = stage.hear("old", "Zelda", &["This is terrible, I hate it and I am so sad!"]).await;
    wake().await;
    let (mood, _, data) = stage.known("sentiment", "weeks").await.unwrap();
    assert_eq!(carried(&data), ids(&[&others[..], &[erased]].concat()));
    assert!(data["people"]["Zelda"].is_object(), "{data}");
    // It names the latest turns as its evidence, and so not every session that it carries along.
    let forget = "delete from afterthought.memory_evidence where memory_id = $1 and session_id = $2";
    assert!(stage.owner.execute(forget, &[&mood, &erased.0]).await.unwrap() > 0);

    stage.erase_session("old").await;
    assert_eq!(stage.known("sentiment", "weeks").await, None, "nobody sees it");
    stage.finish().await;
    assert_eq!(verified(&stage, Some("old")).await, []);
    let marks = [erased.to_string(), "Zelda".to_owned()];
    assert_eq!(scan::rows(&stage.owner, &marks).await, Vec::<String>::new());
    wake().await;
    let (_, content, data) = stage.known("sentiment", "weeks").await.unwrap();
    assert_eq!((content, data), (alone, before), "it is as if that session had never been");
    assert_eq!(scan::rows(&stage.owner, &marks).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_mood_that_carries_along_what_is_not_there_any_more_goes_with_the_next_erasure() {
    let stage = Stage::set().await;
    let session = stage.hear("one", "Ada", &["I love this wonderful day, it is great!"]).await;
    stage.wake(&[SentimentAnalyzer::NAME], Waking::Behind).await;
    let left = "update afterthought.memories
                set data = jsonb_set(data, '{carried,0190aaaa-0000-7000-8000-000000000001}', '{}') where key = 'weeks'";
    stage.owner.batch_execute(left).await.unwrap();
    stage.erase_session("gone long ago").await;
    stage.finish().await;
    assert_eq!(verified(&stage, Some("gone long ago")).await, []);
    stage.wake(&[SentimentAnalyzer::NAME], Waking::Behind).await;
    let (_, _, data) = stage.known("sentiment", "weeks").await.unwrap();
    assert_eq!(carried(&data), ids(&[session]));
}

#[tokio::test]
async fn a_name_that_was_said_in_an_erased_session_alone_goes_with_it() {
    let stage = Stage::set().await;
    let wake = async || stage.wake(&[EntityExtractor::NAME], Waking::Behind).await;
    stage.hear("old", "Ada", &["I met Dr. Ana Souza.", "I met Tom Brown."]).await;
    wake().await;
    let lines = [
        "Yesterday evening Ana Souza told me about her long journey through the mountains of Peru.",
        "Yesterday evening Tom Brown told me about his long journey through the deserts of Chile.",
    ];
    stage.hear("new", "Ada", &lines).await;
    wake().await;
    let (ana, content, data) = stage.known("entity", "name:ana souza").await.unwrap();
    assert!(
        content.contains("Peru") && data["aliases"] == json!(["Ana Souza", "Dr. Ana Souza"]),
        "{content} {data}"
    );
    let (tom, _, _) = stage.known("entity", "name:tom brown").await.unwrap();

    stage.erase_session("old").await;
    assert_eq!(stage.known("entity", "name:ana souza").await, None);
    stage.finish().await;
    assert_eq!(scan::rows(&stage.owner, &["Dr. Ana".to_owned()]).await, Vec::<String>::new());
    wake().await;
    let (anew, content, data) = stage.known("entity", "name:ana souza").await.unwrap();
    assert!(content.contains("Peru") && anew != ana, "it is learned from where it was said too");
    assert_eq!(data["aliases"], json!(["Ana Souza"]));
    assert_eq!(
        stage.known("entity", "name:tom brown").await.unwrap().0,
        tom,
        "what was said elsewhere too stays"
    );
}

#[tokio::test]
async fn a_memory_that_many_sessions_show_is_seen_in_none_of_them_from_the_answer_on() {
    const SESSIONS: usize = 230;
    let stage = Stage::set().await;
    let said = format!(
        "insert into afterthought.messages (tenant, user_id, session, role, content)
         select 'acme', 'quagga-rider', 'session ' || n, 'user', 'Hello' from generate_series(1, {SESSIONS}) n;
         insert into afterthought.memories
             (id, tenant, user_id, scope, type, key, content, confidence, agent, model, valid_from)
         values (gen_random_uuid(), 'acme', 'quagga-rider', 'user', 'entity', 'k', 'The quagga', 1, 'test', 'test', now());
         insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
         select m.id, s.id, 1, 'acme' from afterthought.memories m, afterthought.sessions s"
    );
    stage.owner.batch_execute(&said).await.unwrap();
    let id: uuid::Uuid =
        stage.owner.query_one("select id from afterthought.memories", &[]).await.unwrap().get(0);
    let now = (stage.services.now)();
    let shown = (1..=SESSIONS).map(|number| {
        let user = domain::UserId::new(VICTIM).unwrap();
        let mut context = SessionContext::new(Stage::tenant(), user, format!("session {number}"));
        context.active_entities.push(ActiveMemory::new(domain::MemoryId(id), "The quagga"));
        (context.version, context.updated_at) = (1, now);
        context
    });
    for context in shown {
        stage.services.hot.put_context(&context, now).await.unwrap();
    }
    let marks = [MARK.to_owned()];
    assert_eq!(scan::items(&stage.aws, &stage.hot_table, &marks).await.len(), SESSIONS);
    let erased = stage.done("POST", VICTIM, "/erasures", json!({"subject": "memory", "memory": id})).await;
    assert_eq!(erased["counts"]["hot_items"], SESSIONS, "{erased}");
    assert_eq!(scan::items(&stage.aws, &stage.hot_table, &marks).await, Vec::<String>::new());
}
