//! The change to another protocol on a connection, when both sides want it.

use std::rc::Rc;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Response};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::task::spawn_local;

use super::Client;
use super::body::{AnswerBody, Lease};
use crate::stats::Gauge;

/// Says on this hop what the other one said.
pub fn ask_for(headers: &mut HeaderMap, protocols: &HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocols.clone());
}

/// The items of an Upgrade field; none when it is not text.
pub fn protocols(field: &HeaderValue) -> impl Iterator<Item = &str> {
    field.to_str().unwrap_or_default().split(',').map(str::trim)
}

/// Whether an upstream's choice is one of those that its client offered.
pub fn is_among(chosen: &HeaderValue, offered: Option<&HeaderValue>) -> bool {
    let mut offered = offered.into_iter().flat_map(protocols).map(str::as_bytes);
    offered.any(|protocol| protocol.eq_ignore_ascii_case(chosen.as_bytes()))
}

/// Copies bytes both ways once both sides have changed to another protocol, until both have ended it or
/// nothing comes any more. As long it takes as much as a request, and counts as one.
pub fn tunnel(
    mut answer: Response<Incoming>,
    mut lease: Lease,
    upgraded: Option<OnUpgrade>,
    client: Rc<Client>,
    in_flight: Gauge,
    idle: Duration,
) -> Response<AnswerBody> {
    lease.sender = None;
    let upstream = hyper::upgrade::on(&mut answer);
    if let Some(upgraded) = upgraded {
        spawn_local(async move {
            if let (Ok(down), Ok(up)) = tokio::join!(upgraded, upstream) {
                client.exchange.begin(false);
                let (mut down, mut up) = (TokioIo::new(down), TokioIo::new(up));
                tokio::select! {
                    // Until both sides have ended it, the client's side can only end in a reset.
                    copied = copy_bidirectional(&mut down, &mut up) => if copied.is_ok() {
                        client.exchange.end();
                    },
                    () = client.exchange.silence(idle) => {}
                }
            }
            drop((lease, client, in_flight));
        });
    }
    answer.map(|_| AnswerBody::own(bytes::Bytes::new()))
}
