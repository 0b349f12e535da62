//! Settings in any form: good to serve with, or refused by name.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod cases;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Value, json};
use toml::Table;

use tcp_proxy::config::{Config, Invalid};
use tcp_proxy::settings::Settings;

use cases::runner;

const DEFAULT: &str = include_str!("../config/default.toml");
const EXAMPLE: &str = include_str!("../config/example.toml");

/// Each setting that has a default, by its path. As JSON a value can be compared, and written as TOML too.
fn defaults() -> Vec<(String, Value)> {
    let table: Table = DEFAULT.parse().unwrap();
    let settings = table.into_iter().flat_map(|(name, value)| match value {
        toml::Value::Table(inner) => {
            inner.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)).collect()
        }
        value => vec![(name, value)],
    });
    settings.map(|(path, value)| (path, serde_json::to_value(value).unwrap())).collect()
}

#[test]
fn whatever_becomes_of_a_file_it_is_taken_or_refused_with_reasons() {
    let edit = (any::<Index>(), 0..40_usize, "[a-z0-9.=\"\\[\\]{}\n -]{0,6}|\\PC{0,3}");
    let outcome = runner(256).run(&vec(edit, 1..4), |edits| {
        let mut text: Vec<_> = EXAMPLE.chars().collect();
        for (at, length, new) in edits {
            let from = at.index(text.len() + 1);
            let to = text.len().min(from + length);
            text.splice(from..to, new.chars());
        }
        match Config::parse(&text.into_iter().collect::<String>()) {
            Ok(config) => drop(Settings::new(config, 2)),
            Err(Invalid { problems }) => {
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|problem| !problem.trim().is_empty()));
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn each_setting_that_does_not_fit_is_named_and_no_other() {
    let paths: Vec<_> = defaults().into_iter().map(|(path, _)| path).collect();
    let count = paths.len();
    let unknown = btree_set("((admin|drain|retry)\\.)?[a-z]{1,8}_x", 0..4);
    let outcome = runner(64).run(&(subsequence(paths, 0..=count), unknown), |(known, unknown)| {
        let wrong: BTreeSet<_> = known.into_iter().chain(unknown).collect();
        // Nothing is a list of such lists.
        let lines = wrong.iter().map(|path| format!("{path} = [[true]]\n"));
        let problems = match Config::parse(&lines.collect::<String>()) {
            Ok(_) => Vec::new(),
            Err(Invalid { problems }) => problems,
        };
        let named =
            problems.iter().filter_map(|problem| Some(problem.split_once(": ")?.0.to_owned()));
        prop_assert_eq!(named.collect::<BTreeSet<_>>(), wrong);
        Ok(())
    });
    outcome.unwrap();
}

/// A time as the settings have it, in milliseconds.
fn millis(text: &str) -> Option<u64> {
    [("ms", 1), ("s", 1_000), ("m", 60_000)].iter().find_map(|(unit, factor)| {
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(count * factor)
    })
}

/// So many times as much, as far as it can be: shares come to one at most.
fn times(value: &Value, factor: u32) -> Value {
    match value {
        Value::Number(number) => match number.as_u64() {
            Some(number) => json!(number * u64::from(factor)),
            None => json!((number.as_f64().unwrap() * f64::from(factor)).min(1.0)),
        },
        Value::String(text) => match millis(text) {
            Some(millis) => json!(format!("{}ms", millis * u64::from(factor))),
            None => value.clone(),
        },
        _ => value.clone(),
    }
}

#[test]
fn every_setting_is_taken_as_it_is_written_and_shown_as_it_was_taken() {
    let settings = defaults();
    let outcome = runner(64).run(&vec(1..=2_u32, settings.len()), |factors| {
        let more = settings.iter().zip(factors);
        let written: Vec<_> =
            more.map(|((path, value), factor)| (path, times(value, factor))).collect();
        let lines = written.iter().map(|(path, value)| format!("{path} = {value}\n"));
        let config = Config::parse(&lines.collect::<String>()).unwrap();
        let shown = serde_json::to_value(&config).unwrap();
        for (path, value) in written {
            let place = shown.pointer(&format!("/{}", path.replace('.', "/"))).unwrap();
            prop_assert_eq!(times(place, 1), value, "{}", path);
        }
        let again: Config = serde_json::from_value(shown.clone()).unwrap();
        prop_assert_eq!(serde_json::to_value(&again).unwrap(), shown);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_time_is_what_it_says_or_is_refused_where_it_can_not_be() {
    let time = (any::<u64>(), 0..64_u32, select(&["ms", "s", "m", "h", "", "µs", " s"][..]));
    let outcome = runner(256).run(&time, |(number, shift, unit)| {
        let number = number >> shift;
        let taken = Config::parse(&format!("drain.delay = \"{number}{unit}\""));
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => 0,
        };
        if let Some(millis) = number.checked_mul(factor).filter(|_| factor > 0) {
            prop_assert_eq!(taken.unwrap().drain.delay, Duration::from_millis(millis));
        } else {
            let problems = taken.unwrap_err().problems.concat();
            prop_assert!(problems.starts_with("drain.delay: "), "{problems}");
        }
        Ok(())
    });
    outcome.unwrap();
}
