//! The memory curator at the end of the real path: messages, what the entity extractor makes of them, a weekly tick.

use std::sync::atomic::{AtomicBool, Ordering};

use domain::{Envelope, SessionId, TenantId, WakeUp, Window};
use entity_extractor::EntityExtractor;
use memory_curator::MemoryCurator;
use model::Model;
use runtime::{Agent, AgentSpec, Context, Services, ThinkError, Thoughts};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

use crate::delivery::deliver;
use crate::ground::Ground;

const AGENTS: [&str; 2] = [EntityExtractor::NAME, MemoryCurator::NAME];

struct Stage {
    services: Services,
    _database: TestDatabase,
    aws: TestAws,
    owner: Client,
    queue_url: String,
}

impl Stage {
    async fn set() -> Self {
        let ground = Ground::lay().await;
        let services = ground.services(&[("WAKE_UP_QUEUES", &ground.routes(&AGENTS).await)]).await;
        let Ground { database, aws, owner } = ground;
        let queue_url = services.config.routes.url(MemoryCurator::NAME).unwrap().to_owned();
        Self { services, _database: database, aws, owner, queue_url }
    }

    /// Somebody says something, and the entity extractor remembers it.
    async fn say(&self, session: &str, days_ago: f64, said: &[&str]) -> SessionId {
        let insert =
            "insert into afterthought.messages (user_id, session, role, speaker, content, occurred_at)
                      select 'nora', $1, 'user', 'Nora', content, now() - $2 * interval '1 day'
                      from unnest($3::text[]) as content returning session_id, version";
        let rows = self.owner.query(insert, &[&session, &days_ago, &said]).await.unwrap();
        let session = SessionId(rows[0].get(0));
        let version = rows.iter().map(|row| row.get("version")).max().unwrap();
        let wake_up = WakeUp::Session { tenant: TenantId::new("default").unwrap(), session, version };
        let extractor = EntityExtractor::new(Model::BuiltIn).unwrap();
        assert_eq!(self.deliver(&extractor, wake_up).await, 0);
        session
    }

    /// Delivers one wake-up; answers how many were not acknowledged.
    async fn deliver<A: Agent>(&self, agent: &A, wake_up: WakeUp) -> usize {
        usize::from(!deliver(&self.services, agent, wake_up).await)
    }

    /// A week is over: delivers the tick and every wake-up it leads to, each twice.
    async fn tick<A: Agent>(&self, agent: &A) {
        for _ in 0..2 {
            assert_eq!(self.deliver(agent, WakeUp::Tick).await, 0);
        }
        for message in self.aws.drain(&self.queue_url).await.unwrap() {
            let wake_up = Envelope::parse(message.body().unwrap()).unwrap().wake_up;
            self.deliver(agent, wake_up).await;
        }
    }

    fn curator(&self) -> MemoryCurator {
        MemoryCurator::new(Model::BuiltIn, self.services.store.clone()).unwrap()
    }

    /// What is known under keys like this, with how much evidence, and what took its place.
    async fn known(&self, key: &str) -> Vec<String> {
        let read = "select format('%s, %s events%s', m.key,
                            (select count(*) from afterthought.memory_evidence e where e.memory_id = m.id),
                            case when m.valid_to is not null then ', until ' || case
                                when m.valid_to > now() - interval '1 hour' then 'now'
                                else round(extract(epoch from now() - m.valid_to) / 86400) || ' days ago' end
                                || coalesce(', then ' || by.key, '') else '' end)
                    from afterthought.memories m left join afterthought.memories by on by.id = m.superseded_by
                    where m.key like $1 order by m.key";
        let rows = self.owner.query(read, &[&key]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// All memories, their evidence and their intervals, whenever they were closed.
    async fn state(&self) -> String {
        let read = "select string_agg(format('%s %s %s %s %s %s', m.key, m.content, m.data, m.valid_to is null, by.key,
                            (select string_agg(s.session || e.version, ' ' order by s.session, e.version)
                             from afterthought.memory_evidence e join afterthought.sessions s on s.id = e.session_id
                             where e.memory_id = m.id)), E'\\n' order by m.key)
                    from afterthought.memories m left join afterthought.memories by on by.id = m.superseded_by";
        self.owner.query_one(read, &[]).await.unwrap().get(0)
    }

    async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// A preference that is taken back, and a person under two names.
    async fn with_a_contradiction_and_a_repeat() -> Self {
        let stage = Self::set().await;
        stage.say("first", 20.0, &["I prefer tea to coffee.", "I met Caroline Smith at the office."]).await;
        stage.say("second", 4.0, &["I prefer coffee to tea.", "Then I called Caroline again."]).await;
        stage
    }
}

const PREFERENCES: &str = "preference:nora:prefers:%";
const CAROLINE: &str = "name:caroline%";

#[tokio::test]
async fn what_was_taken_back_and_what_is_known_twice_is_superseded_and_not_destroyed() {
    let stage = Stage::with_a_contradiction_and_a_repeat().await;
    let open = ["preference:nora:prefers:coffe, 1 events", "preference:nora:prefers:tea, 1 events"];
    assert_eq!(stage.known(PREFERENCES).await, open);
    assert_eq!(stage.known(CAROLINE).await, ["name:caroline, 1 events", "name:caroline smith, 1 events"]);

    stage.tick(&stage.curator()).await;
    assert_eq!(
        stage.known(PREFERENCES).await,
        [
            "preference:nora:prefers:coffe, 1 events",
            "preference:nora:prefers:tea, 1 events, until 4 days ago, then preference:nora:prefers:coffe"
        ]
    );
    let [stays, closed]: [String; 2] = stage.known(CAROLINE).await.try_into().unwrap();
    let (stays, closed) = if closed.contains("until") { (stays, closed) } else { (closed, stays) };
    assert!(stays.ends_with(", 2 events"), "{stays}");
    assert!(closed.contains(", 1 events, until now, then name:caroline"), "{closed}");
    let aliases = "select count(*) from afterthought.memories
                   where valid_to is null and data->'aliases' ?& array['Caroline', 'Caroline Smith']";
    assert_eq!(stage.number(aliases).await, 1);
    let ledger = "select count(*) from afterthought.ledger where outcome = 'closed'";
    assert_eq!(stage.number(ledger).await, 2, "every closing is recorded, once");
}

/// The curator, whose process dies between thinking and committing, or which is overtaken there, once.
struct Disturbed<'a> {
    curator: MemoryCurator,
    was_met: AtomicBool,
    by: Option<(&'a Client, &'a str)>,
}

impl Agent for Disturbed<'_> {
    fn spec(&self) -> &AgentSpec {
        self.curator.spec()
    }

    async fn think(&self, window: &Window, context: &Context) -> Result<Thoughts, ThinkError> {
        let thoughts = self.curator.think(window, context).await?;
        if !thoughts.closings.is_empty() && !self.was_met.swap(true, Ordering::Relaxed) {
            let Some((owner, change)) = self.by else { panic!("the process dies") };
            owner.batch_execute(change).await.unwrap();
        }
        Ok(thoughts)
    }
}

fn disturbed<'a>(stage: &Stage, by: Option<(&'a Client, &'a str)>) -> Disturbed<'a> {
    Disturbed { curator: stage.curator(), was_met: AtomicBool::new(false), by }
}

#[tokio::test]
async fn a_run_that_dies_and_ticks_that_come_twice_come_to_the_same() {
    let (calm, stormy) =
        tokio::join!(Stage::with_a_contradiction_and_a_repeat(), Stage::with_a_contradiction_and_a_repeat());
    calm.tick(&calm.curator()).await;
    let before = stormy.state().await;
    let dies = disturbed(&stormy, None);
    stormy.tick(&dies).await;
    assert!(dies.was_met.load(Ordering::Relaxed));
    stormy.tick(&stormy.curator()).await;
    assert_ne!(before, stormy.state().await);
    assert_eq!(calm.state().await, stormy.state().await);
    let after = stormy.state().await;
    stormy.say("third", 0.0, &["Good night."]).await;
    stormy.tick(&stormy.curator()).await;
    assert_eq!(after, stormy.state().await, "a week later there is nothing left to do");
}

#[tokio::test]
async fn a_memory_that_changes_meanwhile_is_looked_at_again() {
    let stage = Stage::with_a_contradiction_and_a_repeat().await;
    let pin = "update afterthought.memories set pinned = true, version = version + 1
               where key = 'preference:nora:prefers:tea'";
    let overtaken = disturbed(&stage, Some((&stage.owner, pin)));
    stage.tick(&overtaken).await;
    stage.tick(&overtaken).await;
    assert!(overtaken.was_met.load(Ordering::Relaxed));
    let open = ["preference:nora:prefers:coffe, 1 events", "preference:nora:prefers:tea, 1 events"];
    assert_eq!(stage.known(PREFERENCES).await, open, "somebody wants it kept");
    let closed = "select count(*) from afterthought.memories where valid_to is not null";
    assert_eq!(stage.number(closed).await, 1, "the repeat is closed all the same");
}
