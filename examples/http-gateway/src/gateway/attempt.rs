//! The tries of one request: at which endpoint, over which connection, and whether once more.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HOST, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout, timeout_at};

use super::Gateway;
use super::body::{Lease, Progress, RequestBody};
use super::error::Failure;
use super::headers::Connection;
use super::policy;
use super::route::Routes;
use super::served::Served;
use super::upgrade;
use super::wait::Wait;
use crate::config::Config;
use crate::listener;
use crate::pool::Sender;
use crate::stats::count;
use crate::upstream::{Cluster, Endpoint, Nowhere, Slot};

/// What a try needs to know of its request.
pub struct Plan {
    pub progress: Rc<Progress>,
    /// Idempotent, without a body: sending it twice is the same as once.
    pub repeatable: bool,
    /// The protocols to which it asks to change.
    pub upgrade: Option<HeaderValue>,
}

/// An answer that may be passed on, and the connection that it comes from.
pub struct Hit {
    pub answer: Response<Incoming>,
    pub lease: Lease,
}

/// A try that came to nothing, with the request if it may be sent again.
struct Miss {
    failure: Failure,
    again: Option<Request<RequestBody>>,
}

impl Gateway {
    /// One try, and one more on another endpoint when that can do no harm.
    pub async fn try_endpoints(
        &self,
        routes: &Routes,
        cluster: &Cluster,
        mut request: Request<RequestBody>,
        plan: &Plan,
        served: &mut Served,
    ) -> Result<Hit, Failure> {
        let config = &routes.config;
        routes.budget.deposit();
        let mut tried: Option<(Rc<Endpoint>, Failure)> = None;
        let mut began = plan.progress.last.get();
        loop {
            let before = tried.as_ref().map(|(endpoint, _)| endpoint);
            let endpoint = cluster.pick(before, config.upstream.max_in_flight);
            let endpoint = endpoint.map_err(|nowhere| match (&tried, nowhere) {
                // What went wrong first says more than that there is nobody else.
                (Some((_, failure)), _) => *failure,
                (None, Nowhere::Unhealthy) => Failure::NoHealthyEndpoint,
                (None, Nowhere::Full) => Failure::Overloaded,
            })?;
            served.entry.upstream = Some(Arc::clone(endpoint.address()));
            let clock = routes.settings.clock;
            let progress = &plan.progress;
            let wait = Wait { clock, endpoint: &endpoint, progress, began, over: false };
            let outcome = self.attempt(config, cluster, &endpoint, request, plan).await;
            let since = wait.over();
            let miss = match outcome {
                Ok(hit) => return Ok(hit),
                Err(miss) => miss,
            };
            endpoint.record.causes.count(miss.failure);
            let cause = miss.failure.row();
            if cause.blame {
                cluster.failed(&endpoint, since.elapsed(), cause.name, &config.outlier);
            }
            request = match miss.again {
                Some(request) if tried.is_none() && routes.budget.withdraw() => request,
                _ => return Err(miss.failure),
            };
            count(&self.stats.retries);
            began = Instant::now();
            tried = Some((endpoint, miss.failure));
        }
    }

    /// Sends a request to one endpoint. Connections that turn out to have been closed meanwhile, before
    /// anything was written to them, don't count.
    async fn attempt(
        &self,
        config: &Config,
        cluster: &Cluster,
        endpoint: &Rc<Endpoint>,
        mut request: Request<RequestBody>,
        plan: &Plan,
    ) -> Result<Hit, Miss> {
        let slot = Slot::new(Rc::clone(endpoint));
        if !config.preserve_host
            && let Ok(host) = HeaderValue::from_str(endpoint.address())
        {
            request.headers_mut().insert(HOST, host);
        }
        let spare = plan.repeatable.then(|| copy(&request));
        loop {
            let mut began = Instant::now();
            let pooled = endpoint.pool.checkout(began, config.upstream.idle);
            let reused = pooled.is_some();
            let mut sender = match pooled {
                Some(sender) => sender,
                None => match self.connect(config, endpoint).await {
                    Ok(sender) => {
                        began = Instant::now();
                        sender
                    }
                    Err(failure) => {
                        let again = Some(request);
                        return Err(Miss { failure, again });
                    }
                },
            };
            let answer = sender.try_send_request(request);
            let time = config.upstream.response;
            let failure = match within(began + time, time, &plan.progress, answer).await {
                Some(Ok(answer)) => match accept(answer, plan.upgrade.as_ref()) {
                    Some(answer) => {
                        // How long a client takes to send a body tells nothing about the endpoint.
                        let sent = began.max(plan.progress.last.get());
                        let now = Instant::now();
                        cluster.answered(endpoint, now, now.duration_since(sent));
                        let progress = Rc::clone(&plan.progress);
                        let max_idle = config.upstream.max_idle;
                        let lease = Lease { slot, sender: Some(sender), progress, max_idle };
                        return Ok(Hit { answer, lease });
                    }
                    None => Failure::AnswerMalformed,
                },
                Some(Err(mut error)) => match error.take_message() {
                    Some(unsent) if reused => {
                        request = unsent;
                        continue;
                    }
                    Some(unsent) => {
                        let (failure, again) = (Failure::AnswerIncomplete, Some(unsent));
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
        count(&endpoint.record.connects);
        let connecting = TcpStream::connect(&**endpoint.address());
        let stream = match timeout(config.upstream.connect, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if listener::is_own(&error) => return Err(Failure::Overloaded),
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
            .map_err(|_| Failure::AnswerIncomplete)?;
        // What it ends with is told to the request that it happens to.
        spawn_local(connection.with_upgrades());
        Ok(sender)
    }
}

fn copy(request: &Request<RequestBody>) -> Request<()> {
    let mut copy = Request::new(());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    copy
}

/// Waits for an answer until a deadline, or as long as `time` after the last piece of the request. None
/// when it takes longer.
async fn within<T>(
    mut deadline: Instant,
    time: Duration,
    progress: &Progress,
    answer: impl Future<Output = T>,
) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
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
    mut answer: Response<Incoming>,
    protocols: Option<&HeaderValue>,
) -> Option<Response<Incoming>> {
    *answer.version_mut() = http::Version::HTTP_11;
    let headers = answer.headers_mut();
    if !policy::is_framed(headers) {
        return None;
    }
    let connection = Connection::read(headers)?;
    let protocol = headers.get(UPGRADE).cloned();
    connection.drop_from(headers);
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let protocol = protocol.filter(|protocol| upgrade::is_among(protocol, protocols))?;
        upgrade::ask_for(answer.headers_mut(), &protocol);
    }
    Some(answer)
}
