//! What people tell of themselves, through the real agent and real Postgres: what is said last holds, what held before is
//! history and never lost, in whatever order sessions are thought about.

use domain::{SessionId, TenantId, WakeUp};
use entity_extractor::EntityExtractor;
use model::{Embedder, Model};
use recall::Recall;
use runtime::Services;
use serde_json::json;
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

use crate::asking::ask;
use crate::delivery::deliver;
use crate::ground::Ground;

struct Stage {
    services: Services,
    agent: EntityExtractor,
    owner: Client,
    _aws: TestAws,
    _database: TestDatabase,
}

impl Stage {
    async fn set() -> Self {
        let ground = Ground::lay().await;
        let services =
            ground.services(&[("WAKE_UP_QUEUES", &ground.routes(&["entity-extractor"]).await)]).await;
        let Ground { database, aws, owner } = ground;
        let agent = EntityExtractor::new(Model::BuiltIn).unwrap();
        Self { services, agent, owner, _aws: aws, _database: database }
    }

    /// Ada says something in a session on a day of May 2026; nobody thinks about it yet.
    async fn say(&self, session: &str, day: i32, text: &str) -> SessionId {
        let row = self
            .owner
            .query_one(
                "insert into afterthought.messages (user_id, session, role, speaker, content, occurred_at)
                 values ('ada', $1, 'user', 'Ada', $2, make_timestamptz(2026, 5, $3, 9, 0, 0, 'UTC'))
                 returning session_id",
                &[&session, &text, &day],
            )
            .await
            .unwrap();
        SessionId(row.get(0))
    }

    async fn think(&self, session: SessionId) {
        let head: i64 = self
            .owner
            .query_one("select head_version from afterthought.sessions where id = $1", &[&session.0])
            .await
            .unwrap()
            .get(0);
        let wake_up = WakeUp::Session { tenant: TenantId::new("default").unwrap(), session, version: head };
        assert!(deliver(&self.services, &self.agent, wake_up).await);
    }

    /// Facts and preferences: what holds, then what held, each with whether its evidence is still there.
    async fn told(&self) -> [Vec<String>; 2] {
        let rows = self
            .owner
            .query(
                "select content, valid_to is null, (select count(*) from afterthought.memory_evidence v where v.memory_id = m.id)
                 from afterthought.memories m where type in ('fact', 'preference') order by content",
                &[],
            )
            .await
            .unwrap();
        let mut told = [Vec::new(), Vec::new()];
        for row in rows {
            assert!(row.get::<_, i64>(2) > 0, "every memory keeps its evidence");
            told[usize::from(!row.get::<_, bool>(1))].push(row.get(0));
        }
        told
    }
}

#[tokio::test]
async fn a_contradiction_is_superseded_and_not_destroyed_whatever_is_thought_about_first() {
    for thought_first in [0, 1] {
        let stage = Stage::set().await;
        let sessions = [
            stage.say("spring", 1, "I live in Lisbon and I love coffee.").await,
            stage.say("summer", 20, "I moved to Porto last week. I don't like coffee any more.").await,
        ];
        stage.think(sessions[thought_first]).await;
        stage.think(sessions[1 - thought_first]).await;
        let [holds, held] = stage.told().await;
        assert_eq!(holds, ["Ada lives in Porto.", "Ada no longer likes coffee."], "{thought_first} first");
        assert_eq!(held, ["Ada likes coffee.", "Ada lives in Lisbon."], "{thought_first} first");
    }
}

#[tokio::test]
async fn the_same_fact_in_other_words_is_one_memory_with_all_its_evidence() {
    let stage = Stage::set().await;
    for (day, session, text) in [(1, "a", "I'm vegetarian."), (2, "b", "As I told you, I'm a vegetarian")] {
        let session = stage.say(session, day, text).await;
        stage.think(session).await;
    }
    assert_eq!(stage.told().await, [vec!["Ada is vegetarian.".to_owned()], Vec::new()]);
    let evidence: i64 = stage
        .owner
        .query_one(
            "select count(*) from afterthought.memory_evidence v join afterthought.memories m on m.id = v.memory_id
             where m.type = 'fact'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(evidence, 2);
}

#[tokio::test]
async fn a_profile_is_made_of_what_holds() {
    let stage = Stage::set().await;
    let session =
        stage.say("a", 1, "I live in Lisbon, I'm allergic to nuts and my sister Ana is a nurse.").await;
    stage.say("a", 2, "Actually it's Porto now. I hate running.").await;
    stage.think(session).await;
    let recall = Recall::new(
        stage.services.store.clone(),
        stage.services.hot.clone(),
        Embedder::BuiltIn,
        stage.services.now,
    );
    let headers = [("afterthought-tenant", "default")];
    let answer = ask(&recall, "GET", "/v1/users/ada/hydrate", &headers, None).await.json();
    assert_eq!(
        answer["profile"]["people"],
        json!({"ada": {
            "home": "Porto",
            "allergy": ["nuts"],
            "dislikes": ["running"],
            "family": ["Ada has a sister called Ana.", "Ada's sister Ana works as a nurse."],
        }})
    );
}
