//! Endpoints as operators see them: a table to read, and the same for programs.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use serde::Serialize;

use super::member::{Member, Record};
use crate::settings::Settings;

/// One endpoint.
#[derive(Debug, Serialize)]
pub struct Row {
    cluster: String,
    endpoint: String,
    /// `down` when its checks fail, `ejected` when any worker leaves it alone, otherwise `up`.
    state: &'static str,
    workers: usize,
    ejected_by: usize,
    /// Until the last of them uses it again.
    ejected_seconds: u64,
    in_flight: usize,
    requests: u64,
    answers: u64,
    connects: u64,
    failures: BTreeMap<&'static str, u64>,
    /// The highest that a worker expects, which is what it chooses by.
    latency_ms: f64,
}

const HEAD: [&str; COLUMNS] =
    ["CLUSTER", "ENDPOINT", "STATE", "IN FLIGHT", "REQUESTS", "FAILURES", "CONNECTS", "LATENCY"];
const COLUMNS: usize = 8;
/// Columns that are words; the others are numbers.
const WORDS: usize = 3;

pub fn rows(settings: &Settings) -> Vec<Row> {
    let now = settings.clock.now();
    settings.members().map(|(cluster, member)| Row::new(cluster, member, now)).collect()
}

/// A line for each endpoint, below one with the names of the columns.
pub fn table(rows: &[Row]) -> String {
    let lines: Vec<_> =
        [HEAD.map(str::to_owned)].into_iter().chain(rows.iter().map(Row::cells)).collect();
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            let width = lines.iter().filter_map(|line| line.get(column)).map(String::len).max();
            let width = width.unwrap_or_default();
            let cell =
                if column < WORDS { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
            text.push_str(if column == 0 { "" } else { "  " });
            text.push_str(&cell);
        }
        text.push('\n');
    }
    text
}

impl Row {
    fn new(cluster: &str, member: &Member, now: u64) -> Self {
        let (ejected_by, longest) = member
            .ejected(now)
            .fold((0, 0), |(count, most), left| (count + 1, left.as_secs().max(most)));
        let sum = |of: fn(&Record) -> &AtomicU64| member.sum(of);
        let causes = member.causes(|record| &record.causes);
        let latencies = member.records.iter().map(|record| record.estimate(now));
        Self {
            cluster: cluster.to_owned(),
            endpoint: member.address.to_string(),
            state: match ejected_by {
                _ if member.is_down() => "down",
                0 => "up",
                _ => "ejected",
            },
            workers: member.records.len(),
            ejected_by,
            ejected_seconds: longest,
            in_flight: member.in_flight(),
            requests: sum(|record| &record.tries),
            answers: sum(|record| &record.answers),
            connects: sum(|record| &record.connects),
            failures: causes.into_iter().filter(|(_, count)| *count > 0).collect(),
            latency_ms: latencies.fold(0.0, f64::max) * 1e3,
        }
    }

    fn cells(&self) -> [String; COLUMNS] {
        let state = match self {
            Self { ejected_by: 0, .. } => self.state.to_owned(),
            Self { state, ejected_by, workers, ejected_seconds, .. } => {
                format!("{state} {ejected_by}/{workers} {ejected_seconds}s")
            }
        };
        [
            self.cluster.clone(),
            self.endpoint.clone(),
            state,
            self.in_flight.to_string(),
            self.requests.to_string(),
            self.failures.values().sum::<u64>().to_string(),
            self.connects.to_string(),
            format!("{:.1}ms", self.latency_ms),
        ]
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Config;
    use crate::gateway::error::Failure;

    #[tokio::test(start_paused = true)]
    async fn a_table_says_of_each_endpoint_how_it_is() {
        let text = "cluster.web.endpoints = [\"127.0.0.1:8080\", \"b:1\"]\n\
            cluster.other.endpoints = [\"c:1\"]";
        let config = Config::parse(text).unwrap();
        let (outlier, health) = (config.outlier.clone(), config.health.clone());
        let settings = Settings::new(config, 2);
        let (web, other) = (&settings.members["web"], &settings.members["other"]);
        for micros in [1_500, 2_500] {
            web[0].records[0].begin();
            web[0].records[0].answered(0, Duration::from_micros(micros));
        }
        web[1].records[1].causes.count(Failure::ConnectRefused);
        web[1].records[1].eject(0, &outlier);
        while !other[0].checked(false, &health) {}
        tokio::time::advance(Duration::from_secs(3)).await;
        let rows = rows(&settings);
        // Of 2.5 ms, after 3 s of the 10 in which it decays to 1/e.
        let expected = "\
CLUSTER  ENDPOINT        STATE            IN FLIGHT  REQUESTS  FAILURES  CONNECTS  LATENCY
other    c:1             down                     0         0         0         0    0.0ms
web      127.0.0.1:8080  up                       2         2         0         0    1.9ms
web      b:1             ejected 1/2 27s          0         0         1         0    0.0ms
";
        assert_eq!(table(&rows), expected);
        let json = serde_json::to_value(&rows).unwrap();
        assert_eq!(json[2]["failures"], serde_json::json!({"connect_refused": 1}));
        assert_eq!((&json[2]["state"], &json[2]["ejected_by"]), (&"ejected".into(), &1.into()));
    }
}
