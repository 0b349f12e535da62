//! Readings from bytes to what is to be delivered, and back to an acknowledgement, timed alone: `cargo bench` in this
//! directory.

#![expect(clippy::unwrap_used, reason = "a benchmark ends where something unexpected happens")]

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Waker};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use service::delivery::{Reading, Recipient};
use service::ingest::decoder::Decoder;
use service::ingest::frame::{Body, Frame};
use service::ingest::session::Session;
use service::shutdown::Work;

const READINGS: u32 = 1_000;

fn reading(sequence: u32) -> Frame {
    let body = Body::Reading { elapsed_ms: 1_000, value: 21_875, base: sequence };
    Frame { device: 42, epoch: 1_795_000_000_123, sequence, body }
}

fn frames(criterion: &mut Criterion) {
    let mut bytes = Vec::new();
    for sequence in 1..=READINGS {
        reading(sequence).encode(&mut bytes);
    }
    let mut group = criterion.benchmark_group("readings");
    group.throughput(Throughput::Elements(READINGS.into()));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let (mut decoder, mut rest) = (Decoder::default(), black_box(bytes.as_slice()));
            while let Some(frame) = decoder.next(&mut rest) {
                black_box(frame.unwrap());
            }
        });
    });
    group.bench_function("take, settle and acknowledge", |bencher| {
        bencher.iter(|| {
            let session = Session::new(Work::new().0);
            let mut out = Vec::new();
            for sequence in 1..=READINGS {
                let Frame { device, epoch, .. } = reading(sequence);
                let reading = Reading { device, epoch, sequence, measured_at: 0, value: 21_875 };
                black_box(session.take(&reading, sequence).unwrap());
                session.settle(&reading);
                out.clear();
                let next = pin!(session.next(&mut out));
                assert!(next.poll(&mut Context::from_waker(Waker::noop())).is_ready());
            }
            out
        });
    });
    group.finish();
}

criterion_group!(parts, frames);
criterion_main!(parts);
