//! Two upstreams that echo, for a start without a configuration.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::spawn_local;

use crate::config::{Cluster, Config, Route};
use crate::listener;
use crate::shutdown::Phases;

const UPSTREAMS: usize = 2;

/// Starts the upstreams and routes everything to them.
pub fn start(config: &mut Config, phases: &Phases) -> std::io::Result<()> {
    let mut listeners = Vec::new();
    for _ in 0..UPSTREAMS {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        listeners.push(listener);
    }
    let addresses: Result<Vec<_>, _> =
        listeners.iter().map(std::net::TcpListener::local_addr).collect();
    let cluster = Cluster {
        endpoints: addresses?.iter().map(SocketAddr::to_string).collect(),
        ..Cluster::default()
    };
    config.clusters.insert("demo".to_owned(), cluster);
    config.routes.push(Route {
        host: None,
        path_prefix: "/".to_owned(),
        cluster: "demo".to_owned(),
    });
    let mut phases = phases.clone();
    std::thread::Builder::new().name("demo".to_owned()).spawn(move || {
        crate::local_runtime()?.block_on(async move {
            for (index, listener) in listeners.into_iter().enumerate() {
                spawn_local(serve(TcpListener::from_std(listener)?, index + 1));
            }
            phases.stopped().await;
            std::io::Result::Ok(())
        })
    })?;
    Ok(())
}

async fn serve(listener: TcpListener, number: usize) {
    loop {
        let (stream, _) = listener::accept(&listener, |_| ()).await;
        let service =
            service_fn(move |request| async move { Ok::<_, Infallible>(echo(request, number)) });
        spawn_local(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// The body of the request, or a line about it when it has none.
fn echo(request: Request<Incoming>, number: usize) -> Response<Either<Incoming, Full<Bytes>>> {
    let line = format!("{} {} at upstream {number}\n", request.method(), request.uri());
    let body = request.into_body();
    let mut answer = Response::new(if body.is_end_stream() {
        Either::Right(Full::from(line))
    } else {
        Either::Left(body)
    });
    answer.headers_mut().insert("x-upstream", HeaderValue::from(number));
    answer
}
