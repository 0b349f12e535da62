//! One connection over which HTTP/2 is spoken: how much there may be on it at once, and how it ends.
//! hyper and h2 speak it, and end connections that break its rules.

mod request;
mod streams;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

pub use self::request::translate;
use self::streams::{Paced, Streams};
use super::{Client, Gateway};
use crate::config::Config;
use crate::connection::{ClientIo, FAREWELL};
use crate::shutdown::Phases;
use crate::stats::count;

/// Requests that were given up before they were taken up, and malformed ones: of more at once the one, or
/// more in all the other, a connection ends.
const MOST_RESETS: usize = 20;
const MOST_MALFORMED: usize = 100;

/// Serves a connection to its end.
pub async fn converse(gateway: Rc<Gateway>, io: ClientIo, client: Client) {
    let stats = Arc::clone(&gateway.stats);
    count(&stats.http2_connections);
    if let Err(error) = serve(gateway, io, client).await {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        match cause.map(io::Error::kind) {
            None => count(&stats.refused_by_parser),
            Some(io::ErrorKind::TimedOut) => count(&stats.clients_timed_out),
            Some(_) => {}
        }
    }
}

async fn serve(gateway: Rc<Gateway>, io: ClientIo, client: Client) -> hyper::Result<()> {
    let config = Arc::clone(&gateway.routes().config);
    let mut phases = gateway.phases.clone();
    let streams = Streams::new(config.timeouts.body_progress, Arc::clone(&gateway.stats));
    let exchange = Arc::clone(&client.exchange);
    // What `ClientIo` expects of one request after the other does not hold for many at once.
    exchange.begin(true);
    let service = service_fn(move |request| {
        let (gateway, client) = (Rc::clone(&gateway), Rc::new(client.apart()));
        async move {
            let answer = gateway.respond(request, client).await?;
            Ok::<_, Infallible>(answer.map(Paced::new))
        }
    });
    let connection = builder(&config, streams.clone()).serve_connection(TokioIo::new(io), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        outcome = &mut connection => {
            exchange.end();
            return outcome;
        }
        // Without an end that is one.
        () = streams.abuse() => return Ok(()),
        () = streams.silence(config.timeouts.header_read, config.timeouts.client_idle) => {}
        () = last_request(&streams, &mut phases) => {}
    }
    // Whatever the client asks before it knows is answered.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        outcome = &mut connection => {
            exchange.end();
            outcome
        }
        () = streams.abuse() => Ok(()),
        () = streams.silence(FAREWELL, FAREWELL) => {
            exchange.end();
            Ok(())
        }
    }
}

/// Waits for the moment in a drain when a client should ask elsewhere. One that has just connected
/// believes that it is served.
async fn last_request(streams: &Streams, phases: &mut Phases) {
    phases.draining().await;
    tokio::select! {
        () = streams.first() => {}
        left = phases.closing() => {
            let _ = timeout(left / 2, streams.first()).await;
        }
    }
}

fn builder(config: &Config, streams: Streams) -> Builder<Streams> {
    let header_bytes = u32::try_from(config.limits.header_bytes).unwrap_or(u32::MAX);
    let mut builder = Builder::new(streams);
    builder
        .max_concurrent_streams(config.http2.streams)
        .max_header_list_size(header_bytes)
        .initial_stream_window_size(config.http2.stream_bytes)
        .initial_connection_window_size(config.http2.connection_bytes)
        .max_send_buf_size(config.http2.stream_bytes as usize)
        .max_pending_accept_reset_streams(MOST_RESETS)
        .max_local_error_reset_streams(MOST_MALFORMED);
    builder
}
