//! What a filter lets pass, at a time, in a session, of a user.

use domain::{MemoryType, Scope};
use store::{DatabaseConfig, Filter};

use super::stage::{Stage, time, words};

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
