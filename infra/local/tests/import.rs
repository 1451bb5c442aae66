//! An import ends with every session whole, however often it is run or cut off.

#![cfg(test)]

use std::path::{Path, PathBuf};

use local::import::{Format, Imported, Owner, detect, import};
use testkit::TestDatabase;
use tokio_postgres::Client;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

async fn run(database: &TestDatabase, path: &Path) -> anyhow::Result<Imported> {
    let mut client = database.client().await?;
    import(&mut client, path, detect(path)?, &Owner::default(), |_| {}).await
}

async fn contents(client: &Client, session: &str) -> Vec<(i64, String)> {
    let rows = client
        .query(
            "select version, content from afterthought.session_events where session = $1 order by version",
            &[&session],
        )
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn every_format_is_imported_in_order_and_once() {
    let database = TestDatabase::create().await.unwrap();
    for (name, turns) in [("messages.jsonl", 5), ("chatgpt.json", 3), ("locomo.json", 3)] {
        let first = run(&database, &fixture(name)).await.unwrap();
        assert_eq!((first.turns, first.inserted), (turns, turns), "{name}");
        let again = run(&database, &fixture(name)).await.unwrap();
        assert_eq!((again.turns, again.inserted), (turns, 0), "{name}");
    }
    let client = database.client().await.unwrap();
    let garden = contents(&client, "garden").await;
    assert_eq!(garden.iter().map(|(version, _)| *version).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(garden[3].1, "Yes, please.");
    let tenants: i64 =
        client.query_one("select count(*) from afterthought.tenants", &[]).await.unwrap().get(0);
    assert_eq!(tenants, 2);
}

#[tokio::test]
async fn an_import_that_was_cut_off_is_completed_by_the_next() {
    let database = TestDatabase::create().await.unwrap();
    let text = std::fs::read_to_string(fixture("messages.jsonl")).unwrap();
    let cut = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(cut.path(), text.lines().take(2).collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(run(&database, cut.path()).await.unwrap().inserted, 2);
    assert_eq!(run(&database, &fixture("messages.jsonl")).await.unwrap().inserted, 3);
    let client = database.client().await.unwrap();
    assert_eq!(contents(&client, "garden").await.len(), 4);
}

#[tokio::test]
async fn a_session_the_database_refuses_is_not_half_applied() {
    let database = TestDatabase::create().await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let line = |content: &str| {
        format!(
            r#"{{"user":"ada","session":"s","role":"user","content":"{content}","idempotency_key":"same"}}"#
        )
    };
    std::fs::write(file.path(), format!("{}\n{}\n", line("one"), line("another"))).unwrap();
    let mut client = database.client().await.unwrap();
    let outcome = import(&mut client, file.path(), Format::Jsonl, &Owner::default(), |_| {}).await;
    let error = format!("{:#}", outcome.unwrap_err());
    assert!(error.contains("\"s\""), "{error}");
    assert_eq!(contents(&client, "s").await, vec![]);
}
