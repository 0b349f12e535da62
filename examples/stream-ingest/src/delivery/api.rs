//! One batch, sent to the API: to which endpoint, over which connection, and what its answer means.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::problem::Problem;
use super::route::Route;
use crate::listener;
use crate::pool::Sender;
use crate::stats::{Stats, count};
use crate::upstream::{Endpoint, Nowhere, Slot};

pub type RequestBody = Full<Bytes>;

const PATH: &str = "/v1/readings";
/// Of an answer. A problem that names a hundred readings takes a quarter of it.
const MOST_BYTES: usize = 64 << 10;
const MOST_HEADERS: usize = 100;

/// What the API says of a batch.
pub enum Verdict {
    Stored,
    /// For what some of its readings are.
    Refused(Problem),
    TooLarge,
}

/// A batch of which nothing is known, or that is to be sent again as it is.
pub struct Miss {
    pub failure: Failure,
    /// Of the answer, if there was one.
    pub status: Option<StatusCode>,
    /// For how long the API wants to be left alone.
    pub retry_after: Option<Duration>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Route {
    /// One try, and one more when another endpoint may do better and the budget has it: also when the first
    /// wants to be left alone. Each goes to another endpoint than the one that was tried last, where there
    /// is one.
    pub async fn send(
        &self,
        body: Bytes,
        tried: &mut Option<Rc<Endpoint>>,
        stats: &Stats,
    ) -> Result<Verdict, Miss> {
        self.budget.deposit();
        let first = self.pick(tried.as_ref())?;
        let outcome = self.attempt(&first, body.clone()).await;
        let may_help = outcome
            .as_ref()
            .is_err_and(|miss| miss.failure.row().elsewhere || miss.retry_after.is_some());
        let second = may_help.then(|| self.pick(Some(&first))).and_then(Result::ok);
        *tried = Some(first);
        let Some(second) = second.filter(|_| self.budget.withdraw()) else {
            return outcome;
        };
        count(&stats.retries);
        let outcome = self.attempt(&second, body).await;
        *tried = Some(second);
        outcome
    }

    /// The least busy of the others in place of one that wants to be left alone.
    fn pick(&self, tried: Option<&Rc<Endpoint>>) -> Result<Rc<Endpoint>, Failure> {
        let most = self.config.upstream.max_in_flight;
        let picked = self.cluster.pick(tried, most).map_err(|nowhere| match nowhere {
            Nowhere::Unhealthy => Failure::NoHealthyEndpoint,
            Nowhere::Full => Failure::Overloaded,
        })?;
        let is_silent = |endpoint: &Endpoint| self.silence.end(endpoint.address()).is_some();
        if !is_silent(&picked) {
            return Ok(picked);
        }
        // Those that are not fit are used where the cluster uses them.
        let is_usable = |endpoint: &Endpoint| self.is_fit(endpoint) || !self.is_fit(&picked);
        let is_tried =
            |endpoint: &Rc<Endpoint>| tried.is_some_and(|tried| Rc::ptr_eq(tried, endpoint));
        let others = self.cluster.endpoints.iter().filter(|endpoint| {
            !is_silent(endpoint) && is_usable(endpoint) && endpoint.record.in_flight() < most
        });
        let least = others.min_by_key(|other| (is_tried(other), other.record.in_flight()));
        least.cloned().ok_or(Failure::Throttled)
    }

    /// Asks one endpoint, and remembers how that went.
    async fn attempt(&self, endpoint: &Rc<Endpoint>, body: Bytes) -> Result<Verdict, Miss> {
        let _slot = Slot::new(Rc::clone(endpoint));
        let began = Instant::now();
        let outcome = self.ask(endpoint, body).await.map_err(Miss::from).and_then(|it| judge(&it));
        let now = Instant::now();
        match &outcome {
            Ok(_) => self.cluster.answered(endpoint, now, now - began),
            Err(Miss { failure, retry_after, .. }) => {
                let cause = failure.row();
                if let Some(time) = retry_after {
                    let most = self.config.retry.max_backoff;
                    self.silence.begin(endpoint.address(), (*time).min(most));
                }
                endpoint.record.causes.count(*failure);
                if cause.blame {
                    let outlier = &self.config.outlier;
                    self.cluster.failed(endpoint, now - began, cause.name, outlier);
                }
            }
        }
        outcome
    }

    /// A whole answer. Connections that turn out to have been closed since they were used last don't
    /// count: the API stores a reading once, however often it comes.
    async fn ask(&self, endpoint: &Endpoint, body: Bytes) -> Result<Answer, Failure> {
        let settings = &self.config.upstream;
        loop {
            let pooled = endpoint.pool.checkout(Instant::now(), settings.idle);
            let reused = pooled.is_some();
            let mut sender = match pooled {
                Some(sender) => sender,
                None => self.connect(endpoint).await?,
            };
            let request = request(endpoint.address(), body.clone());
            match timeout(settings.response, exchange(&mut sender, request)).await {
                Ok(Ok(answer)) => {
                    endpoint.pool.checkin(sender, settings.max_idle);
                    return Ok(answer);
                }
                Ok(Err(Failure::AnswerIncomplete)) if reused => {}
                Ok(Err(failure)) => return Err(failure),
                Err(_) => return Err(Failure::AnswerTimeout),
            }
        }
    }

    async fn connect(&self, endpoint: &Endpoint) -> Result<Sender, Failure> {
        count(&endpoint.record.connects);
        let connecting = TcpStream::connect(&**endpoint.address());
        let stream = match timeout(self.config.upstream.connect, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if listener::is_own(&error) => return Err(Failure::Overloaded),
            Ok(Err(_)) => return Err(Failure::ConnectRefused),
            Err(_) => return Err(Failure::ConnectTimeout),
        };
        // Without it the end of a body may wait for an acknowledgement; a socket that refuses works all
        // the same.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MOST_BYTES)
            .max_headers(MOST_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Failure::AnswerIncomplete)?;
        // What it ends with is told to the request that it happens to.
        spawn_local(connection);
        Ok(sender)
    }
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self { failure, status: None, retry_after: None }
    }
}

fn request(endpoint: &str, body: Bytes) -> Request<RequestBody> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = http::Uri::from_static(PATH);
    let headers = request.headers_mut();
    // An endpoint that is no host would not have been connected to.
    if let Ok(host) = HeaderValue::from_str(endpoint) {
        headers.insert(HOST, host);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(env!("CARGO_PKG_NAME")));
    request
}

async fn exchange(sender: &mut Sender, request: Request<RequestBody>) -> Result<Answer, Failure> {
    // A connection that comes from the pool may have to notice first that its last answer has ended.
    sender.ready().await.map_err(|error| classify(&error))?;
    let answer = sender.send_request(request).await.map_err(|error| classify(&error))?;
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|error| {
        let endless = error.is::<LengthLimitError>();
        if endless { Failure::AnswerMalformed } else { Failure::AnswerIncomplete }
    })?;
    Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() })
}

/// What it means that no answer came.
fn classify(error: &hyper::Error) -> Failure {
    if error.is_parse() { Failure::AnswerMalformed } else { Failure::AnswerIncomplete }
}

/// What an answer means.
fn judge(answer: &Answer) -> Result<Verdict, Miss> {
    let status = answer.status;
    let failure = match status.as_u16() {
        200..=299 => return Ok(Verdict::Stored),
        code @ (409 | 422) => return Ok(Verdict::Refused(Problem::read(code, &answer.body))),
        413 => return Ok(Verdict::TooLarge),
        429 | 503 => Failure::Throttled,
        408 | 500..=599 => Failure::ServerError,
        _ => Failure::Misconfigured,
    };
    // As a date it may come, too; then pauses are as long as without it.
    let seconds = answer.headers.get(RETRY_AFTER).and_then(|text| text.to_str().ok()?.parse().ok());
    let retry_after = seconds.filter(|_| failure == Failure::Throttled).map(Duration::from_secs);
    Err(Miss { failure, status: Some(status), retry_after })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16, retry_after: Option<&str>) -> Result<Verdict, Miss> {
        let mut headers = HeaderMap::new();
        if let Some(text) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        }
        let status = StatusCode::from_u16(status).unwrap();
        judge(&Answer { status, headers, body: Bytes::new() })
    }

    #[test]
    fn each_status_means_what_the_contract_says() {
        for (status, expected) in [
            (101, "misconfigured"),
            (200, "stored"),
            (204, "stored"),
            (301, "misconfigured"),
            (400, "misconfigured"),
            (401, "misconfigured"),
            (403, "misconfigured"),
            (404, "misconfigured"),
            (408, "server_error"),
            (409, "refused"),
            (413, "too large"),
            (415, "misconfigured"),
            (422, "refused"),
            (429, "throttled"),
            (500, "server_error"),
            (502, "server_error"),
            (503, "throttled"),
            (599, "server_error"),
            (999, "misconfigured"),
        ] {
            let meaning = match judged(status, None) {
                Ok(Verdict::Stored) => "stored",
                Ok(Verdict::Refused(_)) => "refused",
                Ok(Verdict::TooLarge) => "too large",
                Err(miss) => miss.failure.row().name,
            };
            assert_eq!(meaning, expected, "{status}");
        }
    }

    #[test]
    fn only_an_api_that_is_busy_is_left_alone_for_as_long_as_it_says() {
        for (status, text, seconds) in [
            (429, "7", Some(7)),
            (503, "0", Some(0)),
            (503, "-1", None),
            (503, "Wed, 21 Oct 2026 07:28:00 GMT", None),
            (500, "7", None),
        ] {
            let retry_after = judged(status, Some(text)).err().and_then(|miss| miss.retry_after);
            assert_eq!(retry_after, seconds.map(Duration::from_secs), "{status} {text}");
        }
    }
}
