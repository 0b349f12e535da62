//! What is done to the head of a request, timed alone: `cargo bench` in this directory.

#![expect(clippy::unwrap_used, reason = "a benchmark ends where something unexpected happens")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{HeaderValue, Request};

use service::gateway::headers::{self, Connection};
use service::gateway::policy;

/// What a browser sends, about.
fn request() -> http::request::Parts {
    Request::get("/shop/cart?item=17")
        .header("host", "shop.example.com")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Firefox/142.0")
        .header("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("accept-language", "en-GB,en;q=0.5")
        .header("accept-encoding", "gzip, deflate, br, zstd")
        .header("connection", "keep-alive")
        .header("cookie", "session=0123456789abcdef0123456789abcdef")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .body(())
        .unwrap()
        .into_parts()
        .0
}

fn head(criterion: &mut Criterion) {
    let [peer, via, id] =
        ["192.0.2.7", "1.1 gateway", "0123456789abcdef"].map(HeaderValue::from_static);
    criterion.bench_function("examine a head", |bencher| {
        let parts = request();
        bencher.iter(|| {
            let connection = Connection::read(&parts.headers).unwrap();
            policy::examine(black_box(&parts), &connection, "gateway").unwrap()
        });
    });
    criterion.bench_function("rewrite a head", |bencher| {
        bencher.iter_batched_ref(
            request,
            |parts| {
                headers::forget_claims(&mut parts.headers, false);
                let connection = Connection::read(&parts.headers).unwrap();
                connection.drop_from(&mut parts.headers);
                headers::add_own(&mut parts.headers, &peer, via.clone(), &id);
            },
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(parts, head);
criterion_main!(parts);
