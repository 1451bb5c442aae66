//! The graph that a large user is searched by.

use domain::MemoryId;
use store::migrate::{self, Slot};
use store::{Candidate, DatabaseConfig, Embedding, Found, RecalledMemory, Search};

use super::stage::{Stage, ids, words};

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
