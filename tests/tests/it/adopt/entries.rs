//! Entries: what is wrong with one is said by the field, and nothing is half adopted.

use serde_json::{Value, json};

use super::messages;
use super::stage::Stage;

/// The entry of the classic table with some fields changed; null takes one away.
fn with(changes: &Value) -> Value {
    let mut entry = messages();
    for (field, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => entry.as_object_mut().unwrap().remove(field),
            value => entry.as_object_mut().unwrap().insert(field.clone(), value.clone()),
        };
    }
    entry
}

#[tokio::test]
async fn what_is_wrong_with_an_entry_is_said_by_the_field_and_nothing_is_adopted() {
    let stage = Stage::set().await;
    stage.run(super::MESSAGES).await;
    stage
        .run(
            "create view public.shown as select 1 as id;
             create unlogged table public.unlogged (id int primary key);
             create table public.parts (id uuid primary key, body json);
             create table public.keyless (a text not null, b text, said_at timestamptz primary key);
             create unique index on public.keyless (b);
             create table public.coded (code char(8) primary key, body text);
             create table public.placed (id int primary key, place point, body text);
             create table public.split (id int primary key) partition by list (id);
             create table public.split_1 partition of public.split for values in (1);",
        )
        .await;
    for (entry, field, expected) in [
        (json!([]), "entry", "must be a JSON object"),
        (with(&json!({"usr": "/sender"})), "usr", "is unknown, expected relation, key"),
        (with(&json!({"relation": "messages"})), "relation", "with its schema"),
        (with(&json!({"relation": "public.\"messages"})), "relation", "with its schema"),
        (with(&json!({"relation": 7})), "relation", "with its schema"),
        (with(&json!({"relation": "public.messges"})), "relation", "does not exist"),
        (with(&json!({"relation": "public.shown"})), "relation", "expected a table"),
        (with(&json!({"relation": "public.unlogged"})), "relation", "unlogged"),
        (with(&json!({"relation": "public.split_1"})), "relation", "adopt the partitioned table"),
        (with(&json!({"relation": "afterthought.memories"})), "relation", "a table of the application"),
        (with(&json!({"tenant": null})), "tenant", "is missing"),
        (with(&json!({"tenant": {"value": "nobody"}})), "tenant", "is 'nobody', which is not a tenant"),
        (with(&json!({"user": "sender"})), "user", "must be a column such as"),
        (with(&json!({"user": {"valu": "x"}})), "user", "must be a column such as"),
        (with(&json!({"user": "/sendr"})), "user", "is column sendr, which public.messages does not have"),
        (with(&json!({"session": "/body/thread"})), "session", "expected json or jsonb"),
        (with(&json!({"content": {"value": "hello"}})), "content", "it differs from row to row"),
        (with(&json!({"role": {"value": "customers"}})), "role", "is 'customers', expected user"),
        (with(&json!({"roles": {"customer": "human"}})), "roles", "to user, assistant, system or tool"),
        (with(&json!({"occurred_at": "/created"})), "occurred_at", "is column created"),
        (with(&json!({"key": "id"})), "key", "must be the names of columns"),
        (with(&json!({"key": ["idd"]})), "key", "names a column that public.messages does not have"),
        (with(&json!({"key": ["sender"]})), "key", "must be the primary key of public.messages"),
        (with(&json!({"order": "/created"})), "order", "is column created"),
        (with(&json!({"filter": {"kind": "x"}})), "filter", "names column kind"),
        (with(&json!({"filter": {"sender": ["x"]}})), "filter", "of column sender must be a text"),
        (with(&json!({"filter": {"id": "x"}})), "filter", "cannot be compared"),
        (with(&json!({"filter": "x"})), "filter", "must be an object"),
    ] {
        let told = stage.refused(entry.clone()).await;
        assert!(told.contains(&format!("field `{field}` ")) && told.contains(expected), "{entry}: {told}");
    }
    let of_parts = |changes: Value| {
        let mut entry = json!({"relation": "public.parts", "tenant": {"value": "acme"}, "user": "/id", "session": "/id",
                               "content": "/body/text"});
        entry.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        entry
    };
    let told = stage.refused(of_parts(json!({}))).await;
    assert!(told.contains("field `order` is needed"), "{told}");
    let told = stage.refused(of_parts(json!({"order": "/body"}))).await;
    assert!(told.contains("field `order` is column body, which is JSON"), "{told}");
    let of_keyless = |key: Value| {
        json!({"relation": "public.keyless", "tenant": {"value": "acme"}, "user": "/a", "session": "/a",
               "content": "/b", "key": key})
    };
    let told = stage.refused(of_keyless(json!(["b"]))).await;
    assert!(
        told.contains("field `key` must be the primary key") && told.contains("none of them null"),
        "{told}"
    );
    let told = stage.refused(of_keyless(Value::Null)).await;
    assert!(told.contains("field `key` has column said_at, which is timestamp with time zone"), "{told}");
    // One row would have two keys: with blanks in the stream, and without.
    let of = |relation: &str, changes: Value| {
        let mut entry = json!({"relation": relation, "tenant": {"value": "acme"}, "user": "/body", "session": "/body",
                               "content": "/body"});
        entry.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        entry
    };
    let told = stage.refused(of("public.coded", json!({"order": "/body"}))).await;
    let expected = "field `key` has column code, which is character(8), expected smallint, integer, bigint, uuid, text or varchar";
    assert!(told.contains(expected), "{told}");
    let told = stage.refused(of("public.placed", json!({"order": "/place"}))).await;
    assert!(told.contains("field `order` is column place, which is point and in no order"), "{told}");
    assert_eq!(stage.count("select count(*) from afterthought.adopted_tables").await, 0);
    let published =
        "select count(*) from pg_publication_tables where pubname = 'afterthought' and schemaname = 'public'";
    assert_eq!(stage.count(published).await, 0);
    let granted =
        "select count(*) from information_schema.column_privileges where grantee = 'afterthought_adopter'
                   and table_schema = 'public'";
    assert_eq!(stage.count(granted).await, 0);
}

#[tokio::test]
async fn whoever_does_not_own_the_table_cannot_adopt_it_and_the_adopter_sees_the_named_columns_alone() {
    let stage = Stage::set().await;
    stage.run(super::MESSAGES).await;
    stage.run("alter table public.messages add column secret text").await;
    let attempt = "set role afterthought_agent; select afterthought.adopt('{}')";
    let denied = stage.owner.batch_execute(attempt).await.unwrap_err();
    assert_eq!(denied.code().unwrap().code(), "42501");
    stage.run("reset role").await;
    stage.adopt(messages()).await;
    stage.run("insert into public.messages (body, conversation_id) values ('hi', md5('x')::uuid)").await;
    stage.run("set role afterthought_adopter; select body, id from public.messages; reset role").await;
    let attempt = "set role afterthought_adopter; select secret from public.messages";
    assert_eq!(stage.owner.batch_execute(attempt).await.unwrap_err().code().unwrap().code(), "42501");
    let attempt = "set role afterthought_reader; select body from public.messages";
    assert_eq!(stage.owner.batch_execute(attempt).await.unwrap_err().code().unwrap().code(), "42501");
    stage.run("reset role").await;
    assert!(stage.store(store::Role::Login).end_adoption("public.messages").await.unwrap());
    let attempt = "set role afterthought_adopter; select body from public.messages";
    assert_eq!(stage.owner.batch_execute(attempt).await.unwrap_err().code().unwrap().code(), "42501");
}
