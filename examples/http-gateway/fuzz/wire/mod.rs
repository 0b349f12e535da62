//! A head as the next hop reads it, and as this one writes it.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request};

/// As hyper reads it, by the same parser.
pub fn parse(bytes: &[u8]) -> Option<Request<()>> {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut head = httparse::Request::new(&mut fields);
    if head.parse(bytes).ok()?.is_partial() {
        return None;
    }
    let mut request = Request::builder().method(head.method?).uri(head.path?);
    for field in head.headers.iter() {
        let value = HeaderValue::from_bytes(field.value).ok()?;
        request = request.header(HeaderName::from_bytes(field.name.as_bytes()).ok()?, value);
    }
    request.body(()).ok()
}

pub fn written(method: &Method, target: &str, headers: &HeaderMap) -> Vec<u8> {
    let mut head = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
    for (name, value) in headers {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}
