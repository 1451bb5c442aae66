//! A TCP proxy that breaks what passes through it.
//!
//! Crates that do this (`noxious`, a port of Toxiproxy) cut a connection after so many bytes or so much time. What has to
//! be tried here is tied to what a byte means: a request that never arrives, and an answer that is lost after the work
//! was done. Both protocols behind it answer requests in order, so an answer seen here is work that was done there.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

const CHUNK_BYTES: usize = 32 * 1024;

/// What a line does to what passes, for a while. A chunk is what one read of the socket brings: a request or an answer,
/// or a piece of a long one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// Of so many chunks of requests one is not passed on; its connection is reset.
    LoseRequests {
        /// 1: each of them.
        every: u32,
    },
    /// Of so many chunks of answers one is not passed on; its connection is reset. What was asked for has been done.
    LoseAnswers {
        /// 1: each of them.
        every: u32,
    },
    /// As `LoseAnswers`, but the first half of the chunk is passed on.
    CutAnswers {
        /// 1: each of them.
        every: u32,
    },
    /// Nothing passes; what was held back passes afterwards.
    Stall,
    /// New connections are reset, and those that are open at their next chunk.
    Refuse,
}

/// What a proxy has broken so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Connections reset while nobody waited for anything in particular.
    pub resets: u64,
    /// Requests that never arrived.
    pub lost_requests: u64,
    /// Answers that never arrived, or in part, to requests that did.
    pub lost_answers: u64,
    /// Chunks held back.
    pub stalled: u64,
    /// Connections refused.
    pub refused: u64,
}

impl Broken {
    /// Everything that was broken by cutting a connection.
    pub const fn cut(self) -> u64 {
        self.resets + self.lost_requests + self.lost_answers + self.refused
    }
}

/// A proxy on a loopback port. It ends with this value; open connections end with their sides.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    line: Arc<Line>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Line {
    upstream: watch::Sender<Option<SocketAddr>>,
    weather: watch::Sender<Option<(Weather, Instant)>>,
    resets: watch::Sender<u64>,
    chunks: AtomicU32,
    broken: Counters,
}

#[derive(Debug, Default)]
struct Counters {
    resets: AtomicU64,
    lost_requests: AtomicU64,
    lost_answers: AtomicU64,
    stalled: AtomicU64,
    refused: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carries {
    Requests,
    Answers,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

impl Proxy {
    /// A proxy that accepts connections and keeps them waiting until it is told where to lead them.
    pub async fn listen() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let line = Arc::new(Line {
            upstream: watch::Sender::new(None),
            weather: watch::Sender::new(None),
            resets: watch::Sender::new(0),
            chunks: AtomicU32::new(0),
            broken: Counters::default(),
        });
        let accepted = Arc::clone(&line);
        let accepting = tokio::spawn(async move {
            loop {
                // An accept that fails is one connection less.
                let Ok((client, _)) = listener.accept().await else { continue };
                let line = Arc::clone(&accepted);
                // A broken connection is what the proxy is for.
                tokio::spawn(async move { line.carry(client).await.unwrap_or_default() });
            }
        });
        Ok(Self { address, line, accepting })
    }

    /// Where to connect to it.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads connections there, those that wait included.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.line.upstream.send_replace(Some(upstream));
    }

    /// Changes the weather for a while, after which it is fair.
    pub fn change(&self, weather: Weather, lasting: Duration) {
        self.line.chunks.store(0, Ordering::Relaxed);
        self.line.weather.send_replace(Some((weather, Instant::now() + lasting)));
    }

    /// Ends any weather.
    pub fn clear(&self) {
        self.line.weather.send_replace(None);
    }

    /// Resets every open connection.
    pub fn reset(&self) {
        self.line.resets.send_modify(|times| *times += 1);
    }

    /// What it has broken so far.
    pub fn broken(&self) -> Broken {
        let Counters { resets, lost_requests, lost_answers, stalled, refused } = &self.line.broken;
        Broken {
            resets: resets.load(Ordering::Relaxed),
            lost_requests: lost_requests.load(Ordering::Relaxed),
            lost_answers: lost_answers.load(Ordering::Relaxed),
            stalled: stalled.load(Ordering::Relaxed),
            refused: refused.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Line {
    fn weather(&self) -> Option<(Weather, Instant)> {
        self.weather.borrow().filter(|(_, until)| Instant::now() < *until)
    }

    /// Whether a chunk is the one of so many that is lost.
    fn is_turn(&self, every: u32) -> bool {
        let chunk = self.chunks.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        chunk.is_multiple_of(every.max(1))
    }

    async fn carry(&self, mut client: TcpStream) -> io::Result<()> {
        let mut resets = self.resets.subscribe();
        let mut upstream = self.upstream.subscribe();
        let upstream = upstream.wait_for(Option::is_some).await.ok().and_then(|known| *known);
        let server = match upstream {
            Some(upstream) if !matches!(self.weather(), Some((Weather::Refuse, _))) => {
                TcpStream::connect(upstream).await
            }
            _ => {
                self.broken.refused.fetch_add(1, Ordering::Relaxed);
                Err(io::ErrorKind::ConnectionRefused.into())
            }
        };
        let Ok(mut server) = server else { return client.set_zero_linger() };
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let end = {
            let (client_reads, client_writes) = client.split();
            let (server_reads, server_writes) = server.split();
            tokio::select! {
                end = self.pump(Carries::Requests, client_reads, server_writes) => end,
                end = self.pump(Carries::Answers, server_reads, client_writes) => end,
                _ = resets.changed() => {
                    self.broken.resets.fetch_add(1, Ordering::Relaxed);
                    Ok(End::Reset)
                }
            }
        };
        if !matches!(end, Ok(End::Closed)) {
            client.set_zero_linger()?;
            server.set_zero_linger()?;
        }
        Ok(())
    }

    async fn pump(
        &self,
        carries: Carries,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<End> {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 {
                return Ok(End::Closed);
            }
            let chunk = buffer.get(..length).unwrap_or_default();
            self.wait_while_stalled().await;
            let passes = self.passes(carries, length);
            to.write_all(chunk.get(..passes).unwrap_or_default()).await?;
            if passes < length {
                return Ok(End::Reset);
            }
        }
    }

    async fn wait_while_stalled(&self) {
        let mut changes = self.weather.subscribe();
        let mut counted = false;
        while let Some((Weather::Stall, until)) = self.weather() {
            if !std::mem::replace(&mut counted, true) {
                self.broken.stalled.fetch_add(1, Ordering::Relaxed);
            }
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                _ = changes.changed() => {}
            }
        }
    }

    /// How many bytes of a chunk are passed on; fewer than there are, and the connection is reset.
    fn passes(&self, carries: Carries, length: usize) -> usize {
        let (counter, passes) = match (self.weather(), carries) {
            (Some((Weather::LoseRequests { every }, _)), Carries::Requests) if self.is_turn(every) => {
                (&self.broken.lost_requests, 0)
            }
            (Some((Weather::LoseAnswers { every }, _)), Carries::Answers) if self.is_turn(every) => {
                (&self.broken.lost_answers, 0)
            }
            (Some((Weather::CutAnswers { every }, _)), Carries::Answers) if self.is_turn(every) => {
                (&self.broken.lost_answers, length / 2)
            }
            (Some((Weather::Refuse, _)), _) => (&self.broken.refused, 0),
            _ => return length,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        passes
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    /// A server that tells of every four-byte request and repeats it as the answer.
    async fn echo() -> (SocketAddr, mpsc::UnboundedReceiver<[u8; 4]>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let sender = sender.clone();
                tokio::spawn(async move {
                    let mut request = [0; 4];
                    while stream.read_exact(&mut request).await.is_ok() {
                        sender.send(request).unwrap();
                        let _ = stream.write_all(&request).await;
                    }
                });
            }
        });
        (address, requests)
    }

    async fn ask(stream: &mut TcpStream, question: [u8; 4]) -> io::Result<[u8; 4]> {
        stream.write_all(&question).await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    async fn proxied() -> (Proxy, mpsc::UnboundedReceiver<[u8; 4]>) {
        let (address, requests) = echo().await;
        let proxy = Proxy::listen().await.unwrap();
        proxy.lead_to(address);
        (proxy, requests)
    }

    #[tokio::test]
    async fn in_fair_weather_everything_passes() {
        let (proxy, mut requests) = proxied().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream, *b"ping").await.unwrap(), *b"ping");
        assert_eq!(requests.recv().await, Some(*b"ping"));
        assert_eq!(proxy.broken(), Broken::default());
    }

    #[tokio::test]
    async fn an_answer_is_lost_after_the_work_was_done() {
        let (proxy, mut requests) = proxied().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.change(Weather::LoseAnswers { every: 2 }, LONG);
        assert_eq!(ask(&mut stream, *b"one.").await.unwrap(), *b"one.");
        assert!(ask(&mut stream, *b"two.").await.is_err());
        assert_eq!([requests.recv().await, requests.recv().await], [Some(*b"one."), Some(*b"two.")]);
        assert_eq!(proxy.broken().lost_answers, 1);
    }

    #[tokio::test]
    async fn half_an_answer_arrives_before_the_connection_is_reset() {
        let (proxy, mut requests) = proxied().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.change(Weather::CutAnswers { every: 1 }, LONG);
        assert!(ask(&mut stream, *b"half").await.is_err());
        assert_eq!(requests.recv().await, Some(*b"half"));
        assert_eq!(proxy.broken().lost_answers, 1);
    }

    #[tokio::test]
    async fn a_lost_request_never_arrives() {
        let (proxy, mut requests) = proxied().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.change(Weather::LoseRequests { every: 1 }, LONG);
        assert!(ask(&mut stream, *b"lost").await.is_err());
        proxy.clear();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream, *b"here").await.unwrap(), *b"here");
        assert_eq!(requests.recv().await, Some(*b"here"));
    }

    #[tokio::test]
    async fn a_refused_connection_and_a_reset_one_fail_and_later_ones_do_not() {
        let (proxy, _requests) = proxied().await;
        let mut open = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(ask(&mut open, *b"open").await.is_ok());
        proxy.reset();
        assert!(ask(&mut open, *b"shut").await.is_err());
        proxy.change(Weather::Refuse, LONG);
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(ask(&mut refused, *b"away").await.is_err());
        proxy.clear();
        let mut again = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(ask(&mut again, *b"back").await.is_ok());
        assert_eq!((proxy.broken().resets, proxy.broken().refused), (1, 1));
    }

    #[tokio::test]
    async fn what_was_held_back_passes_afterwards() {
        let (proxy, mut requests) = proxied().await;
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        proxy.change(Weather::Stall, LONG);
        stream.write_all(b"wait").await.unwrap();
        while proxy.broken().stalled == 0 {
            tokio::task::yield_now().await;
        }
        assert!(requests.try_recv().is_err());
        proxy.clear();
        assert_eq!(requests.recv().await, Some(*b"wait"));
    }

    #[tokio::test]
    async fn connections_wait_until_the_proxy_knows_where_to() {
        let (address, _requests) = echo().await;
        let proxy = Proxy::listen().await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        stream.write_all(b"soon").await.unwrap();
        proxy.lead_to(address);
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, *b"soon");
    }
}
