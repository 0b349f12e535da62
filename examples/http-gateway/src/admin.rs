//! The listener for probes, Prometheus and operators, on a thread of its own: what they ask for costs
//! clients nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::metrics::Metrics;
use crate::process::Process;
use crate::settings::Current;
use crate::shutdown::Phases;
use crate::telemetry::Level;
use crate::upstream::report;
use crate::{health, listener, vital};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const HEADER_READ: Duration = Duration::from_secs(5);
/// A scrape takes milliseconds; whoever takes longer has gone.
const CONNECTION: Duration = Duration::from_mins(2);
const MOST_BODY: usize = 64;

pub struct Admin {
    registry: Registry,
    level: Level,
    current: Arc<Current>,
    phases: Phases,
}

impl Admin {
    pub fn new(metrics: Metrics, level: Level, current: Arc<Current>, phases: Phases) -> Self {
        let mut registry = Registry::default();
        let own = registry.sub_registry_with_prefix(env!("CARGO_CRATE_NAME"));
        own.register_collector(Box::new(metrics));
        let process = registry.sub_registry_with_prefix("process");
        process.register_collector(Box::new(Process::start()));
        Self { registry, level, current, phases }
    }

    pub fn start(self, listener: std::net::TcpListener) -> std::io::Result<JoinHandle<()>> {
        vital::spawn("admin", || crate::local_runtime()?.block_on(self.run(listener)))
    }

    async fn run(self, listener: std::net::TcpListener) -> std::io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let mut phases = self.phases.clone();
        let checked = Arc::clone(&self.current);
        let admin = Arc::new(self);
        let serve = async {
            loop {
                let (stream, _) = listener::accept(&listener, |_| ()).await;
                spawn_local(Arc::clone(&admin).converse(stream));
            }
        };
        tokio::select! {
            () = phases.stopped() => Ok(()),
            () = serve => Ok(()),
            () = health::watch(checked) => Ok(()),
        }
    }

    async fn converse(self: Arc<Self>, stream: tokio::net::TcpStream) {
        let service = service_fn(move |request| Arc::clone(&self).respond(request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_READ)
            .serve_connection(TokioIo::new(stream), service);
        // A client that went away is no news.
        let _ = timeout(CONNECTION, connection).await;
    }

    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path();
        Ok(match (parts.method, path) {
            (Method::PUT, "/log-level") => self.set_level(body).await,
            (Method::GET | Method::HEAD, path) => self.show(path),
            (_, path) => {
                let methods = if path == "/log-level" { "GET, HEAD, PUT" } else { "GET, HEAD" };
                let mut answer =
                    reply(StatusCode::METHOD_NOT_ALLOWED, TEXT, "method not allowed\n");
                answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
                answer
            }
        })
    }

    fn show(&self, path: &str) -> Response<Full<Bytes>> {
        match path {
            "/livez" => reply(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" if self.phases.is_running() => reply(StatusCode::OK, TEXT, "ok\n"),
            "/readyz" => reply(StatusCode::SERVICE_UNAVAILABLE, TEXT, "draining\n"),
            "/metrics" => {
                let mut text = String::new();
                match encode(&mut text, &self.registry) {
                    Ok(()) => reply(StatusCode::OK, OPEN_METRICS, text),
                    Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "can't encode\n"),
                }
            }
            "/version" => {
                let build =
                    serde_json::json!({"version": crate::VERSION, "revision": crate::REVISION});
                json(&build)
            }
            "/log-level" => reply(StatusCode::OK, TEXT, format!("{}\n", self.level.get())),
            "/config" => json(&*self.current.load().config),
            "/upstreams" => {
                let rows = report::rows(&self.current.load());
                reply(StatusCode::OK, TEXT, report::table(&rows))
            }
            "/upstreams.json" => json(&report::rows(&self.current.load())),
            _ => reply(StatusCode::NOT_FOUND, TEXT, "not found\n"),
        }
    }

    async fn set_level(&self, body: Incoming) -> Response<Full<Bytes>> {
        let body = Limited::new(body, MOST_BODY).collect().await;
        let bytes = body.map(Collected::to_bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let before = self.level.get();
        let Ok(level) = text.trim().parse() else {
            let levels = "want error, warn, info, debug or trace\n";
            return reply(StatusCode::BAD_REQUEST, TEXT, levels);
        };
        self.level.set(level);
        tracing::warn!(from = before, to = self.level.get(), "log level changed");
        reply(StatusCode::OK, TEXT, format!("{}\n", self.level.get()))
    }
}

fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => reply(StatusCode::OK, JSON, text),
        Err(_) => reply(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "can't encode\n"),
    }
}

fn reply(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// Asks a running process for its readiness, for images that have no other HTTP client.
pub fn ask(address: SocketAddr, path: &str) -> std::io::Result<StatusCode> {
    use std::io::{Error, Read, Write};
    let time = Duration::from_secs(2);
    let mut stream = std::net::TcpStream::connect_timeout(&address, time)?;
    stream.set_read_timeout(Some(time))?;
    stream.set_write_timeout(Some(time))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    let status = line.strip_prefix(b"HTTP/1.1 ").ok_or_else(|| Error::other("no HTTP"))?;
    StatusCode::from_bytes(status).map_err(Error::other)
}
