//! TLS for a transport that brings none of its own provider: a private Unix socket in front of one encrypted
//! connection.
//!
//! `pgwire-replication` speaks TLS only through a second crypto provider, and it speaks plainly to Unix sockets.
//! [`open`] makes the encrypted connection first, so that its errors are told, then listens once in a directory only this
//! user may enter, and copies bytes until either side ends.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::{TcpStream, UnixListener};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The port that names the socket file; any number does.
pub(crate) const PORT: u16 = 5432;

/// `SSLRequest` of the Postgres protocol: its length and its code.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// How long the transport may take to connect to the socket.
const PATIENCE: Duration = Duration::from_secs(10);

/// A directory whose socket `.s.PGSQL.5432` takes one connection and carries it to the server encrypted.
pub(crate) async fn open(host: &str, port: u16, tls: Arc<ClientConfig>) -> io::Result<PathBuf> {
    let mut server = connect(host, port, tls).await?;
    let directory = TempDir::with_prefix("afterthought-tls-")?;
    let path = directory.path().to_owned();
    let listener = UnixListener::bind(path.join(format!(".s.PGSQL.{PORT}")))?;
    tokio::spawn(async move {
        let accepted = tokio::time::timeout(PATIENCE, listener.accept()).await;
        drop((listener, directory));
        if let Ok(Ok((mut client, _))) = accepted {
            // Whichever side ends or breaks, both are closed: the transport sees the end of its connection.
            let ended = copy_bidirectional_with_sizes(&mut client, &mut server, 16 * 1024, 128 * 1024).await;
            tracing::debug!(error = ended.err().map(tracing::field::display), "tls tunnel closed");
        }
    });
    Ok(path)
}

async fn connect(host: &str, port: u16, tls: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut server = TcpStream::connect((host, port)).await?;
    server.set_nodelay(true)?;
    server.write_all(&SSL_REQUEST).await?;
    match server.read_u8().await? {
        b'S' => TlsConnector::from(tls).connect(name, server).await,
        _ => Err(io::Error::other("the server does not speak TLS, and the database URL asks for it")),
    }
}
