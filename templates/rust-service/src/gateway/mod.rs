//! The way of one request: refused or rewritten, sent to an endpoint, tried again, answered.

pub mod body;
pub mod error;
pub mod exchange;
pub mod headers;
pub mod policy;
mod route;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::{CONNECTION, HOST, UPGRADE};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout, timeout_at};

use self::body::{AnswerBody, Lease, Progress, RequestBody};
use self::error::Failure;
use self::exchange::Served;
use self::headers::Connection;
use self::route::Routes;
use crate::access_log::{AccessLog, Entry};
use crate::config::Config;
use crate::connection::Exchange;
use crate::pool::Sender;
use crate::shutdown::{Phase, Phases, Work};
use crate::stats::{Gauge, Stats, count};
use crate::upstream::{Chance, Endpoint, Nowhere, Slot};

/// What nginx logs for a client that went away before its answer.
const CLIENT_GONE: u16 = 499;

/// One worker's share of the gateway.
pub struct Gateway {
    settings: Arc<ArcSwap<Config>>,
    routes: RefCell<Rc<Routes>>,
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
    pub exchange: Arc<Exchange>,
    pub open: Gauge,
    /// None for those that were accepted last of all, whatever the limit.
    pub permit: Option<OwnedSemaphorePermit>,
    pub work: Work,
}

/// A try that came to nothing, with the request if it may be sent again.
struct Miss {
    failure: Failure,
    again: Option<Request<RequestBody>>,
}

struct Hit {
    answer: Response<Incoming>,
    lease: Lease,
}

/// What a try needs to know of its request.
struct Plan {
    progress: Rc<Progress>,
    /// Idempotent, without a body: sending it twice is the same as once.
    repeatable: bool,
}

impl Gateway {
    pub fn new(
        settings: Arc<ArcSwap<Config>>,
        workers: usize,
        stats: Arc<Stats>,
        log: AccessLog,
        phases: Phases,
        seed: u64,
    ) -> Self {
        let routes = Routes::new(settings.load_full(), workers, seed);
        Self {
            settings,
            routes: RefCell::new(Rc::new(routes)),
            workers,
            stats,
            log,
            phases,
            seed,
            requests: Cell::default(),
        }
    }

    /// The settings in force and what follows from them, made anew when they have changed.
    pub fn routes(&self) -> Rc<Routes> {
        let now = self.settings.load();
        let mut routes = self.routes.borrow_mut();
        if !Arc::ptr_eq(&now, &routes.config) {
            *routes = Rc::new(Routes::new(Arc::clone(&now), self.workers, self.seed));
        }
        Rc::clone(&routes)
    }

    pub async fn respond(
        self: Rc<Self>,
        mut request: Request<Incoming>,
        client: Rc<Client>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        client.exchange.busy.store(true, Relaxed);
        let routes = self.routes();
        if !routes.config.trusted_proxies.iter().any(|network| network.contains(client.peer)) {
            headers::forget_claims(request.headers_mut());
        }
        let id = headers::request_id(request.headers()).unwrap_or_else(|| self.new_id());
        let mut served = Served {
            exchange: Arc::clone(&client.exchange),
            entry: Entry {
                peer: client.peer,
                method: request.method().clone(),
                uri: request.uri().clone(),
                id,
                upstream: None,
                failure: None,
            },
            status: Cell::new(StatusCode::from_u16(CLIENT_GONE).unwrap_or_default()),
            began: Instant::now(),
            stats: Arc::clone(&self.stats),
            log: self.log.clone(),
            in_flight: Gauge::new(&self.stats, |stats| &stats.in_flight),
        };
        let mut answer = match self.forward(&routes, request, &client, &mut served).await {
            Ok(answer) => answer,
            Err(failure) => {
                self.stats.failed(failure);
                served.entry.failure = Some(failure);
                failure.answer(&routes.config.name, Some(&served.entry.id)).map(AnswerBody::own)
            }
        };
        let upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        if self.phases.now() != Phase::Running && !upgraded {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        served.status.set(answer.status());
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
        let cluster = routes.find(&target.host, parts.uri.path()).ok_or(Failure::NoRoute)?;

        let upgraded: Option<OnUpgrade> = parts.extensions.remove();
        rewrite(&mut parts, &connection, client.peer, config, &served.entry.id);
        if let Some(protocol) = &target.upgrade {
            ask_for_upgrade(&mut parts.headers, protocol);
        }
        let body =
            RequestBody::new(incoming, config.limits.body_bytes, config.timeouts.body_progress);
        let plan = Plan {
            progress: body.progress(),
            repeatable: parts.method.is_idempotent()
                && body.is_end_stream()
                && target.upgrade.is_none(),
        };
        let request = Request::from_parts(parts, body);
        let hit = self.try_endpoints(routes, cluster, request, &plan, served).await?;
        let (answer, lease) = accept(hit, target.upgrade.as_ref())?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(tunnel(answer, lease, upgraded, Rc::clone(client)));
        }
        let patience = config.timeouts.body_progress;
        Ok(answer.map(|body| AnswerBody::upstream(body, lease, patience)))
    }

    /// One try, and one more on another endpoint when that can do no harm.
    async fn try_endpoints(
        &self,
        routes: &Routes,
        cluster: &crate::upstream::Cluster,
        mut request: Request<RequestBody>,
        plan: &Plan,
        served: &mut Served,
    ) -> Result<Hit, Failure> {
        let config = &routes.config;
        routes.budget.deposit();
        let mut tried = None;
        loop {
            let endpoint = cluster.pick(tried.as_ref(), config.upstream.max_in_flight);
            let endpoint = endpoint.map_err(|nowhere| match nowhere {
                Nowhere::Unhealthy => Failure::NoHealthyEndpoint,
                Nowhere::Full => Failure::Overloaded,
            })?;
            served.entry.upstream = Some(Arc::clone(&endpoint.address));
            let miss = match self.attempt(config, &endpoint, request, plan).await {
                Ok(hit) => return Ok(hit),
                Err(miss) => miss,
            };
            if miss.failure.row().blame && cluster.failed(&endpoint, &config.outlier) {
                count(&self.stats.ejections);
                tracing::warn!(
                    endpoint = &*endpoint.address,
                    cause = miss.failure.row().name,
                    "endpoint ejected"
                );
            }
            request = match miss.again {
                Some(request) if tried.is_none() && routes.budget.withdraw() => request,
                _ => return Err(miss.failure),
            };
            count(&self.stats.retries);
            tried = Some(endpoint);
        }
    }

    /// Sends a request to one endpoint. Connections that turn out to have been closed meanwhile, before
    /// anything was written to them, don't count.
    async fn attempt(
        &self,
        config: &Config,
        endpoint: &Rc<Endpoint>,
        mut request: Request<RequestBody>,
        plan: &Plan,
    ) -> Result<Hit, Miss> {
        let slot = Slot::new(Rc::clone(endpoint));
        if !config.preserve_host
            && let Ok(host) = HeaderValue::from_str(&endpoint.address)
        {
            request.headers_mut().insert(HOST, host);
        }
        let spare = plan.repeatable.then(|| copy(&request));
        loop {
            let pooled = endpoint.pool.checkout(config.upstream.idle);
            let reused = pooled.is_some();
            let sender = match pooled {
                Some(sender) => Ok(sender),
                None => self.connect(config, endpoint).await,
            };
            let mut sender = match sender {
                Ok(sender) => sender,
                Err(failure) => {
                    let again = Some(request);
                    return Err(Miss { failure, again });
                }
            };
            let began = Instant::now();
            let answer = sender.try_send_request(request);
            let failure = match within(config.upstream.response, &plan.progress, answer).await {
                Some(Ok(answer)) => {
                    endpoint.answered(began.elapsed());
                    let lease = Lease {
                        slot,
                        sender: Some(sender),
                        progress: Rc::clone(&plan.progress),
                        max_idle: config.upstream.max_idle,
                    };
                    return Ok(Hit { answer, lease });
                }
                Some(Err(mut error)) => match error.take_message() {
                    Some(unsent) if reused => {
                        request = unsent;
                        continue;
                    }
                    Some(unsent) => {
                        let (failure, again) = (Failure::ConnectionLost, Some(unsent));
                        return Err(Miss { failure, again });
                    }
                    None => classify(error.error(), reused, &plan.progress),
                },
                None => Failure::AnswerTimeout,
            };
            let repeat = matches!(failure, Failure::ConnectionLost | Failure::AnswerIncomplete);
            let spare = spare.filter(|_| repeat);
            let again =
                spare.map(|head| head.map(|()| RequestBody::empty(Rc::clone(&plan.progress))));
            return Err(Miss { failure, again });
        }
    }

    async fn connect(&self, config: &Config, endpoint: &Endpoint) -> Result<Sender, Failure> {
        count(&self.stats.upstream_connects);
        let connecting = TcpStream::connect(&*endpoint.address);
        let stream = match timeout(config.upstream.connect, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return Err(Failure::ConnectRefused),
            Err(_) => return Err(Failure::ConnectTimeout),
        };
        // Without it small bodies wait for acknowledgements; a socket that refuses works all the same.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(config.limits.header_bytes)
            .max_headers(config.limits.headers)
            .writev(false)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Failure::ConnectionLost)?;
        // What it ends with is told to the request that it happens to.
        spawn_local(connection.with_upgrades());
        Ok(sender)
    }

    /// Unlike any other of this worker, and unlikely to be one of another: no request pays for better.
    fn new_id(&self) -> HeaderValue {
        let number = self.requests.replace(self.requests.get().wrapping_add(1));
        let id = format!("{:016x}", Chance::new(self.seed).next() ^ number);
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
    }
}

/// Makes a client's request one of our own.
fn rewrite(
    parts: &mut Parts,
    connection: &Connection,
    peer: IpAddr,
    config: &Config,
    id: &HeaderValue,
) {
    connection.drop_from(&mut parts.headers);
    headers::add_own(&mut parts.headers, parts.version, peer, &config.name, id);
    if parts.uri.authority().is_some() {
        let path = parts.uri.path_and_query().cloned();
        parts.uri = path.map_or(Uri::from_static("/"), Uri::from);
    }
    parts.version = http::Version::HTTP_11;
    parts.extensions.clear();
}

fn ask_for_upgrade(headers: &mut http::HeaderMap, protocol: &HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol.clone());
}

fn copy(request: &Request<RequestBody>) -> Request<()> {
    let mut copy = Request::new(());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Waits for an answer, counted from the last piece of the request. None when it takes too long.
async fn within<T>(
    time: Duration,
    progress: &Progress,
    answer: impl Future<Output = T>,
) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
    let mut deadline = Instant::now() + time;
    loop {
        if let Ok(answer) = timeout_at(deadline, answer.as_mut()).await {
            return Some(answer);
        }
        let later = progress.last.get() + time;
        if later <= deadline {
            return None;
        }
        deadline = later;
    }
}

/// What it means that no answer came.
fn classify(error: &hyper::Error, reused: bool, progress: &Progress) -> Failure {
    if let Some(failure) = progress.failure.get() {
        failure
    } else if error.is_parse() {
        Failure::AnswerMalformed
    } else if reused {
        Failure::ConnectionLost
    } else {
        Failure::AnswerIncomplete
    }
}

/// Makes an upstream's answer one of our own, if it is one to this request.
fn accept(
    hit: Hit,
    protocol: Option<&HeaderValue>,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let Hit { mut answer, lease } = hit;
    *answer.version_mut() = http::Version::HTTP_11;
    let headers = answer.headers_mut();
    let connection = Connection::read(headers).ok_or(Failure::AnswerMalformed)?;
    let offered = headers.get(UPGRADE).cloned();
    connection.drop_from(headers);
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok((answer, lease));
    }
    let wanted = protocol.zip(offered);
    let same = |(wanted, offered): &(&HeaderValue, HeaderValue)| {
        wanted.as_bytes().eq_ignore_ascii_case(offered.as_bytes())
    };
    let (_, offered) = wanted.filter(same).ok_or(Failure::AnswerMalformed)?;
    ask_for_upgrade(answer.headers_mut(), &offered);
    Ok((answer, lease))
}

/// Copies bytes both ways once both sides have changed to another protocol.
fn tunnel(
    mut answer: Response<Incoming>,
    mut lease: Lease,
    upgraded: Option<OnUpgrade>,
    client: Rc<Client>,
) -> Response<AnswerBody> {
    lease.sender = None;
    let upstream = hyper::upgrade::on(&mut answer);
    if let Some(upgraded) = upgraded {
        spawn_local(async move {
            if let (Ok(down), Ok(up)) = tokio::join!(upgraded, upstream) {
                client.exchange.busy.store(true, Relaxed);
                let (mut down, mut up) = (TokioIo::new(down), TokioIo::new(up));
                // Either side may end it in any way.
                let _ = tokio::io::copy_bidirectional(&mut down, &mut up).await;
            }
            drop((lease, client));
        });
    }
    answer.map(|_| AnswerBody::own(bytes::Bytes::new()))
}
