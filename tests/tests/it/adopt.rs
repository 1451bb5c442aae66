//! Tables of applications, followed as they are: three of different shapes, and what becomes of them when something goes wrong.

mod changed;
mod entries;
mod erased;
mod faults;
mod missed;
mod stage;

use serde_json::{Value, json};

use self::stage::Stage;

/// A classic: a number for every message, a sender, and when.
const MESSAGES: &str = "create table public.messages (
    id bigserial primary key, conversation_id uuid not null, sender text, body text, created_at timestamptz)";

fn messages() -> Value {
    json!({
        "relation": "public.messages", "tenant": {"value": "acme"}, "user": "/conversation_id",
        "session": "/conversation_id", "role": "/sender", "roles": {"customer": "user", "agent": "assistant"},
        "content": "/body", "speaker": "/sender", "occurred_at": "/created_at",
    })
}

fn said<const N: usize>(turns: [(&str, &str); N]) -> Vec<(String, String)> {
    turns.into_iter().map(|(role, content)| (role.to_owned(), content.to_owned())).collect()
}

#[tokio::test]
async fn a_backfill_that_was_killed_goes_on_and_what_is_said_meanwhile_comes_after_it() {
    let stage = Stage::set().await;
    stage.run(MESSAGES).await;
    // Two messages of each of 600 conversations; numbers say nothing of the order.
    stage
        .run(
            "insert into public.messages (id, conversation_id, sender, body, created_at)
             select 10000 - n, md5((n % 600)::text)::uuid, case when n < 600 then 'customer' else 'agent' end, n::text,
                    now() - interval '1 day' + n * interval '1 second'
             from generate_series(0, 1199) n",
        )
        .await;
    stage.adopt(messages()).await;
    let following = stage.follow();
    // Nobody takes anything out of the queue, so it stops when there is enough in it.
    let half_way = async || stage.adoption("public.messages").await.rows_backfilled == 1000;
    while !half_way().await {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let conversation = "(select md5('7')::uuid)";
    let say = |body: &str| {
        format!(
            "insert into public.messages (conversation_id, sender, body, created_at)
             values ({conversation}, 'customer', '{body}', now())"
        )
    };
    stage.run(&say("meanwhile")).await;
    following.killed().await;
    assert_eq!(stage.adoption("public.messages").await.backfilled_at, None);
    stage.run(&say("while nobody follows")).await;
    let following = stage.follow();
    stage.until_read("public.messages").await;
    stage.run(&say("afterwards")).await;
    stage.until_followed("public.messages", 3).await;
    let logged = stage.logged("acme").await;
    assert_eq!(logged.len(), 600);
    for turns in logged.values() {
        let (first, second): (i32, i32) = (turns[0].1.parse().unwrap(), turns[1].1.parse().unwrap());
        assert_eq!(second, first + 600, "{turns:?}");
        assert_eq!((turns[0].0.as_str(), turns[1].0.as_str()), ("user", "assistant"));
    }
    let longer: Vec<_> = logged.values().filter(|turns| turns.len() > 2).collect();
    let expected = said([
        ("user", "7"),
        ("assistant", "607"),
        ("user", "meanwhile"),
        ("user", "while nobody follows"),
        ("user", "afterwards"),
    ]);
    assert_eq!(longer, [&expected]);
    // It went on where it was: what had been read was not read again. The two that came meanwhile may be in both.
    let adoption = stage.adoption("public.messages").await;
    assert!((1200..=1202).contains(&adoption.rows_backfilled), "{adoption:?}");
    assert_eq!((adoption.rows_followed, adoption.rows_refused, adoption.broken.as_deref()), (3, 0, None));
    assert_eq!(stage.dead_letters().await, 0);
    let keys = "select count(*) from afterthought.session_events
                where idempotency_key ~ '^public\\.messages/[0-9]+$' and speaker in ('customer', 'agent')";
    assert_eq!(stage.count(keys).await, 1203);
    following.stopped().await;
}

#[tokio::test]
async fn a_table_of_json_with_texts_for_keys_and_milliseconds_is_followed_and_bad_rows_are_told() {
    let stage = Stage::set().await;
    // Its own row-level security keeps nobody from reading it who was let in.
    stage
        .run(
            "create schema chat;
             create table chat.turns (id text primary key, owner_id integer, thread text, author jsonb, message jsonb, sent bigint);
             alter table chat.turns enable row level security;
             insert into chat.turns values
                 ('c', 17, 'trip', '{\"type\": \"bot\"}', '{\"parts\": [\"Shall I look\", {\"type\": \"text\", \"text\": \"for flights?\"}]}', 1800000002000),
                 ('a', 17, 'trip', '{\"type\": \"human\"}', '{\"parts\": [\"I am moving to Lisbon.\"]}', 1800000001000),
                 ('null content', 17, 'trip', '{\"type\": \"human\"}', '{\"parts\": null}', 1800000003000),
                 ('no owner', null, 'trip', '{\"type\": \"human\"}', '{\"parts\": [\"lost\"]}', 1800000003500)",
        )
        .await;
    let entry = json!({
        "relation": "chat.turns", "tenant": {"value": "acme"}, "user": "/owner_id", "session": "/thread",
        "role": "/author/type", "roles": {"human": "user", "bot": "assistant"}, "content": "/message/parts",
        "occurred_at": "/sent",
    });
    let adopted = stage.adopt(entry).await;
    assert_eq!((&adopted["key"], &adopted["order"]), (&json!(["id"]), &json!("sent")));
    let following = stage.follow();
    stage.until_read("chat.turns").await;
    stage
        .run(
            "insert into chat.turns values
                 ('unknown role', 17, 'trip', '{\"type\": \"parrot\"}', '{\"parts\": [\"Lora!\"]}', 1800000004000),
                 ('too long', 17, 'trip', '{\"type\": \"human\"}', jsonb_build_object('parts', jsonb_build_array(repeat('x', 300000))), 1800000004000),
                 ('much too long', 17, 'trip', '{\"type\": \"human\"}', jsonb_build_object('parts', jsonb_build_array(repeat('x', 2000000))), 1800000004000),
                 ('no time', 17, 'trip', '{\"type\": \"human\"}', '{\"parts\": [\"never\"]}', -100000000000000),
                 ('b', 17, 'trip', '{\"type\": \"human\"}', '{\"parts\": [\"Yes please.\"]}', 1800000005000)",
        )
        .await;
    stage.until_followed("chat.turns", 7).await;
    let expected = said([
        ("user", "I am moving to Lisbon."),
        ("assistant", "Shall I look\nfor flights?"),
        ("user", "Yes please."),
    ]);
    let logged = stage.logged("acme").await;
    assert_eq!(logged["trip"], expected);
    let times = "select count(*) from afterthought.session_events
                 where user_id = '17' and extract(epoch from occurred_at) in (1800000001, 1800000002, 1800000005)";
    assert_eq!(stage.count(times).await, 3);
    let adoption = stage.adoption("chat.turns").await;
    assert_eq!((adoption.rows_backfilled, adoption.rows_followed, adoption.rows_refused), (2, 1, 6));
    let mut refusals: Vec<(String, String)> = adoption
        .refusals
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| (refusal["key"].to_string(), refusal["reason"].as_str().unwrap().to_owned()))
        .collect();
    refusals.sort();
    let expected = [
        ("much too long", "`row` is 2000"),
        ("no owner", "`user` is null"),
        ("no time", "`occurred_at` must be a time"),
        ("null content", "`content` must be a text"),
        ("too long", "`content` must be 0 to 262144 bytes, got 300000"),
        ("unknown role", "`role` must be user"),
    ];
    assert_eq!(refusals.len(), expected.len(), "{refusals:?}");
    for ((key, reason), (of, begins)) in refusals.iter().zip(expected) {
        assert_eq!(*key, format!("[\"{of}\"]"));
        assert!(reason.starts_with(begins), "{of}: {reason}");
    }
    assert_eq!(stage.dead_letters().await, 0);
    following.stopped().await;
}

#[tokio::test]
async fn a_partitioned_table_of_many_tenants_with_numbers_for_roles_is_followed_by_its_composite_key() {
    let stage = Stage::set().await;
    stage
        .run(
            "create table public.log (
                 kind smallint not null, seq integer, thread varchar(40), org text, who text, role smallint, said text,
                 primary key (org, thread, seq)) partition by list (org);
             create table public.log_acme partition of public.log for values in ('acme');
             create table public.log_rest partition of public.log default;
             insert into afterthought.tenants (tenant) values ('globex');
             insert into public.log values
                 (1, 2, 't', 'acme', 'ada', 1, 'hello ada'), (1, 1, 't', 'acme', 'ada', 0, 'hello'),
                 (2, 3, 't', 'acme', 'ada', 0, 'of another kind'),
                 (1, 1, 't', 'globex', 'bob', 0, 'of globex'), (1, 1, 't', 'nobody', 'eve', 0, 'of no tenant')",
        )
        .await;
    let entry = json!({
        "relation": "public.log", "tenant": "/org", "user": "/who", "session": "/thread", "role": "/role",
        "roles": {"0": "user", "1": "assistant"}, "content": "/said", "filter": {"kind": 1},
    });
    let adopted = stage.adopt(entry).await;
    assert_eq!((&adopted["key"], &adopted["order"]), (&json!(["seq", "thread", "org"]), &Value::Null));
    let following = stage.follow();
    stage.until_read("public.log").await;
    stage
        .run(
            "insert into public.log values
                 (1, 4, 't', 'acme', 'ada', 0, 'bye'), (1, 2, 't', 'globex', 'bob', 1, 'hello bob'),
                 (2, 5, 't', 'acme', 'ada', 0, 'of another kind')",
        )
        .await;
    stage.until_followed("public.log", 3).await;
    assert_eq!(
        stage.logged("acme").await["t"],
        said([("user", "hello"), ("assistant", "hello ada"), ("user", "bye")])
    );
    assert_eq!(stage.logged("globex").await["t"], said([("user", "of globex"), ("assistant", "hello bob")]));
    let adoption = stage.adoption("public.log").await;
    assert_eq!((adoption.rows_backfilled, adoption.rows_followed, adoption.rows_refused), (3, 2, 1));
    assert_eq!(adoption.refusals[0]["reason"], "`tenant` is not a tenant");
    let keys = "select count(*) from afterthought.session_events where idempotency_key = 'public.log/[\"1\",\"t\",\"acme\"]'";
    assert_eq!(stage.count(keys).await, 1);
    following.stopped().await;
}
