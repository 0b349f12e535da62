//! What can be seen of the gateway from outside.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use support::{OK, PREFIX, Reply, Upstream, closed_port, get, metric, routed_to, start, until};

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
    let service = start(&routed_to(&[closed_port()]));
    assert_eq!(get(service.address, "/").status, 502);
    assert_eq!(exposed(&get(service.admin, "/metrics").body), documented());
}

#[test]
fn requests_are_counted_by_route_and_endpoint() {
    let upstream = Upstream::start(|request| match request.path() {
        "/web/cut" => Reply::Close(String::new()),
        _ => Reply::Keep(OK.to_owned()),
    });
    let address = upstream.address;
    let route = |host: &str, prefix: &str| {
        format!("[[route]]\n{host}path_prefix = \"{prefix}\"\ncluster = \"web\"\n")
    };
    let routes = [route("", "/web"), route("host = \"test\"\n", "/api")].concat();
    let service = start(&format!("{routes}[cluster.web]\nendpoints = [\"{address}\"]\n"));
    for (path, times) in [("/web", 3), ("/api/a", 2), ("/nothing", 1), ("/web/cut", 1)] {
        (0..times).for_each(|_| drop(get(service.address, path)));
    }
    for (route, status, count) in
        [("/web", 200, 3), ("/web", 502, 1), ("test/api", 200, 2), ("none", 404, 1)]
    {
        let series = format!("requests_total{{route=\"{route}\",status=\"{status}\"}}");
        assert_eq!(metric(&service, &series), count, "{series}");
    }
    let durations = "request_duration_seconds_count{route=\"/web\"}";
    assert_eq!(metric(&service, durations), 4);
    let of = |name: &str, more: &str| {
        metric(
            &service,
            &format!("upstream_{name}{{cluster=\"web\",endpoint=\"{address}\"{more}}}"),
        )
    };
    // One that came to nothing was sent twice: over the connection that there was, and over a new one.
    assert_eq!((of("requests_total", ""), of("answers_total", "")), (7, 5));
    let lost = of("failures_total", ",cause=\"connection_lost\"");
    let incomplete = of("failures_total", ",cause=\"answer_incomplete\"");
    assert_eq!((lost, incomplete), (1, 1));
    assert_eq!(of("connects_total", ""), upstream.connections() as u64);
    assert_eq!((of("up", ""), of("ejected", ""), of("in_flight", "")), (1, 0, 0));
}

#[test]
fn endpoints_are_shown_as_a_table_and_as_json() {
    let upstream = Upstream::ok();
    let addresses = [upstream.address, closed_port()];
    let settings = "outlier.failures = 1\nretry.per_second = 1000\n";
    let service = start(&format!("{settings}{}", routed_to(&addresses)));
    until(|| {
        assert_eq!(get(service.address, "/").status, 200);
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
