//! What the built-in upstreams answer.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// For whoever has just started it.
pub fn what_to_try(address: SocketAddr) -> String {
    format!("curl -i http://{address}/")
}

/// Serves one connection of an upstream.
pub async fn echo(stream: TcpStream) {
    // What tells one upstream from the other.
    let port = stream.local_addr().map_or(0, |address| address.port());
    let service =
        service_fn(move |request| async move { Ok::<_, Infallible>(answer(request, port)) });
    // A client that went away is no news.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The body of the request, or a line about it when it has none.
fn answer(request: Request<Incoming>, port: u16) -> Response<Either<Incoming, Full<Bytes>>> {
    let line = format!("{} {} at upstream {port}\n", request.method(), request.uri());
    let body = request.into_body();
    let mut answer = Response::new(if body.is_end_stream() {
        Either::Right(Full::from(line))
    } else {
        Either::Left(body)
    });
    answer.headers_mut().insert("x-upstream", HeaderValue::from(port));
    answer
}
