//! The search of memories and the counting of what it hands out, in real Postgres.

use domain::{MemoryId, MemoryType, Scope, TenantId, UserId};
use jiff::Timestamp;
use store::migrate::{self, Slot};
use store::{
    Access, Candidate, DatabaseConfig, Embedding, Filter, Found, RecalledMemory, Role, Search, Store,
};
use testkit::TestDatabase;
use tokio_postgres::Client;
use uuid::Uuid;

struct Stage {
    store: Store,
    owner: Client,
    database: TestDatabase,
}

impl Stage {
    async fn set() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let config = DatabaseConfig::parse(database.url()).unwrap();
        let store = Store::new(&config, Role::Agent, 4).unwrap();
        let owner = database.client().await.unwrap();
        owner
            .batch_execute(
                "insert into afterthought.tenants (tenant) values ('acme');
                 insert into afterthought.sessions (id, tenant, user_id, session)
                 select gen_random_uuid(), tenant, user_id, session
                 from (values ('default'), ('acme')) t (tenant), (values ('ada'), ('bob')) u (user_id),
                      (values ('first'), ('second')) s (session)",
            )
            .await
            .unwrap();
        Self { store, owner, database }
    }

    /// Adds a memory of a user's session and answers its identifier. `held` is since when, and until when.
    async fn remember(
        &self,
        whose: (&str, &str, &str),
        what: (&str, &str, &str),
        held: (&str, Option<&str>),
    ) -> Uuid {
        let ((tenant, user, session), (scope, kind, content), (from, to)) = (whose, what, held);
        self.owner
            .query_one(
                "insert into afterthought.memories
                     (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from, valid_to)
                 select gen_random_uuid(), tenant, case when $4 <> 'global' then user_id end, id, $4, $5, gen_random_uuid()::text,
                        $6, 0.8, 'test', 'test', $7::text::timestamptz, $8::text::timestamptz
                 from afterthought.sessions where tenant = $1 and user_id = $2 and session = $3
                 returning id",
                &[&tenant, &user, &session, &scope, &kind, &content, &from, &to],
            )
            .await
            .unwrap()
            .get(0)
    }

    /// `count` memories of a user with vectors all over the place, the same in every run.
    async fn fill(&self, tenant: &str, user: &str, count: i32) {
        self.owner
            .execute(
                "insert into afterthought.memories
                     (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from,
                      embedding, embedding_model)
                 select md5($2 || n)::uuid, s.tenant, s.user_id, s.id, 'user', (array['fact', 'entity'])[1 + n % 2], n::text,
                        'word' || n % 7 || ' number' || n, 0.8, 'test', 'test', now(), vector, 'a'
                 from afterthought.sessions s, generate_series(1, $3) n,
                      lateral (
                          select array_agg(hashtext($2 || n || ' ' || i)::real / 2147483648)::vector(32)::halfvec as vector
                          from generate_series(1, 32) i
                      ) v
                 where s.tenant = $1 and s.user_id = $2 and s.session = 'first'",
                &[&tenant, &user, &count],
            )
            .await
            .unwrap();
    }

    async fn found(&self, tenant: &str, user: &str, search: &Search<'_>) -> Found<RecalledMemory> {
        let (tenant, user) = (TenantId::new(tenant).unwrap(), UserId::new(user).unwrap());
        self.store.recall(&tenant, &user, search).await.unwrap().memories
    }

    /// What a search by words brings under a filter, sorted.
    async fn contents(&self, tenant: &str, user: &str, filter: Filter<'_>) -> Vec<String> {
        let search = Search { filter, ..words("sailing") };
        let mut contents: Vec<String> = self
            .found(tenant, user, &search)
            .await
            .candidates
            .into_iter()
            .map(|candidate| candidate.item.memory.content)
            .collect();
        contents.sort();
        contents
    }

    async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// How many places of what is derived from the memories differ from what a look at the memories says.
    async fn differences(&self) -> i64 {
        self.number(
            "with found as (
                 select m.*, coalesce(user_id, '') as owner, valid_to is null as is_current
                 from afterthought.memories m where afterthought.is_found(m)
             ),
             rows as (
                 select id, tenant, owner, is_current, type, scope, valid_from, valid_to, expires_at, embedding_model,
                        embedding::text
                 from found
             ),
             indexed as (
                 select memory_id, tenant, owner, is_current, type, scope, valid_from, valid_to, expires_at, embedding_model,
                        coalesce(embedding, long_embedding)::text
                 from afterthought.memory_index
             ),
             words as (
                 select afterthought.word_of(tenant, owner, is_current, lexeme), id, tenant, cardinality(positions)::smallint,
                        length(terms)::smallint
                 from found, unnest(terms)
             ),
             totals as (
                 select tenant, owner, count(*)::bigint as texts, sum(length(terms))::bigint as words
                 from found where is_current group by tenant, owner
             ),
             counted as (
                 select tenant, owner, sum(texts)::bigint as texts, sum(words)::bigint as words
                 from afterthought.memory_totals group by tenant, owner having sum(texts) > 0
             )
             select (select count(*) from (select * from rows except select * from indexed) d)
                  + (select count(*) from (select * from indexed except select * from rows) d)
                  + (select count(*) from (select * from words except select word, memory_id, tenant, frequency, length from afterthought.memory_words) d)
                  + (select count(*) from (select word, memory_id, tenant, frequency, length from afterthought.memory_words except select * from words) d)
                  + (select count(*) from (select * from totals except select * from counted) d)
                  + (select count(*) from (select * from counted except select * from totals) d)",
        )
        .await
    }
}

fn words(words: &str) -> Search<'_> {
    Search { words, memory_candidates: 40, ..Search::default() }
}

fn ids(found: &Found<RecalledMemory>) -> Vec<Uuid> {
    found.candidates.iter().map(|candidate| candidate.item.memory.id.0).collect()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_search_brings_only_what_its_filter_lets_pass() {
    let stage = Stage::set().await;
    let ada = ("default", "ada", "first");
    stage.remember(ada, ("user", "fact", "sailing since March"), ("2026-03-01", None)).await;
    stage
        .remember(ada, ("user", "preference", "sailing in the bay"), ("2026-01-01", Some("2026-02-01")))
        .await;
    stage
        .remember(("default", "ada", "second"), ("session", "summary", "about sailing"), ("2026-02-10", None))
        .await;
    stage
        .remember(("default", "bob", "first"), ("global", "fact", "sailing is taught"), ("2026-01-15", None))
        .await;
    let all = ["about sailing", "sailing is taught", "sailing since March"];
    let none: [&str; 0] = [];
    assert_eq!(stage.contents("default", "ada", Filter::default()).await, all);

    let (types, scopes) = ([MemoryType::Summary, MemoryType::Preference], [Scope::User, Scope::Global]);
    let filter = Filter { types: &types, ..Filter::default() };
    assert_eq!(stage.contents("default", "ada", filter).await, ["about sailing"]);
    let filter = Filter { scopes: &scopes, ..Filter::default() };
    assert_eq!(stage.contents("default", "ada", filter).await, ["sailing is taught", "sailing since March"]);
    let filter = Filter { since: Some(time("2026-02-10T00:00:00Z")), ..Filter::default() };
    assert_eq!(stage.contents("default", "ada", filter).await, ["about sailing", "sailing since March"]);
    let filter = Filter { until: Some(time("2026-02-10T00:00:00Z")), ..Filter::default() };
    assert_eq!(stage.contents("default", "ada", filter).await, ["sailing is taught"]);
    let filter = Filter { types: &types, since: Some(time("2026-03-01T00:00:00Z")), ..Filter::default() };
    assert_eq!(stage.contents("default", "ada", filter).await, none);
}

#[tokio::test]
async fn what_held_at_a_time_is_what_a_search_as_of_it_brings() {
    let stage = Stage::set().await;
    let ada = ("default", "ada", "first");
    stage.remember(ada, ("user", "fact", "sailing in Lisbon"), ("2026-01-01", Some("2026-03-01"))).await;
    stage.remember(ada, ("user", "fact", "sailing in Porto"), ("2026-03-01", None)).await;
    let deleted =
        stage.remember(ada, ("user", "fact", "sailing in Rome"), ("2026-01-01", Some("2026-03-01"))).await;
    let set = "update afterthought.memories set status = 'deleted' where id = $1";
    stage.owner.execute(set, &[&deleted]).await.unwrap();
    for (at, expected) in [
        ("2025-12-31T00:00:00Z", vec![]),
        ("2026-01-01T00:00:00Z", vec!["sailing in Lisbon"]),
        ("2026-02-28T23:59:59Z", vec!["sailing in Lisbon"]),
        ("2026-03-01T00:00:00Z", vec!["sailing in Porto"]),
        ("2026-06-01T00:00:00Z", vec!["sailing in Porto"]),
    ] {
        let filter = Filter { as_of: Some(time(at)), ..Filter::default() };
        assert_eq!(stage.contents("default", "ada", filter).await, expected, "{at}");
    }
}

#[tokio::test]
async fn a_session_is_known_by_what_a_memory_comes_from() {
    let stage = Stage::set().await;
    let said =
        "insert into afterthought.messages (user_id, session, role, content) values ('ada', $1, 'user', 'x')";
    for session in ["first", "second"] {
        stage.owner.execute(said, &[&session]).await.unwrap();
    }
    let ada = ("default", "ada", "first");
    let once = stage.remember(ada, ("user", "fact", "sailing once"), ("2026-01-01", None)).await;
    let twice = stage.remember(ada, ("user", "fact", "sailing twice"), ("2026-01-01", None)).await;
    for (memory, session) in [(once, "first"), (twice, "first"), (twice, "second")] {
        stage
            .owner
            .execute(
                "insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
                 select $1, id, 1, tenant from afterthought.sessions
                 where tenant = 'default' and user_id = 'ada' and session = $2",
                &[&memory, &session],
            )
            .await
            .unwrap();
    }
    let of = |session| Filter { session: Some(session), ..Filter::default() };
    assert_eq!(stage.contents("default", "ada", of("first")).await, ["sailing once", "sailing twice"]);
    assert_eq!(stage.contents("default", "ada", of("second")).await, ["sailing twice"]);
    assert!(stage.contents("default", "ada", of("third")).await.is_empty());
    assert!(
        stage.contents("default", "bob", of("first")).await.is_empty(),
        "another user's session of that name"
    );
    let found = stage.found("default", "ada", &words("twice")).await;
    let twice = found.candidates.iter().find(|candidate| candidate.item.memory.id.0 == twice).unwrap();
    assert_eq!(twice.item.evidence, [("first".to_owned(), 1), ("second".to_owned(), 1)]);
    assert_eq!(twice.item.evidence_count, 2);
}

#[tokio::test]
async fn another_users_and_another_tenants_memories_are_never_brought_by_any_filter() {
    let stage = Stage::set().await;
    for (tenant, user) in [("default", "bob"), ("acme", "ada")] {
        for scope in ["user", "session"] {
            stage.remember((tenant, user, "first"), (scope, "fact", "sailing"), ("2026-01-01", None)).await;
        }
        stage
            .remember(
                (tenant, user, "first"),
                ("user", "fact", "sailing"),
                ("2026-01-01", Some("2026-02-01")),
            )
            .await;
    }
    stage.remember(("acme", "ada", "first"), ("global", "fact", "sailing"), ("2026-01-01", None)).await;
    let (types, scopes) = ([MemoryType::Fact], [Scope::User, Scope::Session, Scope::Global]);
    for filter in [
        Filter::default(),
        Filter { types: &types, scopes: &scopes, ..Filter::default() },
        Filter { session: Some("first"), ..Filter::default() },
        Filter { as_of: Some(time("2026-01-20T00:00:00Z")), ..Filter::default() },
    ] {
        assert!(stage.contents("default", "ada", filter).await.is_empty(), "{filter:?}");
    }
    let config = DatabaseConfig::parse(stage.database.url()).unwrap();
    let agent =
        config.driver().unwrap().options("-c role=afterthought_agent").connect(tokio_postgres::NoTls).await;
    let (agent, connection) = agent.unwrap();
    tokio::spawn(connection);
    let nearest = "select count(*) from afterthought.nearest_memories($1, 'ada', '[1,0]', 'a', 10)";
    for (named, asked, expected) in [("", "acme", 0), ("default", "acme", 0), ("acme", "acme", 2)] {
        let name = "select set_config('afterthought.tenant', $1, false)";
        agent.execute(name, &[&named]).await.unwrap();
        let seen: i64 = agent.query_one(nearest, &[&asked]).await.unwrap().get(0);
        assert_eq!(seen, expected, "{named:?} asks for {asked}");
    }
}

#[tokio::test]
async fn the_index_follows_the_memories_through_whatever_happens_to_them() {
    let stage = Stage::set().await;
    stage.fill("default", "ada", 60).await;
    stage.fill("default", "bob", 20).await;
    assert_eq!(stage.number("select count(*) from afterthought.memory_index").await, 80);
    assert_eq!(stage.differences().await, 0);
    for change in [
        "update afterthought.memories set content = 'other words entirely', version = version + 1 where key::int % 5 = 0",
        "update afterthought.memories set valid_to = now() + interval '1 day' where key::int % 7 = 0",
        "update afterthought.memories set valid_to = null where key::int % 14 = 0",
        "update afterthought.memories set status = 'rejected' where key::int % 11 = 0",
        "update afterthought.memories set type = 'action', data = '{\"status\": \"answered\"}' where key::int % 13 = 0",
        "update afterthought.memories set data = '{\"status\": \"open\"}' where key::int % 26 = 0",
        "update afterthought.memories set embedding = null, embedding_model = null where key::int % 3 = 0",
        "update afterthought.memories set embedding_model = 'b', expires_at = now() + interval '1 day',
             valid_from = now() - interval '1 day' where key::int % 2 = 0 and embedding is not null",
        "update afterthought.memories set embedding = array_fill(0.5::real, array[1024])::vector::halfvec,
             embedding_model = 'long' where key::int % 4 = 0",
        "delete from afterthought.memories where key::int % 17 = 0",
        "update afterthought.memories set pinned = true, confidence = 0.9, version = version + 1",
    ] {
        stage.owner.batch_execute(change).await.unwrap();
        assert_eq!(stage.differences().await, 0, "{change}");
    }
    // What was there before the index is put into it, and a repeat changes nothing.
    stage
        .owner
        .batch_execute(
            "delete from afterthought.memory_words; delete from afterthought.memory_index; delete from afterthought.memory_totals;
             delete from afterthought.upkeep",
        )
        .await
        .unwrap();
    let config = DatabaseConfig::parse(stage.database.url()).unwrap();
    for _again in 0..2 {
        migrate::run(&config, Slot::Untouched).await.unwrap();
        assert_eq!(stage.differences().await, 0);
    }
    // Once it has been done it is not looked for again.
    stage
        .owner
        .batch_execute("delete from afterthought.memory_index where memory_id in (select memory_id from afterthought.memory_index limit 1)")
        .await
        .unwrap();
    migrate::run(&config, Slot::Untouched).await.unwrap();
    assert_eq!(stage.differences().await, 1);
}

#[tokio::test]
async fn what_has_expired_takes_no_place_among_the_best_by_words() {
    let stage = Stage::set().await;
    for _expired in 0..50 {
        stage.remember(("default", "ada", "first"), ("user", "fact", "sailing"), ("2026-01-01", None)).await;
    }
    stage
        .owner
        .batch_execute("update afterthought.memories set expires_at = now() - interval '1 day'")
        .await
        .unwrap();
    for _other in 0..50 {
        stage.remember(("default", "ada", "first"), ("user", "fact", "knitting"), ("2026-02-01", None)).await;
    }
    let alive = ("user", "fact", "sailing with a crew of seven on the old wooden boat");
    let alive = stage.remember(("default", "ada", "first"), alive, ("2026-01-01", None)).await;
    assert!(ids(&stage.found("default", "ada", &words("sailing")).await).contains(&alive));
}

#[tokio::test]
async fn a_graph_answers_for_a_user_only_when_it_has_all_of_theirs() {
    let stage = Stage::set().await;
    stage.fill("default", "ada", 1500).await;
    stage
        .owner
        .batch_execute(
            "create or replace function afterthought.large_owner() returns bigint
             language sql immutable parallel safe return 1000",
        )
        .await
        .unwrap();
    let remember = |key: &'static str| {
        let database = &stage.database;
        async move {
            let client = database.client().await.unwrap();
            client.batch_execute("begin").await.unwrap();
            let memory = "insert into afterthought.memories
                              (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from,
                               embedding, embedding_model)
                          select md5($1)::uuid, tenant, user_id, id, 'user', 'fact', $1, 'late', 0.8, 'test', 'test', now(),
                                 array_fill(0.1::real, array[32])::vector::halfvec, 'a'
                          from afterthought.sessions where tenant = 'default' and user_id = 'ada' and session = 'first'";
            client.execute(memory, &[&key]).await.unwrap();
            client
        }
    };
    // The first holds the user's sums, so that the second adds some of its own, which nobody sees who marks the user.
    let holder = remember("holder").await;
    let late = remember("late").await;
    holder.batch_execute("commit").await.unwrap();

    let config = DatabaseConfig::parse(stage.database.url()).unwrap();
    let migrating = tokio::spawn(async move { migrate::run(&config, Slot::Untouched).await });
    let marked = "select count(*) from afterthought.memory_totals where in_graph";
    while stage.number(marked).await == 0 {
        tokio::task::yield_now().await;
    }
    let entered = "select count(*) from afterthought.memory_totals where is_entered";
    assert_eq!(stage.number(entered).await, 0, "somebody is still writing who has not seen the mark");
    late.batch_execute("commit").await.unwrap();
    assert!(migrating.await.unwrap().unwrap().graphs_built);
    assert!(stage.number(entered).await > 0);
    remember("later").await.batch_execute("commit").await.unwrap();
    assert_eq!(stage.number("select count(*) from afterthought.memory_index where not in_graph").await, 0);

    // Until everything of the user is in the graph, the exact look answers.
    stage.owner.batch_execute("analyze afterthought.memory_index").await.unwrap();
    let scans = "select pg_stat_get_xact_numscans(indexrelid) from pg_stat_user_indexes
                 where indexrelname like 'memory_index_graph_%'";
    for (is_entered, expected) in [(false, 0), (true, 1)] {
        let entered = "update afterthought.memory_totals set is_entered = $1";
        stage.owner.execute(entered, &[&is_entered]).await.unwrap();
        stage.owner.batch_execute("begin").await.unwrap();
        let nearest = "select count(*) from afterthought.nearest_memories(
                           'default', 'ada', array_fill(0.1::real, array[32])::vector::halfvec, 'a', 40)";
        assert_eq!((stage.number(nearest).await, stage.number(scans).await), (40, expected));
        stage.owner.batch_execute("commit").await.unwrap();
    }
}

#[tokio::test]
async fn a_large_user_is_searched_by_a_graph_that_finds_what_an_exact_look_finds() {
    let stage = Stage::set().await;
    stage.fill("default", "ada", 3000).await;
    stage.fill("default", "bob", 300).await;
    let exact_search = |question: i16| {
        let vector: Vec<f32> = (1..=32).map(|i| f32::from((question * 31 + i * 17) % 23) - 11.0).collect();
        let norm = vector.iter().map(|part| part * part).sum::<f32>().sqrt();
        vector.into_iter().map(|part| part / norm).collect::<Vec<f32>>()
    };
    let questions: Vec<Vec<f32>> = (0..20).map(exact_search).collect();
    let nearest = |found: Found<RecalledMemory>| {
        let mut candidates: Vec<Candidate<RecalledMemory>> = found.candidates;
        candidates.sort_by(|a, b| b.similarity.partial_cmp(&a.similarity).unwrap());
        candidates.into_iter().take(10).map(|candidate| candidate.item.memory.id).collect::<Vec<MemoryId>>()
    };
    let mut exact = Vec::new();
    for vector in &questions {
        let search = Search { embedding: Some(Embedding { vector, model: "a" }), ..words("nothing") };
        exact.push(nearest(stage.found("default", "ada", &search).await));
    }
    stage
        .owner
        .batch_execute(
            "create or replace function afterthought.large_owner() returns bigint
             language sql immutable parallel safe return 1000",
        )
        .await
        .unwrap();
    let config = DatabaseConfig::parse(stage.database.url()).unwrap();
    migrate::run(&config, Slot::Untouched).await.unwrap();
    assert_eq!(stage.number("select count(*) from afterthought.memory_index where in_graph").await, 3000);
    stage.owner.batch_execute("analyze afterthought.memory_index").await.unwrap();
    // A scan of the graph, and of nothing else, answers the large user; the small one's does not touch it.
    let scans = "select pg_stat_get_xact_numscans(indexrelid) from pg_stat_user_indexes
                 where indexrelname like 'memory_index_graph_%'";
    for (user, expected) in [("bob", 0), ("ada", 1)] {
        stage.owner.batch_execute("begin").await.unwrap();
        let nearest = "select count(*) from afterthought.nearest_memories('default', $1, $2::text::vector::halfvec, 'a', 40)";
        let vector = format!("{:?}", questions[0]);
        let brought: i64 = stage.owner.query_one(nearest, &[&user, &vector]).await.unwrap().get(0);
        assert_eq!((brought, stage.number(scans).await), (40, expected), "{user}");
        stage.owner.batch_execute("commit").await.unwrap();
    }

    let mut shared = 0;
    for (vector, exact) in questions.iter().zip(&exact) {
        let search = Search { embedding: Some(Embedding { vector, model: "a" }), ..words("nothing") };
        let found = stage.found("default", "ada", &search).await;
        assert!(found.candidates.len() >= 40);
        shared += nearest(found).iter().filter(|id| exact.contains(id)).count();
    }
    assert!(shared >= 198, "{shared} of 200");

    // A small user of the same embedder is looked at exactly, and nothing of the large one comes.
    let search =
        Search { embedding: Some(Embedding { vector: &questions[0], model: "a" }), ..words("nothing") };
    let found = stage.found("default", "bob", &search).await;
    assert_eq!(found.candidates.len(), 40);
    // What the graph does not bring, the exact look does.
    stage
        .owner
        .batch_execute(
            "update afterthought.memories set embedding = null, embedding_model = null
             where user_id = 'ada' and key::int > 20",
        )
        .await
        .unwrap();
    let found = stage.found("default", "ada", &search).await;
    assert_eq!(ids(&found).len(), 40, "the graph has only 20 to bring");
}

#[tokio::test]
async fn handing_out_is_counted_without_changing_the_memory_or_anothers_counts() {
    let stage = Stage::set().await;
    let mine =
        stage.remember(("default", "ada", "first"), ("user", "fact", "sailing"), ("2026-01-01", None)).await;
    let other =
        stage.remember(("acme", "ada", "first"), ("user", "fact", "sailing"), ("2026-01-01", None)).await;
    let tenant = TenantId::new("default").unwrap();
    let access = |memory, count, at| Access { memory: MemoryId(memory), count, last_at: time(at) };
    let batch = [
        access(mine, 2, "2026-05-02T00:00:00Z"),
        access(other, 5, "2026-05-02T00:00:00Z"),
        access(Uuid::nil(), 1, "2026-05-02T00:00:00Z"),
    ];
    assert_eq!(stage.store.count_accesses(&tenant, &batch).await.unwrap(), 1);
    let late = [access(mine, 1, "2026-05-01T00:00:00Z")];
    assert_eq!(stage.store.count_accesses(&tenant, &late).await.unwrap(), 1);

    let rows = stage.number("select count(*) from afterthought.memory_access").await;
    assert_eq!(rows, 1);
    let user = UserId::new("ada").unwrap();
    let known = stage.store.user_memories(&tenant, &user, 10).await.unwrap();
    assert_eq!((known[0].version, known[0].access_count), (1, 3));
    assert_eq!(known[0].last_accessed_at, Some(time("2026-05-02T00:00:00Z")));
    let found = stage.found("default", "ada", &words("sailing")).await;
    assert_eq!((found.candidates[0].item.accesses, found.candidates[0].item.pinned), (3, false));
}
