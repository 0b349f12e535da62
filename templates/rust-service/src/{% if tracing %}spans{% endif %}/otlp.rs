//! How OpenTelemetry calls what was recorded: its semantic conventions for HTTP.

use std::borrow::Cow;
use std::time::SystemTime;

use http::{Method, StatusCode, Version};
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks};

use super::collector::Collector;
use super::{Served, Span, Try};
use crate::config::Config;
use crate::gateway::line::Line;
use crate::gateway::trace::Trace;

/// What upstreams are spoken to in.
const UPSTREAM_VERSION: &str = "1.1";
/// Of an answer that broke off (RFC 9209 section 2.3).
const INCOMPLETE: &str = "http_response_incomplete";
/// Of a try that nobody waits for any more.
const CANCELLED: &str = "cancelled";

/// Sends to the collector that these settings name. What the service is said to be, and what headers its
/// messages have, the environment may add to.
pub fn exporter(config: &Config) -> Result<SpanExporter, ExporterBuildError> {
    let endpoint = config.tracing.endpoint.trim_end_matches('/');
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Collector)
        .with_endpoint(format!("{endpoint}/v1/traces"))
        .build()?;
    let resource = Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attribute(KeyValue::new("service.name", config.name.clone()))
        .with_attribute(KeyValue::new("service.version", crate::VERSION))
        .with_detector(Box::new(EnvResourceDetector::new()));
    exporter.set_resource(&resource.build());
    Ok(exporter)
}

pub fn data(span: Span) -> SpanData {
    match span {
        Span::Served(served) => served_data(*served),
        Span::Try(tried) => try_data(*tried),
    }
}

fn served_data(served: Served) -> SpanData {
    let Served { trace, began, line, route, scheme } = served;
    let Line { entry, status, broken, took } = line;
    let (method, mut attributes) = method(&entry.method);
    let name = route.as_ref().map_or(method.into(), |route| format!("{method} {route}").into());
    attributes.extend([
        KeyValue::new("url.path", entry.uri.path().to_owned()),
        KeyValue::new("url.scheme", scheme),
        KeyValue::new("network.peer.address", entry.peer.to_canonical().to_string()),
        KeyValue::new("network.protocol.version", version(entry.version)),
        KeyValue::new("http.response.status_code", i64::from(status.as_u16())),
    ]);
    attributes.extend(entry.uri.query().map(|query| KeyValue::new("url.query", redacted(query))));
    attributes.extend(route.map(|route| KeyValue::new("http.route", route)));
    let token = entry.failure.map(|failure| failure.row().token);
    let error = token.or(broken.then_some(INCOMPLETE)).map(Cow::from);
    let error = error.or_else(|| status.is_server_error().then(|| code(status)));
    // What a client did wrong is no fault of the one who serves.
    let is_fault = status.is_server_error() || broken;
    attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
    SpanData {
        parent_span_is_remote: trace.parent != 0,
        span_kind: SpanKind::Server,
        name,
        attributes,
        status: if is_fault { Status::error("") } else { Status::Unset },
        ..bare(trace, trace.span, trace.parent, [began, began + took])
    }
}

fn try_data(tried: Try) -> SpanData {
    let Try { trace, span, began, ended, method: by, scheme, url, endpoint, again, outcome } =
        tried;
    let (name, mut attributes) = method(&by);
    let (host, port) = endpoint.rsplit_once(':').unwrap_or((&endpoint, ""));
    let query = url.query().map(|query| format!("?{}", redacted(query))).unwrap_or_default();
    attributes.extend([
        KeyValue::new("network.protocol.version", UPSTREAM_VERSION),
        KeyValue::new("server.address", host.trim_matches(['[', ']']).to_owned()),
        KeyValue::new("url.full", format!("{scheme}://{endpoint}{}{query}", url.path())),
    ]);
    attributes
        .extend(port.parse().ok().map(|port: u16| KeyValue::new("server.port", i64::from(port))));
    attributes.extend(again.then(|| KeyValue::new("http.request.resend_count", 1)));
    let error: Option<Cow<'static, str>> = match outcome {
        Some(Ok(status)) => {
            let number = i64::from(status.as_u16());
            attributes.push(KeyValue::new("http.response.status_code", number));
            // Whoever asks counts both as errors.
            (status.is_client_error() || status.is_server_error()).then(|| code(status))
        }
        Some(Err(failure)) => Some(failure.row().token.into()),
        None => Some(CANCELLED.into()),
    };
    let status = if error.is_some() { Status::error("") } else { Status::Unset };
    attributes.extend(error.map(|error| KeyValue::new("error.type", error)));
    SpanData {
        span_kind: SpanKind::Client,
        name: name.into(),
        attributes,
        status,
        ..bare(trace, span, trace.span, [began, ended])
    }
}

fn bare(trace: Trace, span: u64, parent: u64, [start_time, end_time]: [SystemTime; 2]) -> SpanData {
    let (id, span) = (TraceId::from(trace.id), SpanId::from(span));
    SpanData {
        span_context: SpanContext::new(id, span, TraceFlags::SAMPLED, false, TraceState::NONE),
        parent_span_id: SpanId::from(parent),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: Cow::default(),
        start_time,
        end_time,
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::builder(env!("CARGO_PKG_NAME")).build(),
    }
}

/// What a span is named after, and what is said of the method. One that few know must not make names without
/// end.
fn method(method: &Method) -> (&'static str, Vec<KeyValue>) {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];
    let attribute = |value| KeyValue::new("http.request.method", value);
    if let Some(known) = known.into_iter().find(|known| *known == method.as_str()) {
        return (known, vec![attribute(known)]);
    }
    let original = KeyValue::new("http.request.method_original", method.to_string());
    ("HTTP", vec![attribute("_OTHER"), original])
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// "Sensitive content ... SHOULD be scrubbed": whose requests these are knows which values of a query are, not
/// who passes them on.
fn redacted(query: &str) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((key, _)) => format!("{key}=REDACTED"),
        None => "REDACTED".to_owned(),
    };
    query.split('&').map(part).collect::<Vec<_>>().join("&")
}

fn code(status: StatusCode) -> Cow<'static, str> {
    status.as_str().to_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_query_the_names_are_told() {
        for (query, told) in [
            ("", "REDACTED"),
            ("color=blue&sig=c2VjcmV0==", "color=REDACTED&sig=REDACTED"),
            ("c2VjcmV0&a=", "REDACTED&a=REDACTED"),
        ] {
            assert_eq!(redacted(query), told);
        }
    }

    #[test]
    fn versions_are_called_as_the_conventions_have_them() {
        let told = [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2].map(version);
        assert_eq!(told, ["1.0", "1.1", "2"]);
    }
}
