//! One connection of a client: what is read and answered on it, and how it ends.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use http::Request;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::{Client, Gateway};
use crate::config::Config;
use crate::connection::ClientIo;
use crate::runtime::Place;
use crate::stats::count;

impl Gateway {
    /// Serves a connection to its end.
    pub async fn converse(self: Rc<Self>, stream: TcpStream, peer: SocketAddr, place: Place) {
        let stats = Arc::clone(&self.stats);
        let client = Client::new(peer.ip(), place);
        match converse(self, stream, client).await {
            Err(error) if error.is_parse() => count(&stats.refused_by_parser),
            Err(error) if is_late(&error) => count(&stats.clients_timed_out),
            _ => {}
        }
    }
}

async fn converse(gateway: Rc<Gateway>, stream: TcpStream, client: Client) -> hyper::Result<()> {
    let mut phases = gateway.phases.clone();
    let config = Arc::clone(&gateway.routes().config);
    let exchange = Arc::clone(&client.exchange);
    let io = ClientIo::new(stream, &config.timeouts, Arc::clone(&exchange));
    let client = Rc::new(client);
    let service = service_fn(move |request: Request<Incoming>| {
        client.exchange.begin(!request.body().is_end_stream());
        Rc::clone(&gateway).respond(request, Rc::clone(&client))
    });
    let connection = builder(&config).serve_connection(TokioIo::new(io), service).with_upgrades();
    let mut connection = pin!(connection);
    let closing = async {
        let left = phases.closing().await;
        // A request that has arrived but was not read yet makes the connection busy.
        yield_now().await;
        left
    };
    let left = tokio::select! {
        biased;
        outcome = &mut connection => return outcome,
        left = closing => left,
    };
    // An idle connection ends here. A client that has just connected or begun a head believes that it is
    // served, where hyper would close: its answer ends the connection, or the time for a head does.
    if exchange.is_awaited()
        && let Ok(outcome) = timeout(left / 2, &mut connection).await
    {
        return outcome;
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

fn builder(config: &Config) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // A client that has closed its side gets no answer: it can't be told from one that has gone.
        .half_close(false)
        // `ClientIo` does it.
        .header_read_timeout(None)
        .max_buf_size(config.limits.header_bytes)
        .max_headers(config.limits.headers)
        // With it, what the parser answers to a head that is too large would never be sent.
        .pipeline_flush(false)
        // One write of head and small body costs less than a vector of two.
        .writev(false);
    builder
}

/// Whether `ClientIo` has ended it.
fn is_late(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref());
    cause.is_some_and(|cause: &io::Error| cause.kind() == io::ErrorKind::TimedOut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, F: Future>(_: fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_takes_little_before_anything_is_read() {
        let bytes = size_of_future(converse);
        assert!(bytes <= 1_536, "{bytes} bytes");
    }
}
