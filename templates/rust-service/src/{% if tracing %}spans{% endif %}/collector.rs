//! HTTP/1.1 to a collector, over a new connection for each message: there are a few in a second at most.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// For a message and its answer, as OpenTelemetry has it by default.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer; what a collector says is short.
const MOST: usize = 64 << 10;
const PORT: u16 = 80;

#[derive(Debug)]
pub struct Collector;

type Outcome = Result<Response<Bytes>, HttpError>;

impl HttpClient for Collector {
    fn send_bytes<'client, 'sending>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Outcome> + Send + 'sending>>
    where
        'client: 'sending,
        Self: 'sending,
    {
        Box::pin(async {
            let outcome = timeout(PATIENCE, exchange(request)).await;
            let outcome = outcome.unwrap_or_else(|late| Err(late.into()));
            // The exporter keeps to itself why nothing came.
            outcome.inspect_err(|error| tracing::debug!(%error, "no answer of the collector"))
        })
    }
}

async fn exchange(request: Request<Bytes>) -> Outcome {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().cloned().ok_or("the URL of the collector has no host")?;
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(PORT))).await?;
    parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
    parts.uri = parts.uri.path_and_query().cloned().map_or(Uri::from_static("/"), Uri::from);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let request = Request::from_parts(parts, Full::new(body));
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, MOST).collect().await?.to_bytes();
        Ok(Response::from_parts(parts, body))
    };
    // Without its sender the connection ends; how is told by the answer.
    let (answer, _) = tokio::join!(answer, connection);
    answer
}
