//! Counts the calls of one wake-up: those to DynamoDB and SQS before they leave, those to Postgres on the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use hot::Hot;
use queue::Publisher;
use testkit::{TestAws, TestDatabase};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::instance::Instance;
use crate::sessions::Sessions;
use crate::{Kind, Stage};

/// Sessions a number is taken from. All of them must agree.
const SESSIONS: usize = 20;

/// What one wake-up calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calls {
    postgres: u64,
    dynamodb: u64,
    sqs: u64,
}

impl Calls {
    pub(crate) fn entries(self) -> [(&'static str, u64); 3] {
        [("postgres_round_trips", self.postgres), ("dynamodb_calls", self.dynamodb), ("sqs_calls", self.sqs)]
    }
}

/// Counters of everything an instance calls.
#[derive(Debug, Default)]
struct Counters {
    postgres: AtomicU64,
    dynamodb: AtomicU64,
    sqs: AtomicU64,
}

impl Counters {
    /// What was counted since the last time.
    fn take(&self) -> Calls {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::SeqCst);
        Calls { postgres: take(&self.postgres), dynamodb: take(&self.dynamodb), sqs: take(&self.sqs) }
    }
}

/// Counts what a wake-up of each kind calls, with everything warm.
pub(crate) async fn count(
    database: &TestDatabase,
    aws: &TestAws,
    stage: &Stage,
) -> Result<Vec<(Kind, Calls)>> {
    let counters = Arc::<Counters>::default();
    let url = proxied(database.url(), Arc::clone(&counters)).await?;
    let mut instance = Instance::start(&url, aws, stage, 1).await?;
    let dynamodb = aws_sdk_dynamodb::config::Builder::from(aws.config())
        .interceptor(Calling { counters: Arc::clone(&counters), service: Service::DynamoDb })
        .build();
    let sqs = aws_sdk_sqs::config::Builder::from(aws.config())
        .interceptor(Calling { counters: Arc::clone(&counters), service: Service::Sqs })
        .build();
    instance.services.hot = Hot::new(aws_sdk_dynamodb::Client::from_conf(dynamodb), stage.hot_table.clone());
    instance.services.publisher = Publisher::new(aws_sdk_sqs::Client::from_conf(sqs));

    let sessions = Sessions::create(database, "count", SESSIONS).await?;
    let mut counted = Vec::new();
    // The first windows connect and prepare the statements.
    for head in sessions.heads().await? {
        instance.wake(head).await?;
    }
    for kind in Kind::COUNTED {
        if let Kind::Window(events) = kind {
            sessions.say_more(events).await?;
        }
        counters.take();
        let mut all = Vec::new();
        for head in sessions.heads().await? {
            instance.wake(head).await?;
            all.push(counters.take());
        }
        let first = *all.first().context("there are sessions")?;
        ensure!(all.iter().all(|calls| *calls == first), "{kind:?} does not always call the same: {all:?}");
        sessions.check_cursors(&[crate::instance::AGENT]).await?;
        counted.push((kind, first));
    }
    Ok(counted)
}

#[derive(Debug, Clone, Copy)]
enum Service {
    DynamoDb,
    Sqs,
}

/// Counts every attempt of every call.
#[derive(Debug)]
struct Calling {
    counters: Arc<Counters>,
    service: Service,
}

impl Intercept for Calling {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn read_before_transmit(
        &self,
        _context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let counter = match self.service {
            Service::DynamoDb => &self.counters.dynamodb,
            Service::Sqs => &self.counters.sqs,
        };
        counter.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// The URL of the same database behind a proxy that counts round trips.
async fn proxied(url: &str, counters: Arc<Counters>) -> Result<String> {
    let config: tokio_postgres::Config = url.parse()?;
    let port = *config.get_ports().first().context("the URL has a port")?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let (own, server) = (listener.local_addr()?.port().to_string(), port.to_string());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let (counters, open) = (Arc::clone(&counters), Arc::new(AtomicI64::new(0)));
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            tokio::spawn(forward(from_client, to_server, Requests::new(counters, Arc::clone(&open))));
            tokio::spawn(forward(from_server, to_client, Answers::new(open)));
        }
    });
    let proxied = url.replacen(&format!(":{server}/"), &format!(":{own}/"), 1);
    ensure!(proxied != url, "the URL names its port");
    Ok(proxied)
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut watch: impl Watch) {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        let Some(bytes) = buffer.get(..length) else { return };
        watch.see(bytes);
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

trait Watch: Send + 'static {
    fn see(&mut self, bytes: &[u8]);
}

/// What the client sends. A round trip begins with a request that is sent when every earlier one has been answered.
struct Requests {
    messages: Messages,
    counters: Arc<Counters>,
    open: Arc<AtomicI64>,
}

impl Requests {
    fn new(counters: Arc<Counters>, open: Arc<AtomicI64>) -> Self {
        // The first message of a connection has no type.
        Self { messages: Messages::starting_without_type(), counters, open }
    }
}

impl Watch for Requests {
    fn see(&mut self, bytes: &[u8]) {
        let (counters, open) = (&self.counters, &self.open);
        self.messages.read(bytes, |kind| {
            // A simple query, a sync, and the start of a connection are answered with "ready for query".
            if matches!(kind, b'Q' | b'S' | START) && open.fetch_add(1, Ordering::SeqCst) == 0 {
                counters.postgres.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

/// What the server answers.
struct Answers {
    messages: Messages,
    open: Arc<AtomicI64>,
}

impl Answers {
    fn new(open: Arc<AtomicI64>) -> Self {
        Self { messages: Messages::default(), open }
    }
}

impl Watch for Answers {
    fn see(&mut self, bytes: &[u8]) {
        let open = &self.open;
        self.messages.read(bytes, |kind| {
            if kind == b'Z' {
                open.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }
}

/// Stands for the type of the message that has none.
const START: u8 = 0;

/// Finds the types of messages in a stream of bytes.
#[derive(Default)]
struct Messages {
    header: Vec<u8>,
    is_start: bool,
    /// Bytes of the current message that are still to come.
    left: usize,
}

impl Messages {
    fn starting_without_type() -> Self {
        Self { is_start: true, ..Self::default() }
    }

    fn read(&mut self, bytes: &[u8], mut found: impl FnMut(u8)) {
        for byte in bytes {
            if self.left > 0 {
                self.left -= 1;
                continue;
            }
            if self.is_start && self.header.is_empty() {
                self.header.push(START);
            }
            self.header.push(*byte);
            if let [kind, length @ ..] = self.header.as_slice()
                && let Ok(length) = <[u8; 4]>::try_from(length)
            {
                found(*kind);
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(4).saturating_sub(4);
                self.header.clear();
                self.is_start = false;
            }
        }
    }
}
