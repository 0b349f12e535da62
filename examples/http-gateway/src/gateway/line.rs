//! What the access log says of a request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri};

use super::error::Failure;

/// What is known of a request before it is answered.
#[derive(Clone, Debug)]
pub struct Entry {
    pub peer: IpAddr,
    pub method: Method,
    pub uri: Uri,
    pub id: HeaderValue,
    pub upstream: Option<Arc<str>>,
    pub failure: Option<Failure>,
}

pub struct Line {
    pub entry: Entry,
    pub status: StatusCode,
    pub broken: bool,
    pub took: Duration,
}

impl Entry {
    /// Whether a request that came to this is logged with the errors.
    pub fn is_error(&self, status: StatusCode, broken: bool) -> bool {
        status.is_server_error() || self.failure.is_some() || broken
    }
}

impl Line {
    pub fn tell(self) {
        let entry = self.entry;
        tracing::info!(
            peer = %entry.peer,
            method = %entry.method,
            uri = %entry.uri,
            status = self.status.as_u16(),
            upstream = entry.upstream.as_deref(),
            error = entry.failure.map(|failure| failure.row().name),
            broken = self.broken.then_some(true),
            request_id = entry.id.to_str().ok(),
            seconds = self.took.as_secs_f64(),
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gateway_answers_itself_and_what_it_breaks_off_is_an_error() {
        let entry = |failure| Entry {
            peer: [192, 0, 2, 1].into(),
            method: Method::GET,
            uri: Uri::from_static("/"),
            id: HeaderValue::from_static("a-1"),
            upstream: None,
            failure,
        };
        for (failure, status, broken, is_error) in [
            (None, StatusCode::OK, false, false),
            (None, StatusCode::NOT_FOUND, false, false),
            (None, StatusCode::OK, true, true),
            (None, StatusCode::BAD_GATEWAY, false, true),
            (Some(Failure::Trace), StatusCode::METHOD_NOT_ALLOWED, false, true),
        ] {
            assert_eq!(entry(failure).is_error(status, broken), is_error, "{failure:?} {status}");
        }
    }
}
