//! The choice of an endpoint, timed alone: `cargo bench` in this directory.

#![expect(clippy::unwrap_used, reason = "a benchmark ends where something unexpected happens")]

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};

use service::config::Config;
use service::settings::Settings;
use service::upstream::Cluster;

fn balance(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("pick an endpoint");
    for count in [2, 10, 100] {
        for balance in ["p2c_ewma", "least_request", "round_robin"] {
            let addresses: Vec<_> = (1..=count).map(|number| format!("a:{number}")).collect();
            let text =
                format!("cluster.a = {{ endpoints = {addresses:?}, balance = {balance:?} }}");
            let settings = Settings::new(Config::parse(&text).unwrap(), 1);
            let cluster = Cluster::new("a", &settings.config.clusters["a"], &settings, 0, 1);
            group.bench_function(BenchmarkId::new(balance, count), |bencher| {
                bencher.iter(|| cluster.pick(None, black_box(1_024)).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(parts, balance);
criterion_main!(parts);
