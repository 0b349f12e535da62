//! What can be seen of the service from outside.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::{
    PREFIX, Upstream, closed_port, forwarding, get, metric, serves, start, until, with_every_metric,
};

/// Of each metric: its type and the names of its labels.
type Metrics = BTreeMap<String, (String, BTreeSet<String>)>;

/// What README.md says there is: rows of a table, `| name | type | labels | ... |`.
fn documented() -> Metrics {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let begins = [format!("| `{PREFIX}_"), "| `process_".to_owned()];
    let is_row = |line: &&str| begins.iter().any(|begin| line.starts_with(begin));
    let rows = text.lines().filter(is_row);
    let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
    cells
        .map(|cells| {
            let labels = cells[3].split(", ").map(|label| label.trim_matches('`').to_owned());
            let labels = labels.filter(|label| !label.is_empty()).collect();
            (cells[1].trim_matches('`').to_owned(), (cells[2].to_owned(), labels))
        })
        .collect()
}

/// What is scraped. Each metric must have a sample, which shows its labels.
fn exposed(text: &str) -> Metrics {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types
        .map(|(name, kind)| {
            let (whole, series) = match kind {
                "counter" => (format!("{name}_total"), format!("{name}_total")),
                "histogram" => (name.to_owned(), format!("{name}_count")),
                _ => (name.to_owned(), name.to_owned()),
            };
            (whole, (kind.to_owned(), labels(text, &series)))
        })
        .collect()
}

/// The names of the labels of a series: what is before each `="`.
fn labels(text: &str, series: &str) -> BTreeSet<String> {
    let mut after = text.lines().filter_map(|line| line.strip_prefix(series));
    let sample = after.find(|rest| rest.starts_with(['{', ' ']));
    let sample = sample.unwrap_or_else(|| panic!("{series} has no sample"));
    let parts = sample.split('"').filter_map(|part| part.strip_suffix('='));
    parts.map(|part| part.trim_start_matches(['{', ',']).to_owned()).collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_is_there() {
    let service = with_every_metric("");
    assert_eq!(exposed(&get(service.admin, "/metrics").body), documented());
}

#[test]
fn endpoints_are_shown_as_a_table_and_as_json() {
    let upstream = Upstream::well();
    let addresses = [upstream.address, closed_port()];
    let settings = "outlier.failures = 1\nretry.per_second = 1000";
    let service = start(&forwarding(&addresses, settings));
    until(|| {
        assert!(serves(service.address));
        metric(&service, "upstream_ejected") == 1
    });
    let table = get(service.admin, "/upstreams");
    assert!(table.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")));
    let lines: Vec<Vec<_>> =
        table.body.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..3], ["CLUSTER", "ENDPOINT", "STATE"]);
    let [well, lost] = addresses.map(|address| address.to_string());
    assert_eq!(lines[1][..3], ["all", well.as_str(), "up"]);
    assert_eq!(lines[2][..4], ["all", lost.as_str(), "ejected", "1/1"]);

    let json = get(service.admin, "/upstreams.json");
    assert_eq!(json.header("content-type"), Some("application/json"));
    let rows: serde_json::Value = serde_json::from_str(&json.body).unwrap();
    assert_eq!(
        (&rows[1]["state"], &rows[1]["failures"]["connect_refused"]),
        (&"ejected".into(), &1.into())
    );
    assert_eq!((&rows[0]["endpoint"], &rows[0]["state"]), (&well.into(), &"up".into()));
}
