use super::*;
use crate::Environment;
use crate::cache::Cache;
use crate::chaos::processes::children;

#[tokio::test]
async fn a_server_starts_over_an_empty_folder_and_keeps_its_data() {
    let environment = Environment::read();
    let cache = Cache::open(&environment).unwrap();
    let programs = programs(&cache, environment.path.as_deref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "postgres", Duration::ZERO).unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("postgres.log"));
    let mut seen = Vec::new();
    for _ in 0..2 {
        let lease = post.lease().unwrap();
        let (_guarded, running) = start(&post, &programs, &data, &log, Durability::None).await.unwrap();
        let (client, connection) =
            tokio_postgres::connect(&running.url, tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        check(&client).await.unwrap();
        client
            .batch_execute("create table if not exists kept (at int); insert into kept values (1)")
            .await
            .unwrap();
        let count: i64 = client.query_one("select count(*) from kept", &[]).await.unwrap().get(0);
        seen.push(count);
        drop(client);
        connection.await.unwrap().unwrap();
        drop(lease);
        post.ended().await.unwrap();
    }
    assert_eq!(seen, [1, 2]);
}

#[tokio::test]
async fn a_server_that_was_killed_is_started_again_with_all_that_was_committed() {
    let environment = Environment::read();
    let cache = Cache::open(&environment).unwrap();
    let programs = programs(&cache, environment.path.as_deref()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let post = Post::new(folder.path(), "postgres", Duration::ZERO).unwrap();
    let _lease = post.lease().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("postgres.log"));
    let (guarded, running) = start(&post, &programs, &data, &log, Durability::Full).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&running.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("create table kept (at int)").await.unwrap();
    client.batch_execute("insert into kept values (1)").await.unwrap();

    let servers = children(guarded.pid()).unwrap();
    assert!(servers.iter().find(|process| process.program == "postgres").unwrap().kill());
    post.ended().await.unwrap();
    assert!(!answers(&running.url).await);
    let port = url::Url::parse(&running.url).unwrap().port().unwrap();
    let _again = start_again(&post, &programs, &data, &log, Durability::Full, port).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&running.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let count: i64 = client.query_one("select count(*) from kept", &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
    assert!(fs::read_to_string(&log).unwrap().contains("was not properly shut down"));
}
