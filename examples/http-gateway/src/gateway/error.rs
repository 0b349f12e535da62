//! The one table of errors: what each is answered with, and what follows from it.

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};

/// Why a request was not answered by an upstream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    /// Something that this gateway does not forward; the text says what.
    Refused(&'static str),
    Connect,
    Trace,
    BodyTooLarge,
    BodyTooSlow,
    BodyIncomplete,
    Loop,
    NoRoute,
    NoHealthyEndpoint,
    Overloaded,
    ConnectRefused,
    ConnectTimeout,
    ConnectionLost,
    AnswerIncomplete,
    AnswerMalformed,
    AnswerTimeout,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The label of its metric.
    pub name: &'static str,
    pub status: StatusCode,
    /// The error type of Proxy-Status (RFC 9209 section 2.3).
    pub token: &'static str,
    /// Whether the client's connection ends with the answer.
    pub close: bool,
    /// Whether the endpoint is to blame.
    pub blame: bool,
}

impl Failure {
    pub const ALL: [Self; 16] = [
        Self::Refused(""),
        Self::Connect,
        Self::Trace,
        Self::BodyTooLarge,
        Self::BodyTooSlow,
        Self::BodyIncomplete,
        Self::Loop,
        Self::NoRoute,
        Self::NoHealthyEndpoint,
        Self::Overloaded,
        Self::ConnectRefused,
        Self::ConnectTimeout,
        Self::ConnectionLost,
        Self::AnswerIncomplete,
        Self::AnswerMalformed,
        Self::AnswerTimeout,
    ];

    #[rustfmt::skip]
    pub const fn row(self) -> Row {
        use StatusCode as S;
        let (name, status, token, close, blame) = match self {
            Self::Refused(_) => ("refused", S::BAD_REQUEST, "http_request_error", true, false),
            Self::Connect => ("connect", S::NOT_IMPLEMENTED, "http_request_error", true, false),
            Self::Trace => ("trace", S::METHOD_NOT_ALLOWED, "http_request_error", true, false),
            Self::BodyTooLarge => ("body_too_large", S::PAYLOAD_TOO_LARGE, "http_request_error", true, false),
            Self::BodyTooSlow => ("body_too_slow", S::REQUEST_TIMEOUT, "http_request_error", true, false),
            Self::BodyIncomplete => ("body_incomplete", S::BAD_REQUEST, "http_request_error", true, false),
            Self::Loop => ("loop", S::LOOP_DETECTED, "proxy_loop_detected", false, false),
            Self::NoRoute => ("no_route", S::NOT_FOUND, "destination_not_found", false, false),
            Self::NoHealthyEndpoint => ("no_healthy_endpoint", S::SERVICE_UNAVAILABLE, "destination_unavailable", false, false),
            Self::Overloaded => ("overloaded", S::SERVICE_UNAVAILABLE, "connection_limit_reached", false, false),
            Self::ConnectRefused => ("connect_refused", S::BAD_GATEWAY, "connection_refused", false, true),
            Self::ConnectTimeout => ("connect_timeout", S::GATEWAY_TIMEOUT, "connection_timeout", false, true),
            Self::ConnectionLost => ("connection_lost", S::BAD_GATEWAY, "connection_terminated", false, false),
            Self::AnswerIncomplete => ("answer_incomplete", S::BAD_GATEWAY, "http_response_incomplete", false, true),
            Self::AnswerMalformed => ("answer_malformed", S::BAD_GATEWAY, "http_protocol_error", false, true),
            Self::AnswerTimeout => ("answer_timeout", S::GATEWAY_TIMEOUT, "http_response_timeout", false, true),
        };
        Row { name, status, token, close, blame }
    }

    /// The answer for the client.
    pub fn answer(self, gateway: &str, id: Option<&HeaderValue>) -> Response<Bytes> {
        let row = self.row();
        let reason = row.status.canonical_reason().unwrap_or_default();
        let text = format!("{} {reason}\n", row.status.as_u16());
        let mut answer = Response::new(Bytes::new());
        *answer.status_mut() = row.status;
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        let status = match self {
            Self::Refused(why) => format!("{gateway}; error={}; details=\"{why}\"", row.token),
            _ => format!("{gateway}; error={}", row.token),
        };
        if let Ok(status) = HeaderValue::from_str(&status) {
            headers.insert("proxy-status", status);
        }
        if let Some(id) = id {
            headers.insert("x-request-id", id.clone());
        }
        if row.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self == Self::Trace {
            let methods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if self == Self::Overloaded {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        *answer.body_mut() = text.into();
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_label_of_its_own() {
        let names: BTreeSet<_> = Failure::ALL.iter().map(|failure| failure.row().name).collect();
        assert_eq!(names.len(), Failure::ALL.len());
    }

    #[test]
    fn an_answer_says_who_failed_and_why() {
        let id = HeaderValue::from_static("a-1");
        let answer = Failure::Refused("no host").answer("edge", Some(&id));
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.body(), "400 Bad Request\n");
        let status = r#"edge; error=http_request_error; details="no host""#;
        assert_eq!(answer.headers()["proxy-status"], status);
        assert_eq!(answer.headers()["x-request-id"], "a-1");
        assert_eq!(answer.headers()["connection"], "close");
    }
}
