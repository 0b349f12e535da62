//! What is written for operators keeps to the program: dashboard, alerts, runbook and settings.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::{get, start};

use stream_ingest::config::{Cluster, Config};
use stream_ingest::delivery::failure::Failure;
use stream_ingest::ingest::end::End;

const DASHBOARD: &str = include_str!("../ops/dashboard.json");
const ALERTS: &str = include_str!("../ops/alerts.yaml");
const RUNBOOK: &str = include_str!("../docs/runbook.md");
const SETTINGS: &str = include_str!("../docs/configuration.md");

/// The series of all metrics that are scraped.
fn scraped() -> BTreeSet<String> {
    let text = get(start("").admin, "/metrics").body;
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let series = types.flat_map(|(name, kind)| {
        let suffixes: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        suffixes.iter().map(move |suffix| format!("{name}{suffix}"))
    });
    series.collect()
}

/// The metrics of an expression: words with an underscore that are neither functions nor in quotes,
/// braces or brackets.
fn named(expression: &str) -> BTreeSet<String> {
    let mut bare = String::new();
    let mut end = None;
    for c in expression.chars() {
        match (end, c) {
            (Some(closing), _) if c == closing => end = None,
            (None, '{') => end = Some('}'),
            (None, '[') => end = Some(']'),
            (None, '"') => end = Some('"'),
            (None, '(') => bare.push_str("( "),
            (None, _) => bare.push(c),
            _ => {}
        }
    }
    let words = bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '(');
    words.filter(|word| word.contains('_') && !word.ends_with('(')).map(str::to_owned).collect()
}

fn holds<'a>(expressions: impl IntoIterator<Item = &'a str>) {
    let scraped = scraped();
    let mut count = 0;
    for expression in expressions {
        let named = named(expression);
        assert!(!named.is_empty() && named.is_subset(&scraped), "{expression}: {named:?}");
        count += 1;
    }
    assert!(count > 0);
}

fn alerts() -> BTreeMap<&'static str, &'static str> {
    let rules = ALERTS.split("- alert: ").skip(1);
    rules.map(|rule| (rule.lines().next().unwrap(), rule)).collect()
}

/// The sections of the runbook with titles of the third level.
fn sections() -> BTreeMap<&'static str, &'static str> {
    let sections = RUNBOOK.split("\n### ").skip(1);
    sections.map(|section| section.split_once("\n\n").unwrap()).collect()
}

#[test]
fn the_dashboard_shows_metrics_that_are_there() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    holds(targets.map(|target| target["expr"].as_str().unwrap()));
}

#[test]
fn alerts_watch_metrics_that_are_there() {
    let expressions = alerts().into_values();
    holds(expressions.map(|rule| rule.split("expr: ").nth(1).unwrap().lines().next().unwrap()));
}

#[test]
fn each_alert_leads_to_its_section_of_the_runbook() {
    let alerts = alerts();
    let titles = sections().into_keys().filter(|title| !title.starts_with('`'));
    assert_eq!(titles.collect::<Vec<_>>(), alerts.keys().copied().collect::<Vec<_>>());
    for (name, rule) in alerts {
        let place = format!("runbook: docs/runbook.md#{}\n", name.to_ascii_lowercase());
        assert!(rule.contains(&place), "{name}");
    }
}

#[test]
fn each_end_and_each_failure_has_its_section_in_the_runbook() {
    let sections = sections();
    let titles: BTreeSet<_> = sections.keys().filter(|title| title.starts_with('`')).collect();
    let ends = End::ALL.iter().map(|it| it.row().name);
    let names = ends.chain(Failure::ALL.iter().map(|it| it.row().name));
    let names: BTreeSet<_> = names.map(|name| format!("`{name}`")).collect();
    assert!(titles.iter().copied().eq(&names), "{titles:?} and {names:?}");
}

/// Every key with its value, dotted.
fn flat(value: &Value, key: &str, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                let dot = if key.is_empty() { "" } else { "." };
                flat(value, &format!("{key}{dot}{name}"), found);
            }
        }
        value => _ = found.insert(key.to_owned(), value.to_string()),
    }
}

/// The cells of the rows of the documented settings, without the quotes of code.
fn documented() -> Vec<Vec<&'static str>> {
    let rows = SETTINGS.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.map(|row| row.trim_matches(['|', ' ']).split(" | "));
    cells.map(|cells| cells.map(|cell| cell.trim_matches('`')).collect()).collect()
}

#[test]
fn every_setting_is_documented_with_its_default() {
    let mut defaults = serde_json::to_value(Config::parse("").unwrap()).unwrap();
    let entries = defaults.as_object_mut().unwrap();
    entries.retain(|name, _| name != "route" && name != "cluster");
    let mut expected = BTreeMap::new();
    flat(&defaults, "", &mut expected);
    let rows = documented().into_iter().filter(|cells| cells.len() == 3);
    let told = rows.map(|cells| (cells[0].to_owned(), cells[1].to_owned()));
    assert_eq!(told.collect::<BTreeMap<_, _>>(), expected);
}

#[test]
fn every_setting_of_a_cluster_is_documented() {
    let mut expected = BTreeMap::new();
    flat(&serde_json::to_value(Cluster::default()).unwrap(), "cluster.NAME", &mut expected);
    let rows = documented().into_iter().filter(|cells| cells.len() == 2);
    let told: BTreeSet<_> = rows.map(|cells| cells[0].to_owned()).collect();
    assert_eq!(told, expected.into_keys().collect());
}
