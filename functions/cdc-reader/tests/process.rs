//! The program itself, hosted in each of its three ways, with a real Postgres and real queues.
#![cfg(test)]

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::time::Duration;

use domain::{Envelope, WakeUp};
use queue::Routes;
use testkit::{TestAws, TestDatabase};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio_postgres::Client;

/// Longer than anything here takes; a test that waits this long has failed.
const LIMIT: Duration = Duration::from_mins(1);

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future).await.expect("it takes too long")
}

/// A database, a queue and what a reader between them finds in its environment.
struct Place {
    database: TestDatabase,
    client: Client,
    slot: String,
    aws: TestAws,
    queue: String,
}

impl Place {
    async fn create() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let slot = database.create_slot().await.unwrap();
        let client = database.client().await.unwrap();
        client.batch_execute("set synchronous_commit = on").await.unwrap();
        let aws = TestAws::create().await.unwrap();
        let queue = aws.create_queue("indexer").await.unwrap();
        Self { database, client, slot, aws, queue }
    }

    fn program(&self) -> Command {
        let mut variables: HashMap<String, String> = self.aws.environment();
        for (name, value) in [
            ("DATABASE_URL", self.database.url()),
            ("HOT_TABLE", "hot"),
            (Routes::VARIABLE, &format!("indexer={}", self.queue)),
            ("CDC_SLOT", &self.slot),
            ("RUST_LOG", "info"),
        ] {
            variables.insert(name.to_owned(), value.to_owned());
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_cdc-reader"));
        command.env_clear().envs(variables).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    async fn say(&self, session: &str) {
        let insert = "insert into afterthought.messages (user_id, session, role, content) values ('ada', $1, 'user', 'hi')";
        self.client.execute(insert, &[&session]).await.unwrap();
    }

    /// Waits until somebody other than the process `before` reads the slot.
    async fn is_read(&self, before: Option<i32>) -> i32 {
        let reader =
            "select active_pid from pg_replication_slots where slot_name = $1 and active_pid is not null";
        within(async {
            loop {
                let row = self.client.query_opt(reader, &[&self.slot]).await.unwrap();
                let pid = row.map(|row| row.get(0));
                match pid {
                    Some(pid) if Some(pid) != before => return pid,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
        .await
    }

    /// The version every session has reached, by id.
    async fn heads(&self) -> BTreeMap<String, i64> {
        let rows =
            self.client.query("select id::text, head_version from afterthought.sessions", &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// The highest version every session was woken for, and how many messages that took.
    async fn woken(&self) -> (BTreeMap<String, i64>, usize) {
        let mut highest = BTreeMap::new();
        let messages = self.aws.drain(&self.queue).await.unwrap();
        for message in &messages {
            let envelope = Envelope::parse(message.body().unwrap()).unwrap();
            let WakeUp::Session { session, version, .. } = envelope.wake_up else { panic!("{envelope:?}") };
            let known = highest.entry(session.to_string()).or_insert(version);
            *known = version.max(*known);
        }
        (highest, messages.len())
    }

    async fn is_confirmed(&self) -> bool {
        let query = "select confirmed_flush_lsn >= (select max(lsn) from wal_end) from pg_replication_slots where slot_name = $1";
        self.client.query_one(query, &[&self.slot]).await.unwrap().get(0)
    }

    /// Notes where the WAL ends now, for `is_confirmed`.
    async fn note_wal_end(&self) {
        self.client.batch_execute("create table if not exists wal_end (lsn pg_lsn)").await.unwrap();
        self.client.batch_execute("insert into wal_end select pg_current_wal_lsn()").await.unwrap();
    }
}

/// Waits until the process has said something that holds `text`.
async fn says(process: &mut Child, text: &str) {
    let mut lines = BufReader::new(process.stderr.as_mut().unwrap()).lines();
    within(async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(text) {
                return;
            }
        }
        panic!("it ended without saying {text:?}");
    })
    .await;
}

fn terminate(process: &Child) {
    let pid = process.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

#[tokio::test]
async fn readers_killed_at_any_moment_leave_no_session_unwoken() {
    let place = Place::create().await;
    let mut process = place.program().spawn().unwrap();
    let mut reader = place.is_read(None).await;
    for kill in 0_u64..10 {
        for message in 0..20 {
            place.say(&format!("session {}", (kill * 7 + message) % 13)).await;
        }
        // Before, within and after the first flush.
        tokio::time::sleep(Duration::from_millis(kill * 12)).await;
        process.kill().await.unwrap();
        place.say("while nobody reads").await;
        process = place.program().spawn().unwrap();
        reader = place.is_read(Some(reader)).await;
    }
    place.note_wal_end().await;
    within(async {
        while !place.is_confirmed().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    terminate(&process);
    assert!(within(process.wait()).await.unwrap().success());
    let (woken, messages) = place.woken().await;
    assert_eq!(woken, place.heads().await);
    assert!(messages < 210, "{messages} wake-ups for 210 changes: nothing was coalesced");
}

#[tokio::test]
async fn a_process_that_is_told_to_stop_publishes_and_confirms_first() {
    let place = Place::create().await;
    let mut process = place.program().spawn().unwrap();
    place.is_read(None).await;
    place.say("one").await;
    place.say("one").await;
    place.note_wal_end().await;
    says(&mut process, "reading the slot").await;
    within(async {
        while !place.is_confirmed().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    terminate(&process);
    assert!(within(process.wait()).await.unwrap().success());
    let (woken, messages) = place.woken().await;
    assert_eq!(woken, place.heads().await);
    assert!(
        (1..=2).contains(&messages),
        "{messages} wake-ups for two changes, which one flush or two carried"
    );
}

#[tokio::test]
async fn a_draining_process_ends_by_itself_once_nothing_is_left() {
    let place = Place::create().await;
    for session in ["one", "two", "one"] {
        place.say(session).await;
    }
    place.note_wal_end().await;
    let mut process = place.program().arg("--drain").spawn().unwrap();
    assert!(within(process.wait()).await.unwrap().success());
    assert!(place.is_confirmed().await);
    assert_eq!(place.woken().await, (place.heads().await, 2));
}

#[tokio::test]
async fn a_draining_process_leaves_nobody_waiting_for_a_turn() {
    let place = Place::create().await;
    let import = "insert into afterthought.messages (user_id, session, role, content) \
                  select 'ada', 'session ' || n % 30, 'user', 'hi' from generate_series(1, 3000) n";
    place.client.execute(import, &[]).await.unwrap();
    place.note_wal_end().await;
    let mut process = place.program().arg("--drain").env("CDC_LANE_SESSIONS", "2").spawn().unwrap();
    assert!(within(process.wait()).await.unwrap().success());
    assert!(place.is_confirmed().await);
    assert_eq!(place.woken().await.0, place.heads().await);
}

#[tokio::test]
async fn a_process_that_cannot_go_on_says_why_and_what_helps() {
    let place = Place::create().await;
    let process = place.program().env("CDC_SLOT", "no_such_slot").spawn().unwrap();
    let output = within(process.wait_with_output()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("the replication slot no_such_slot does not exist: run the migrations"), "{said}");

    let process = place.program().env(Routes::VARIABLE, "indexer").spawn().unwrap();
    let output = within(process.wait_with_output()).await.unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("WAKE_UP_QUEUES has the entry \"indexer\""));
}

/// One request to the API that hosts a function: its path and its body.
async fn request(connection: &mut BufReader<TcpStream>) -> (String, String) {
    let mut first = String::new();
    connection.read_line(&mut first).await.unwrap();
    let mut length = 0;
    loop {
        let mut header = String::new();
        connection.read_line(&mut header).await.unwrap();
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if header.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.unwrap();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    (path, String::from_utf8(body).unwrap())
}

/// Hosts one invocation whose deadline lies long ago, as `cargo lambda watch` does, and answers with its result.
async fn invoke(listener: TcpListener) -> String {
    let mut invoked = false;
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        let mut connection = BufReader::new(connection);
        let (path, body) = request(&mut connection).await;
        if path.ends_with("/response") || path.ends_with("/error") {
            return format!("{} {body}", path.rsplit('/').next().unwrap());
        }
        assert!(path.ends_with("/next") && !std::mem::replace(&mut invoked, true), "{path}");
        let answer = "HTTP/1.1 200 OK\r\nlambda-runtime-aws-request-id: 1\r\nlambda-runtime-deadline-ms: 600000\r\n\
                      lambda-runtime-invoked-function-arn: arn\r\nlambda-runtime-trace-id: trace\r\n\
                      content-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
        connection.get_mut().write_all(answer.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn an_invocation_reads_until_its_time_is_over_and_hands_the_slot_on() {
    let place = Place::create().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = listener.local_addr().unwrap().to_string();
    let invocation = tokio::spawn(invoke(listener));
    let _process = place
        .program()
        .env("AWS_LAMBDA_RUNTIME_API", api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "cdc-reader")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "stream")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
        .env("CDC_RUN_SECONDS", "2")
        .spawn()
        .unwrap();
    place.is_read(None).await;
    place.say("one").await;
    let name = "select application_name from pg_stat_activity a join pg_replication_slots s on s.active_pid = a.pid \
                where s.slot_name = $1";
    let name: String = place.client.query_one(name, &[&place.slot]).await.unwrap().get(0);
    assert!(name.starts_with("cdc-reader/stream/1"), "{name}");
    assert_eq!(within(invocation).await.unwrap(), r#"response {"ended":"stopped"}"#);
    assert_eq!(place.woken().await, (place.heads().await, 1));
    let active = "select active from pg_replication_slots where slot_name = $1";
    assert!(!place.client.query_one(active, &[&place.slot]).await.unwrap().get::<_, bool>(0));
}
