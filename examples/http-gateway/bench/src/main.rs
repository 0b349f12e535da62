//! What a proxy in Rust is most often made of: a runtime that steals work, and hyper-util's client with
//! its pool. It forwards and adds the fields that a gateway adds; nothing is bounded, refused or counted.
//!
//! ```text
//! side_by_side LISTEN UPSTREAM WORKERS
//! ```

#![expect(clippy::disallowed_methods, reason = "the ordinary way is to spawn")]

use std::convert::Infallible;
use std::net::SocketAddr;

use anyhow::Context;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, VIA};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

type Upstream = Client<HttpConnector, Incoming>;
type Answer = Response<BoxBody<Bytes, hyper::Error>>;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, workers] = arguments.as_slice() else {
        anyhow::bail!("usage: side_by_side LISTEN UPSTREAM WORKERS");
    };
    let (listen, upstream) = (listen.parse()?, upstream.parse()?);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.parse()?)
        .enable_all()
        .build()?
        .block_on(serve(listen, upstream))
}

async fn serve(listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.context("the address can't be had")?;
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let client = client.clone();
        let service = service_fn(move |request| forward(client.clone(), request, peer, upstream));
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service),
        );
    }
}

async fn forward(
    client: Upstream,
    request: Request<Incoming>,
    peer: SocketAddr,
    upstream: SocketAddr,
) -> Result<Answer, Infallible> {
    let answer = match rewritten(request, peer, upstream) {
        Some(request) => client.request(request).await.ok(),
        None => None,
    };
    Ok(answer.map_or_else(unanswered, |answer| answer.map(BodyExt::boxed)))
}

fn rewritten(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    upstream: SocketAddr,
) -> Option<Request<Incoming>> {
    let path = request.uri().path_and_query()?.clone();
    let uri = Uri::builder().scheme("http").authority(upstream.to_string()).path_and_query(path);
    *request.uri_mut() = uri.build().ok()?;
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    headers.insert(FOR, HeaderValue::try_from(peer.ip().to_string()).ok()?);
    headers.insert(PROTO, HeaderValue::from_static("http"));
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(REQUEST_ID, HeaderValue::from_static("0123456789abcdef"));
    headers.insert(VIA, HeaderValue::from_static("1.1 ordinary"));
    Some(request)
}

fn unanswered() -> Answer {
    let mut answer = Response::new(Empty::new().map_err(|never| match never {}).boxed());
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
