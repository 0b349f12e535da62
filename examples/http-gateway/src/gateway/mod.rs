//! The way of one request: refused or rewritten, sent to an endpoint, answered.

pub mod answers;
mod attempt;
pub mod body;
pub mod check;
mod conversation;
pub mod demo;
pub mod error;
pub mod headers;
pub mod line;
pub mod metrics;
pub mod policy;
mod route;
mod served;
mod upgrade;
mod wait;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::header::{CONNECTION, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use self::attempt::{Hit, Plan};
use self::body::{AnswerBody, RequestBody};
use self::error::Failure;
use self::headers::Connection;
use self::line::Entry;
use self::route::Routes;
use self::served::Served;
use crate::access_log::AccessLog;
use crate::connection::Exchange;
use crate::runtime::Place;
use crate::settings::Current;
use crate::shutdown::Phases;
use crate::stats::{Gauge, Stats};
use crate::upstream::chance::Chance;
use crate::vital;

/// How often idle connections to upstreams are looked at.
const REAP_EVERY: Duration = Duration::from_secs(1);
/// What nginx logs for a client that went away before its answer.
const CLIENT_GONE: u16 = 499;

/// One worker's share of the gateway.
pub struct Gateway {
    current: Arc<Current>,
    routes: RefCell<Rc<Routes>>,
    worker: usize,
    workers: usize,
    stats: Arc<Stats>,
    log: AccessLog,
    phases: Phases,
    seed: u64,
    requests: Cell<u64>,
}

/// Where requests come from, as long as their connection or what it was upgraded to lives.
pub struct Client {
    pub peer: IpAddr,
    /// The same, as upstreams are told it.
    pub address: HeaderValue,
    pub exchange: Arc<Exchange>,
    pub place: Place,
}

impl Client {
    pub fn new(peer: IpAddr, place: Place) -> Self {
        let address = HeaderValue::try_from(peer.to_canonical().to_string());
        Self {
            peer,
            address: address.unwrap_or(HeaderValue::from_static("unknown")),
            exchange: Arc::default(),
            place,
        }
    }
}

impl Gateway {
    /// On the thread of its worker.
    pub fn start(
        current: Arc<Current>,
        worker: usize,
        workers: usize,
        stats: Arc<Stats>,
        log: AccessLog,
        phases: Phases,
        seed: u64,
    ) -> Rc<Self> {
        let routes = Routes::new(Arc::clone(&current.load()), worker, workers, seed);
        let gateway = Rc::new(Self {
            current,
            routes: RefCell::new(Rc::new(routes)),
            worker,
            workers,
            stats,
            log,
            phases,
            seed,
            requests: Cell::default(),
        });
        spawn_local(vital::task(reap(Rc::clone(&gateway))));
        gateway
    }

    /// The settings in force and what follows from them, made anew when they have changed.
    pub fn routes(&self) -> Rc<Routes> {
        let now = self.current.load();
        let mut routes = self.routes.borrow_mut();
        if !Arc::ptr_eq(&now, &routes.settings) {
            let settings = Arc::clone(&now);
            *routes = Rc::new(Routes::new(settings, self.worker, self.workers, self.seed));
        }
        Rc::clone(&routes)
    }

    pub async fn respond(
        self: Rc<Self>,
        mut request: Request<Incoming>,
        client: Rc<Client>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let routes = self.routes();
        let trusted =
            routes.config.trusted_proxies.iter().any(|network| network.contains(client.peer));
        headers::forget_claims(request.headers_mut(), trusted);
        let id = headers::request_id(request.headers()).unwrap_or_else(|| self.new_id());
        let mut served = Served {
            entry: Entry {
                peer: client.peer,
                method: request.method().clone(),
                uri: request.uri().clone(),
                id,
                upstream: None,
                failure: None,
            },
            status: StatusCode::from_u16(CLIENT_GONE).unwrap_or_default(),
            began: Instant::now(),
            in_flight: Gauge::new(&self.stats, |stats| &stats.in_flight),
            gateway: Rc::clone(&self),
            client: Rc::clone(&client),
            routes: Rc::clone(&routes),
            route: None,
        };
        let mut answer = match self.forward(&routes, request, &client, &mut served).await {
            Ok(answer) => answer,
            Err(failure) => {
                self.stats.errors.count(failure);
                served.entry.failure = Some(failure);
                failure.answer(&routes.config.name, Some(&served.entry.id)).map(AnswerBody::own)
            }
        };
        let upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        if !self.phases.is_running() && !upgraded {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        served.status = answer.status();
        Ok(answer.map(|body| body.until_end(served)))
    }

    async fn forward(
        &self,
        routes: &Routes,
        request: Request<Incoming>,
        client: &Rc<Client>,
        served: &mut Served,
    ) -> Result<Response<AnswerBody>, Failure> {
        let config = &routes.config;
        let (mut parts, incoming) = request.into_parts();
        let connection = Connection::read(&parts.headers)
            .ok_or(Failure::Refused("connection names what must be kept"))?;
        let target = policy::examine(&parts, &connection, &config.name)?;
        if incoming.size_hint().lower() > config.limits.body_bytes {
            return Err(Failure::BodyTooLarge);
        }
        let most = config.limits.in_flight.div_ceil(self.workers);
        if usize::try_from(self.stats.in_flight.load(Relaxed)).is_ok_and(|now| now > most) {
            return Err(Failure::Overloaded);
        }
        let route = routes.find(&target.host, parts.uri.path()).ok_or(Failure::NoRoute)?;
        served.route = Some(Rc::clone(route));

        let upgraded: Option<OnUpgrade> = parts.extensions.remove();
        connection.drop_from(&mut parts.headers);
        let via = routes.via(parts.version);
        headers::add_own(&mut parts.headers, &client.address, via, &served.entry.id);
        make_own(&mut parts);
        if let Some(protocols) = &target.upgrade {
            upgrade::ask_for(&mut parts.headers, protocols);
        }
        let body =
            RequestBody::new(incoming, config.limits.body_bytes, config.timeouts.body_progress);
        if body.size_hint().exact().is_none() {
            // hyper would leave out the body of a GET that does not say so.
            parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let plan = Plan {
            progress: body.progress(),
            repeatable: parts.method.is_idempotent()
                && body.is_end_stream()
                && target.upgrade.is_none(),
            upgrade: target.upgrade,
        };
        let request = Request::from_parts(parts, body);
        let Hit { answer, lease } =
            self.try_endpoints(routes, &route.cluster, request, &plan, served).await?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let (client, idle) = (Rc::clone(client), config.timeouts.tunnel_idle);
            let in_flight = Gauge::new(&self.stats, |stats| &stats.in_flight);
            return Ok(upgrade::tunnel(answer, lease, upgraded, client, in_flight, idle));
        }
        let patience = config.timeouts.body_progress;
        Ok(answer.map(|body| AnswerBody::upstream(body, lease, patience)))
    }

    /// Unlike any other of this worker, and unlikely to be one of another: no request pays for better.
    fn new_id(&self) -> HeaderValue {
        let count = self.requests.replace(self.requests.get().wrapping_add(1));
        let bytes = (Chance::new(self.seed).next() ^ count).to_be_bytes();
        let digits = bytes.map(|byte| [byte >> 4, byte & 0xf].map(hex_digit));
        HeaderValue::from_bytes(digits.as_flattened()).unwrap_or(HeaderValue::from_static("-"))
    }
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// Leaves nothing of the client's connection in a request.
fn make_own(parts: &mut Parts) {
    if parts.uri.authority().is_some() {
        let path = parts.uri.path_and_query().cloned();
        parts.uri = path.map_or(Uri::from_static("/"), Uri::from);
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
}

async fn reap(gateway: Rc<Gateway>) {
    loop {
        sleep(REAP_EVERY).await;
        let routes = gateway.routes();
        let endpoints = routes.clusters.iter().flat_map(|cluster| &cluster.endpoints);
        endpoints.for_each(|endpoint| endpoint.pool.reap(routes.config.upstream.idle));
    }
}
