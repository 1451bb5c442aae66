//! TLS to Postgres: who is trusted and who is not.
//!
//! The Postgres of the tests is built without TLS, so a small front answers `SSLRequest`, ends TLS with certificates made
//! here, and hands the bytes on to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cdc_reader::{Ended, FlushPolicy, Lifetime, Reader, Run, Sink, Source, Wakes, WhenBusy};
use jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use store::{DatabaseConfig, Role, Store};
use testkit::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// Where a test database listens, and the rest of its URL.
fn address(database: &TestDatabase) -> (String, String) {
    let config: tokio_postgres::Config = database.url().parse().unwrap();
    let user = config.get_user().unwrap().to_owned();
    let name = config.get_dbname().unwrap().to_owned();
    let password =
        config.get_password().map(|bytes| format!(":{}", String::from_utf8_lossy(bytes))).unwrap_or_default();
    let port = config.get_ports()[0];
    (format!("127.0.0.1:{port}"), format!("{user}{password}@HOST/{name}"))
}

struct Front {
    address: SocketAddr,
    authority: PathBuf,
    _directory: tempfile::TempDir,
}

impl Front {
    /// A front for `upstream` with a certificate for `host`, signed by an authority of its own.
    async fn start(upstream: String, host: &str) -> Self {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, authority_key).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("authority.pem");
        std::fs::write(&file, authority.pem()).unwrap();

        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
                tokio::spawn(async move {
                    let mut request = [0; 8];
                    client.read_exact(&mut request).await?;
                    assert_eq!(
                        request,
                        [0, 0, 0, 8, 4, 210, 22, 47],
                        "a client that must not speak in the clear did"
                    );
                    client.write_all(b"S").await?;
                    let mut client = acceptor.accept(client).await?;
                    let mut server = TcpStream::connect(&upstream).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self { address, authority: file, _directory: directory }
    }
}

async fn reach(url: &str) -> Result<(), store::Error> {
    let store = Store::new(&DatabaseConfig::parse(url)?, Role::Login, 1)?;
    store.progress(&["indexer"]).await.map(drop)
}

#[tokio::test]
async fn a_server_is_believed_only_with_a_certificate_for_its_name_from_a_trusted_authority() {
    let database = TestDatabase::create().await.unwrap();
    let (upstream, rest) = address(&database);
    let front = Front::start(upstream.clone(), "localhost").await;
    let authority = front.authority.display();
    let at = |host: &str| rest.replace("HOST", &format!("{host}:{}", front.address.port()));

    reach(&format!("postgres://{}?sslmode=verify-full&sslrootcert={authority}", at("localhost")))
        .await
        .unwrap();

    let other_name = format!("postgres://{}?sslmode=verify-full&sslrootcert={authority}", at("127.0.0.1"));
    let error = reach(&other_name).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");

    let stranger = Front::start(upstream.clone(), "localhost").await;
    let other_authority = format!(
        "postgres://{}?sslmode=verify-full&sslrootcert={}",
        at("localhost"),
        stranger.authority.display()
    );
    let error = reach(&other_authority).await.unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");

    let missing = format!("postgres://{}?sslmode=verify-full&sslrootcert=/no/such/file.pem", at("localhost"));
    let error = reach(&missing).await.unwrap_err().to_string();
    assert!(error.contains("sslrootcert /no/such/file.pem"), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused_when_tls_is_asked_for() {
    let database = TestDatabase::create().await.unwrap();
    let (upstream, rest) = address(&database);
    let front = Front::start(upstream.clone(), "localhost").await;
    let plain = rest.replace("HOST", &upstream.replace("127.0.0.1", "localhost"));
    let url = format!("postgres://{plain}?sslmode=verify-full&sslrootcert={}", front.authority.display());
    let error = reach(&url).await.unwrap_err().to_string();
    assert!(error.contains("TLS") || error.contains("tls"), "{error}");
}

/// Accepts and forgets.
struct Nowhere;

impl Sink for Nowhere {
    async fn accept(&self, _wakes: Wakes) {}
}

#[tokio::test]
async fn the_replication_stream_comes_through_the_same_checks() {
    let database = TestDatabase::create().await.unwrap();
    let slot = database.create_slot().await.unwrap();
    let (upstream, rest) = address(&database);
    let front = Front::start(upstream, "localhost").await;
    let read = async |host: &str| {
        let rest = rest.replace("HOST", &format!("{host}:{}", front.address.port()));
        let url = format!("postgres://{rest}?sslmode=verify-full&sslrootcert={}", front.authority.display());
        let source = Source::new(&DatabaseConfig::parse(&url).unwrap(), &slot, "afterthought").unwrap();
        let run = Run {
            instance: "test".into(),
            lifetime: Lifetime::Unbounded,
            when_busy: WhenBusy::Wait,
            drain: true,
            stop: CancellationToken::new(),
            grace: Duration::from_secs(5),
        };
        Reader::new(source, Nowhere, FlushPolicy::default(), || Timestamp::UNIX_EPOCH).run(&run).await
    };
    assert_eq!(read("localhost").await.unwrap(), Ended::Drained);
    let error = read("127.0.0.1").await.unwrap_err().to_string();
    assert!(
        error.starts_with("no encrypted connection to 127.0.0.1") && error.contains("certificate"),
        "{error}"
    );
}
