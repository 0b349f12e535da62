//! Clients that speak HTTP/2 by means of h2, which is not told what to refuse.

#![allow(dead_code, reason = "each test uses its part")]
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request, request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};
use tokio::time::timeout;

use crate::support::PATIENCE;

/// Waits for all that clients do in one thread.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let work = async { timeout(PATIENCE * 2, work).await.unwrap() };
    LocalSet::new().block_on(&runtime, work)
}

/// Waits for what happens on other threads.
pub async fn happens(condition: impl Fn() -> bool) {
    let happens = async {
        while !condition() {
            yield_now().await;
        }
    };
    timeout(PATIENCE, happens).await.unwrap();
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// One connection of a client.
pub struct Connection {
    requests: SendRequest<Bytes>,
    driver: JoinHandle<Result<(), h2::Error>>,
}

impl Connection {
    pub async fn to(address: SocketAddr) -> Self {
        Self::try_to(address).await.unwrap()
    }

    pub async fn try_to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream).await.map_err(io::Error::other)
    }

    pub async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    ) -> Result<Self, h2::Error> {
        let (requests, connection) = h2::client::handshake(stream).await?;
        Ok(Self { requests, driver: spawn_local(connection) })
    }

    /// Sends a head, to which a body belongs.
    pub async fn begin(&self, request: request::Builder) -> (ResponseFuture, SendStream<Bytes>) {
        let mut requests = self.requests.clone().ready().await.unwrap();
        requests.send_request(request.body(()).unwrap(), false).unwrap()
    }

    /// Sends a request without a body.
    pub async fn start(&self, request: request::Builder) -> Result<ResponseFuture, h2::Error> {
        let mut requests = self.requests.clone().ready().await?;
        Ok(requests.send_request(request.body(()).unwrap(), true)?.0)
    }

    /// The whole answer to a request without a body.
    pub async fn ask(&self, request: request::Builder) -> Result<Answer, h2::Error> {
        whole(self.start(request).await?).await
    }

    pub async fn get(&self, uri: &str) -> Result<Answer, h2::Error> {
        self.ask(Request::get(uri)).await
    }

    /// The same, or None when the connection takes no more requests.
    pub async fn get_unless_ending(&self, uri: &str) -> Option<Result<Answer, h2::Error>> {
        let requests = self.requests.clone().ready().await;
        let mut requests = requests.ok()?;
        let request = Request::get(uri).body(()).unwrap();
        let (answer, _) = requests.send_request(request, true).ok()?;
        Some(whole(answer).await)
    }

    /// The whole answer to a request with a body, of which as much is sent as may be.
    pub async fn send(&self, request: request::Builder, body: String) -> Result<Answer, h2::Error> {
        let (answer, mut stream) = self.begin(request).await;
        let sending = async move {
            let mut body = Bytes::from(body);
            while !body.is_empty() {
                stream.reserve_capacity(body.len());
                let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
                let Some(Ok(capacity)) = capacity else {
                    return;
                };
                let piece = body.split_to(capacity.min(body.len()));
                if stream.send_data(piece, body.is_empty()).is_err() {
                    return;
                }
            }
        };
        tokio::join!(whole(answer), sending).0
    }

    /// Whether this time passes without an end.
    pub async fn is_open_for(&mut self, time: Duration) -> bool {
        timeout(time, &mut self.driver).await.is_err()
    }

    /// How the other side ends it.
    pub async fn end(self) -> Result<(), h2::Error> {
        let _requests = self.requests;
        self.driver.await.unwrap()
    }
}

async fn whole(answer: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut stream) = answer.await?.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        stream.flow_control().release_capacity(piece.len())?;
        body.extend_from_slice(&piece);
    }
    let body = String::from_utf8(body).unwrap();
    Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
}
