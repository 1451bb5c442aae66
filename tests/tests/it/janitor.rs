//! What has become old is cleared away, step by step, and nothing else is.

use domain::{Retention, TenantId};
use janitor::{Janitor, Worked};
use jiff::Timestamp;
use runtime::Services;
use serde_json::{Value, json};
use store::{Old, Role, Store, Tidying};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

use crate::ground::Ground;

struct Stage {
    owner: Client,
    keeper: Store,
    services: Services,
    aws: TestAws,
    queue_url: String,
    _database: TestDatabase,
}

impl Stage {
    async fn set() -> Self {
        let ground = Ground::lay().await;
        let queue_url = ground.aws.create_queue("janitor").await.unwrap();
        let indexer = ground.routes(&["indexer"]).await;
        let services = ground.services(&[("WAKE_UP_QUEUES", &indexer), ("JANITOR_QUEUE", &queue_url)]).await;
        let Ground { database, aws, owner } = ground;
        let keeper = Store::new(&services.database, Role::Keeper, 1).unwrap();
        Self { owner, keeper, services, aws, queue_url, _database: database }
    }

    /// Two of everything that grows old: one from a year ago, one from today; of checkpoints seven old ones.
    async fn plant(&self) {
        self.owner
            .batch_execute(
                "insert into afterthought.messages (user_id, session, role, content) values ('ada', 's', 'user', 'hello');
                 insert into afterthought.requests (tenant, user_id, key, fingerprint, created_at) values
                     ('default', 'ada', 'old', sha256('a'), now() - interval '25 hours'),
                     ('default', 'ada', 'new', sha256('a'), now() - interval '23 hours');
                 insert into afterthought.memories
                     (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, status, valid_from,
                      valid_to, expires_at, updated_at, pinned)
                 select gen_random_uuid(), 'default', 'ada', s.id, 'user', 'fact', m.key, m.key, 1, 'a', 'm', m.status,
                        now() - interval '2 years', m.valid_to, m.expires_at, m.updated_at, m.pinned
                 from afterthought.sessions s, (values
                     ('deleted long ago', 'deleted', null::timestamptz, null::timestamptz, now() - interval '31 days', false),
                     ('deleted lately', 'deleted', null, null, now() - interval '29 days', false),
                     ('expired long ago', 'active', null, now() - interval '31 days', now() - interval '1 year', false),
                     ('expired lately', 'active', null, now() - interval '29 days', now() - interval '1 year', false),
                     ('expired and pinned', 'active', null, now() - interval '31 days', now() - interval '1 year', true),
                     ('faded long ago', 'active', now() - interval '31 days', null, now() - interval '31 days', false),
                     ('faded lately', 'active', now() - interval '29 days', null, now() - interval '29 days', false),
                     ('faded and opened again', 'active', null, null, now() - interval '31 days', false),
                     ('contradicted long ago', 'active', now() - interval '1 year', null, now() - interval '1 year', false),
                     ('changed long ago', 'active', null, null, now() - interval '91 days', false),
                     ('changed lately', 'active', null, null, now() - interval '89 days', false)
                 ) as m (key, status, valid_to, expires_at, updated_at, pinned);
                 -- What was replaced by one that goes points past it.
                 update afterthought.memories set superseded_by = (select id from afterthought.memories where key = 'deleted long ago')
                 where key = 'contradicted long ago';
                 insert into afterthought.memory_versions (memory_id, version, tenant, content, data)
                 select id, 1, tenant, 'before', '{}' from afterthought.memories where key like 'changed%';
                 insert into afterthought.agent_runs
                     (id, tenant, agent, session_id, after_version, through_version, outcome, model, first_sent_at, started_at,
                      finished_at, redriven_by)
                 select r.id::uuid, 'default', r.agent, s.id, 0, 1, r.outcome, 'm', now(), now(), now() - r.age, r.redriven_by::uuid
                 from afterthought.sessions s, (values
                     ('00000000-0000-0000-0000-000000000001', 'memory-curator', 'done', interval '91 days', null),
                     ('00000000-0000-0000-0000-000000000002', 'memory-curator', 'done', interval '1 day', null),
                     ('00000000-0000-0000-0000-000000000003', 'old-open', 'quarantined', interval '1 year', null),
                     ('00000000-0000-0000-0000-000000000004', 'old-closed', 'quarantined', interval '1 year',
                      '00000000-0000-0000-0000-000000000002')
                 ) as r (id, agent, outcome, age, redriven_by);
                 insert into afterthought.ledger
                     (run_id, position, tenant, session_id, agent, type, outcome, memory_id, reason, evidence)
                 select '00000000-0000-0000-0000-000000000002', row_number() over (), tenant, session_id, 'memory-curator', type,
                        'closed', id, 'faded', '{}'
                 from afterthought.memories where key like 'faded%';
                 insert into afterthought.checkpoints
                     (session_id, sequence, tenant, node_id, through, schema_version, state, whole, patches, chain_bytes,
                      state_bytes, checksum, created_at)
                 select s.id, n, 'default', 'node', 0, 1, '{}',
                        -- The last five are patches of the second.
                        case when n <= 2 then n else 2 end, greatest(n - 2, 0), 2, 2, sha256('x'), now() - interval '31 days'
                 from afterthought.sessions s, generate_series(1, 7) as n;
                 insert into afterthought.webhook_endpoints (id, tenant, url, secret) values
                     ('00000000-0000-0000-0000-000000000009', 'default', 'https://example.com', '');
                 insert into afterthought.webhook_deliveries
                     (endpoint_id, tenant, payload, status, status_since, last_error, created_at)
                 select '00000000-0000-0000-0000-000000000009', 'default', jsonb_build_object('name', d.name), d.status,
                        now() - d.since, d.name, now() - interval '1 year'
                 from (values
                     ('told long ago', 'delivered', interval '31 days'),
                     ('given up long ago', 'dead', interval '31 days'),
                     ('told lately', 'delivered', interval '29 days'),
                     ('waits too long', 'pending', interval '15 days'),
                     ('waits', 'pending', interval '13 days')
                 ) as d (name, status, since);",
            )
            .await
            .unwrap();
    }

    async fn texts(&self, sql: &str) -> Vec<String> {
        self.owner.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    async fn memories(&self) -> Vec<String> {
        self.texts("select key from afterthought.memories order by key").await
    }
}

fn tick() -> Value {
    json!({"Records": [{"messageId": "m", "body": r#"{"format":1,"type":"tick"}"#, "receiptHandle": ""}]})
}

#[tokio::test]
async fn what_is_older_than_its_period_goes_and_nothing_else_does() {
    let stage = Stage::set().await;
    stage.plant().await;
    let janitor = Janitor::from_services(&stage.services).unwrap();
    let tenant = TenantId::new("default").unwrap();
    let periods = Retention::default().over(Retention::default());
    let mut counted = Vec::new();
    for old in Old::by(periods, stage.keeper.request_key(), (stage.services.now)(), 100) {
        counted.push((old.what, stage.keeper.count_old(&tenant, old).await.unwrap()));
    }
    let expected = [
        (Tidying::Requests, 1),
        (Tidying::Checkpoints, 1),
        (Tidying::Deleted, 1),
        (Tidying::Expired, 1),
        (Tidying::Faded, 1),
        (Tidying::Versions, 1),
        (Tidying::Runs, 2),
        (Tidying::Overdue, 1),
        (Tidying::Deliveries, 2),
        // There is no archive.
        (Tidying::Sessions, 0),
    ];
    assert_eq!(counted, expected);
    assert_eq!(stage.memories().await.len(), 11, "counting changes nothing");

    let answer = janitor.handle(serde_json::from_value(tick()).unwrap(), Timestamp::MAX).await;
    assert!(answer.batch_item_failures.is_empty());
    assert_eq!(
        stage.memories().await,
        [
            "changed lately",
            "changed long ago",
            "contradicted long ago",
            "deleted lately",
            "expired and pinned",
            "expired lately",
            "faded and opened again",
            "faded lately",
        ]
    );
    let left = stage.texts("select key from afterthought.requests").await;
    assert_eq!(left, ["new"]);
    let left = stage.texts("select sequence::text from afterthought.checkpoints order by sequence").await;
    assert_eq!(left, ["2", "3", "4", "5", "6", "7"], "the last five, and the one they are patches of");
    let left = stage.texts("select agent from afterthought.agent_runs order by id").await;
    assert_eq!(left, ["memory-curator", "old-open"]);
    let left = "select concat_ws(', ', payload ->> 'name', status, last_error) from afterthought.webhook_deliveries order by 1";
    assert_eq!(
        stage.texts(left).await,
        [
            "told lately, delivered, told lately",
            "waits too long, dead, waited longer than `waiting_days` allows",
            "waits, pending, waits",
        ],
        "what is given up is there for as long as any dead letter"
    );
    let left =
        "select m.key from afterthought.memory_versions v join afterthought.memories m on m.id = v.memory_id";
    assert_eq!(stage.texts(left).await, ["changed lately"]);
    let unindexed = "select count(*)::text from afterthought.memory_words w
                     where not exists (select from afterthought.memories m where m.id = w.memory_id)";
    assert_eq!(stage.texts(unindexed).await, ["0"]);
    let worked = janitor.work(Timestamp::MAX).await.unwrap();
    assert_eq!(worked, Worked::Done, "once a day is enough");
}

#[tokio::test]
async fn out_of_time_the_rest_is_sent_on_and_another_janitor_goes_on_where_it_ended() {
    let stage = Stage::set().await;
    stage.plant().await;
    let janitor = Janitor::from_services(&stage.services).unwrap();
    let answer = janitor.handle(serde_json::from_value(tick()).unwrap(), Timestamp::UNIX_EPOCH).await;
    assert!(answer.batch_item_failures.is_empty());
    assert_eq!(stage.memories().await.len(), 11, "there was no time for anything");
    let sent = stage.aws.drain(&stage.queue_url).await.unwrap();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].body().unwrap().contains("tick"));
    let other = Janitor::from_services(&stage.services).unwrap();
    assert_eq!(other.work(Timestamp::MAX).await.unwrap(), Worked::Done);
    assert_eq!(stage.memories().await.len(), 8);
}

#[tokio::test]
async fn a_tenant_has_periods_of_its_own() {
    let stage = Stage::set().await;
    stage.plant().await;
    let settings =
        r#"{"retention": {"deleted_days": 0, "expired_days": 1, "checkpoints_kept": 1, "faded_days": 400}}"#;
    stage
        .owner
        .batch_execute(&format!(
            "update afterthought.tenants set settings = '{settings}' where tenant = 'default'"
        ))
        .await
        .unwrap();
    let janitor = Janitor::from_services(&stage.services).unwrap();
    assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), Worked::Done);
    let left = stage.memories().await;
    assert!(
        left.contains(&"deleted long ago".to_owned()) && left.contains(&"faded long ago".to_owned()),
        "{left:?}"
    );
    assert!(!left.iter().any(|key| key.starts_with("expired l")), "{left:?}");
}

#[tokio::test]
async fn a_message_that_is_no_tick_is_discarded_and_one_of_a_later_format_stays() {
    let stage = Stage::set().await;
    let janitor = Janitor::from_services(&stage.services).unwrap();
    let event = json!({"Records": [
        {"messageId": "nonsense", "body": "nonsense", "receiptHandle": ""},
        {"messageId": "later", "body": r#"{"format":99,"type":"tick"}"#, "receiptHandle": ""},
    ]});
    let answer = janitor.handle(serde_json::from_value(event).unwrap(), Timestamp::MAX).await;
    let failed: Vec<&str> =
        answer.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect();
    assert_eq!(failed, ["later"]);
}

#[tokio::test]
async fn what_was_refused_of_an_adopted_table_goes_after_the_deployments_period_and_no_tenants() {
    let stage = Stage::set().await;
    stage
        .owner
        .batch_execute(
            r#"create table public.said (id bigint primary key, who text, body text);
               select afterthought.adopt('{"relation": "public.said", "tenant": {"value": "default"}, "user": "/who",
                                           "session": {"value": "said"}, "content": "/body"}');
               insert into afterthought.adopted_refusals (adoption_id, key, reason, refused_at)
               select id, to_jsonb(array[r.key]), 'names no user', now() - r.age
               from afterthought.adopted_tables, (values ('old', interval '31 days'), ('new', interval '29 days')) as r (key, age);
               update afterthought.tenants set settings = '{"retention": {"refusals_days": 400}}'"#,
        )
        .await
        .unwrap();
    let left = "select key ->> 0 from afterthought.adopted_refusals order by 1";
    let before = (stage.services.now)() - jiff::SignedDuration::from_hours(30 * 24);
    assert_eq!(stage.keeper.tidy_refusals(before, 10, true).await.unwrap(), 1);
    assert_eq!(stage.texts(left).await, ["new", "old"], "counting changes nothing");
    let janitor = Janitor::from_services(&stage.services).unwrap();
    assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), Worked::Done);
    assert_eq!(stage.texts(left).await, ["new"]);
}

#[tokio::test]
async fn the_key_of_a_request_is_known_for_as_long_as_the_deployment_says() {
    let ground = Ground::lay().await;
    let indexer = ground.routes(&["indexer"]).await;
    let services = ground.services(&[("WAKE_UP_QUEUES", &indexer), ("REQUEST_KEY_SECONDS", "7200")]).await;
    let recall = recall::Recall::new(
        services.store.clone(),
        services.hot.clone(),
        model::Embedder::BuiltIn,
        services.now,
    );
    let remember = async |content: &str| {
        let request = http::Request::builder()
            .method("POST")
            .uri("https://example.com/v1/users/ada/memories")
            .header("content-type", "application/json")
            .header("idempotency-key", "the same")
            .body(lambda_http::Body::Text(json!({"type": "fact", "content": content}).to_string()))
            .unwrap();
        recall.handle(request).await.status().as_u16()
    };
    let made = async |age: &str| {
        let update = format!("update afterthought.requests set created_at = now() - interval '{age}'");
        ground.owner.batch_execute(&update).await.unwrap();
    };
    assert_eq!(remember("likes tea").await, 201);
    made("119 minutes").await;
    assert_eq!(remember("likes cake").await, 422, "it is known");
    made("121 minutes").await;
    assert_eq!(remember("likes cake").await, 201, "it is free again");
    let janitor = Janitor::from_services(&services).unwrap();
    let keys = async || {
        let count = "select count(*) from afterthought.requests";
        ground.owner.query_one(count, &[]).await.unwrap().get::<_, i64>(0)
    };
    made("119 minutes").await;
    janitor.work(Timestamp::MAX).await.unwrap();
    assert_eq!(keys().await, 1);
    made("121 minutes").await;
    ground.owner.batch_execute("update afterthought.tenants set tidied_at = null").await.unwrap();
    janitor.work(Timestamp::MAX).await.unwrap();
    assert_eq!(keys().await, 0);
}
