//! What the kernel counts of this process, under the names that Prometheus has for it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use rustix::process::{Resource, getrlimit};

/// `USER_HZ`, which Linux promises to programs.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub struct Process {
    started: SystemTime,
}

impl Process {
    pub fn start() -> Self {
        Self { started: SystemTime::now() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let since_epoch = self.started.duration_since(UNIX_EPOCH).unwrap_or_default();
        let gauges = [
            ("resident_memory_bytes", "Memory in use", resident_bytes()),
            ("open_fds", "Descriptors that are open", open_descriptors()),
            ("max_fds", "Descriptors that may be open", getrlimit(Resource::Nofile).current),
            ("start_time_seconds", "When it was started", Some(since_epoch.as_secs())),
        ];
        for (name, help, value) in gauges {
            // Without a limit, or without /proc, there is nothing to tell.
            let Some(value) = value.and_then(|value| i64::try_from(value).ok()) else {
                continue;
            };
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)?;
        }
        let (name, help) = ("cpu_seconds", "Time of processors, for itself and in the kernel");
        let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(processor_seconds().unwrap_or_default()).encode(metric)
    }
}

/// From a line such as `VmRSS:      8432 kB` (proc(5)).
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

fn open_descriptors() -> Option<u64> {
    let descriptors = std::fs::read_dir("/proc/self/fd").ok()?;
    u64::try_from(descriptors.count()).ok()
}

/// Fields 14 and 15, of which the second, in brackets, may have spaces in it (proc(5)).
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut ticks = after_name.split_whitespace().skip(11).map(str::parse::<f64>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_and_taken_is_counted() {
        let before = open_descriptors().unwrap();
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        assert!(open_descriptors().unwrap() >= before + 25, "of 50, others may have closed some");
        drop(files);
        let before = resident_bytes().unwrap();
        let memory = std::hint::black_box(vec![1_u8; 64 << 20]);
        assert!(resident_bytes().unwrap() >= before + (32 << 20), "of {}", memory.len());
        let before = processor_seconds().unwrap();
        assert!((0..100_000).any(|_| processor_seconds().unwrap() > before), "asking takes time");
    }
}
