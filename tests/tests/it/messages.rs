//! What an application may insert, and what it gets for anything else. Real Postgres.

use futures::future::try_join_all;
use testkit::TestDatabase;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

async fn app(database: &TestDatabase) -> Client {
    let client = database.client().await.unwrap();
    client.batch_execute("set role afterthought_app").await.unwrap();
    client
}

async fn refused(client: &Client, sql: &str) -> (SqlState, String, Option<String>) {
    let error = client.execute(sql, &[]).await.unwrap_err();
    let error = error.as_db_error().expect("the server refused");
    (error.code().clone(), error.message().to_owned(), error.column().map(str::to_owned))
}

#[tokio::test]
async fn five_columns_are_enough_and_a_missing_session_is_created() {
    let database = TestDatabase::create().await.unwrap();
    let app = app(&database).await;
    let rows = app
        .query(
            "insert into afterthought.messages (tenant, user_id, session, role, content)
             values ('default', 'ada', 'one', 'user', 'hello'), ('default', 'ada', 'one', 'assistant', 'hi'),
                    ('default', 'ada', 'two', 'user', 'hello'), ('default', 'ada', 'one', 'user', 'so')
             returning session_id::text, version",
            &[],
        )
        .await
        .unwrap();
    let versions: Vec<i64> = rows.iter().map(|row| row.get(1)).collect();
    assert_eq!(versions, [1, 2, 1, 3]);
    assert_eq!(rows[0].get::<_, String>(0), rows[3].get::<_, String>(0));
}

#[tokio::test]
async fn bad_input_is_refused_with_its_column_and_nothing_of_the_statement_stays() {
    let database = TestDatabase::create().await.unwrap();
    let app = app(&database).await;
    let insert = |values: &str| {
        format!(
            "insert into afterthought.messages (tenant, user_id, session, role, content)
             values ('default', 'ada', 'one', 'user', 'kept?'), ({values})"
        )
    };
    let null_content = refused(&app, &insert("'default', 'ada', 'one', 'user', null")).await;
    assert_eq!(null_content.0, SqlState::NOT_NULL_VIOLATION);
    assert_eq!(null_content.1, "content is null, expected the text of the message");
    assert_eq!(null_content.2.as_deref(), Some("content"));

    let unknown_tenant = refused(&app, &insert("'nobody', 'ada', 'one', 'user', 'x'")).await;
    assert_eq!(unknown_tenant.0, SqlState::FOREIGN_KEY_VIOLATION);
    assert!(unknown_tenant.1.contains("tenant 'nobody' is unknown"));

    let role = refused(&app, &insert("'default', 'ada', 'one', 'robot', 'x'")).await;
    assert_eq!((role.0, role.2.as_deref()), (SqlState::CHECK_VIOLATION, Some("role")));
    assert!(role.1.contains("expected user, assistant, system or tool"));

    let long = refused(&app, &insert("'default', 'ada', 'one', 'user', repeat('x', 300000)")).await;
    assert!(long.1.contains("content is 300000 bytes, expected at most 262144"));
    let name = refused(&app, &insert("'default', '', 'one', 'user', 'x'")).await;
    assert_eq!(name.0, SqlState::CHECK_VIOLATION);
    let no_session = refused(&app, &insert("'default', 'ada', null, 'user', 'x'")).await;
    assert_eq!(no_session.0, SqlState::NOT_NULL_VIOLATION);

    let owner = database.client().await.unwrap();
    let left: i64 =
        owner.query_one("select count(*) from afterthought.session_events", &[]).await.unwrap().get(0);
    assert_eq!(left, 0);
    let sessions: i64 =
        owner.query_one("select count(*) from afterthought.sessions", &[]).await.unwrap().get(0);
    assert_eq!(sessions, 0);
}

#[tokio::test]
async fn an_idempotency_key_is_inserted_once_and_never_for_other_content() {
    let database = TestDatabase::create().await.unwrap();
    let app = app(&database).await;
    let insert = |values: &str| {
        format!(
            "insert into afterthought.messages (user_id, session, role, content, idempotency_key)
             values {values} returning version"
        )
    };
    let versions = |rows: Vec<tokio_postgres::Row>| rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>();
    let first = insert("('a','s','user','one','1'), ('a','s','user','one','1'), ('a','s','user','two','2')");
    assert_eq!(versions(app.query(&first, &[]).await.unwrap()), [1, 2]);
    let again =
        insert("('a','s','user','two','2'), ('a','s','user','yes',null), ('a','s','user','yes',null)");
    assert_eq!(versions(app.query(&again, &[]).await.unwrap()), [3, 4], "repeats without a key are kept");
    let other = refused(&app, &insert("('a','s','user','three','1')")).await;
    assert_eq!((other.0, other.2.as_deref()), (SqlState::UNIQUE_VIOLATION, Some("idempotency_key")));
    assert_eq!(
        other.1,
        "idempotency_key was used in this session for other content, expected one of its own"
    );
}

#[tokio::test]
async fn versions_are_gapless_under_concurrent_inserts_rollbacks_and_savepoints() {
    let database = TestDatabase::create().await.unwrap();
    let writers = (0..8).map(|writer| {
        let database = &database;
        async move {
            let app = app(database).await;
            let insert = "insert into afterthought.messages (user_id, session, role, content)
                          select 'u', 's', 'user', 'x' from generate_series(1, 3)";
            for round in 0..20 {
                let ending = if (writer + round) % 4 == 0 { "rollback" } else { "commit" };
                app.batch_execute(&format!(
                    "begin; {insert}; savepoint here; {insert}; rollback to here; {insert}; {ending}"
                ))
                .await?;
            }
            Ok::<_, tokio_postgres::Error>(())
        }
    });
    try_join_all(writers).await.unwrap();
    let owner = database.client().await.unwrap();
    let row = owner
        .query_one(
            "select s.head_version, count(*), min(e.version), max(e.version), count(distinct e.version)
             from afterthought.sessions s join afterthought.session_events e on e.session_id = s.id group by 1",
            &[],
        )
        .await
        .unwrap();
    let expected = 8 * 15 * 6_i64;
    let found: [i64; 5] = std::array::from_fn(|column| row.get(column));
    assert_eq!(found, [expected, expected, 1, expected, expected]);
}

#[tokio::test]
async fn an_application_may_insert_and_read_nothing() {
    let database = TestDatabase::create().await.unwrap();
    let app = app(&database).await;
    app.execute(
        "insert into afterthought.messages (user_id, session, role, content) values ('a','s','user','x')",
        &[],
    )
    .await
    .unwrap();
    for sql in [
        "select content from afterthought.messages",
        "select * from afterthought.session_events",
        "select * from afterthought.memories",
        "insert into afterthought.messages (user_id, session, role, content, version) values ('a','s','user','x', 9)",
        "update afterthought.messages set content = 'y'",
        "delete from afterthought.messages",
        "select afterthought.write_head()",
    ] {
        assert_eq!(refused(&app, sql).await.0, SqlState::INSUFFICIENT_PRIVILEGE, "{sql}");
    }
}

#[tokio::test]
async fn the_reader_sees_positions_and_no_content() {
    let database = TestDatabase::create().await.unwrap();
    let reader = database.client().await.unwrap();
    reader.batch_execute("set role afterthought_reader").await.unwrap();
    reader.query("select session_id, version, tenant from afterthought.session_events", &[]).await.unwrap();
    assert_eq!(
        refused(&reader, "select content from afterthought.session_events").await.0,
        SqlState::INSUFFICIENT_PRIVILEGE
    );
}
