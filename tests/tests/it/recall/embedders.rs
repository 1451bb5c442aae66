//! What was indexed by whom: another embedder, another version of it, and content that changes.

use model::Embedder;
use store::{ReplayFrom, Role, Store, Target};

use super::stage::{Stage, owned, texts};

#[tokio::test]
async fn what_another_embedder_has_indexed_is_found_by_its_words() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: apples", "Ada: pears", "Ada: plums"]).await;
    stage.remember(chat, "user", "fact", "likes pears", 2).await;
    stage
        .owner
        .batch_execute(
            "update afterthought.event_index set embedding = '[1,0]', embedding_model = 'older';
             update afterthought.memories set embedding = '[1,0]', embedding_model = 'older'",
        )
        .await
        .unwrap();
    let answer = stage.ok("default", "/v1/users/ada/recall", "query=pears&k=3").await;
    assert_eq!(answer["events"].as_array().unwrap().len(), 3);
    assert_eq!(texts(&answer, "events")[0], "pears");
    assert_eq!(answer["events"][0]["score"]["similarity"], 0.0);
    assert_eq!(texts(&answer, "memories"), ["likes pears"]);
}

#[tokio::test]
async fn replaying_the_indexer_embeds_anew_what_another_embedder_has_embedded() {
    let stage = Stage::set().await;
    let (old, new) = ("older", Embedder::BuiltIn.name());
    let mut chats = Vec::new();
    for chat in ["one", "two"] {
        let session = stage.indexed("default", "ada", chat, &["Ada: apples", "Ada: pears"]).await;
        stage.remember(session, "user", "fact", &format!("likes pears of {chat}"), 2).await;
        stage.memories_added("default", session).await;
        chats.push(session);
    }
    let made_by_another =
        "update afterthought.event_index set embedding = '[1,0]', embedding_model = 'older';
         update afterthought.memories set embedding = '[1,0]', embedding_model = 'older'";
    stage.owner.batch_execute(made_by_another).await.unwrap();
    assert_eq!(stage.embedders().await, [("one", old, 3), ("two", old, 3)].map(owned));

    // A later event leaves what is there already, but for the memories of its session.
    stage.indexed("default", "ada", "one", &["Ada: plums"]).await;
    let expected = [("one", new, 2), ("one", old, 2), ("two", old, 3)].map(owned);
    assert_eq!(stage.embedders().await, expected);

    let operator = Store::new(&stage.services.database, Role::Operator, 1).unwrap();
    let everything = Target::default();
    operator.replay(&everything, &[indexer::NAME], ReplayFrom::Version(1)).await.unwrap();
    for session in chats {
        stage.wake("default", session).await;
    }
    assert_eq!(stage.embedders().await, [("one", new, 4), ("two", new, 3)].map(owned));
    let answer = stage.ok("default", "/v1/users/ada/recall", "query=pears").await;
    assert!(answer["memories"][1]["score"]["similarity"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn memories_are_embedded_once_and_again_when_their_content_changes() {
    let stage = Stage::set().await;
    let chat = stage.indexed("default", "ada", "chat", &["Ada: one"]).await;
    for number in 0..130 {
        stage.remember(chat, "user", "fact", &format!("fact {number}"), 1).await;
    }
    stage.memories_added("default", chat).await;
    let waiting = "select count(*) from afterthought.memories where embedding is null";
    let embedded = "select count(*) from afterthought.memories where vector_dims(embedding) = 256";
    let number = async |sql: &str| stage.owner.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!((number(waiting).await, number(embedded).await), (0, 130));

    stage
        .owner
        .batch_execute(
            "update afterthought.memories set content = 'changed', embedding = null, embedding_model = null, version = 2
             where content = 'fact 7'",
        )
        .await
        .unwrap();
    stage.indexed("default", "ada", "another", &["Ada: a window of any session of the user heals it"]).await;
    assert_eq!(number(waiting).await, 0);
}
