//! A file of settings over the defaults, and what is wrong with one that does not fit.

use toml::{Table, Value};

use super::{Config, Invalid, invalid};

pub fn overlay(mut base: Table, own: Table) -> Table {
    for (key, value) in own {
        let value = match (base.remove(&key), value) {
            (Some(Value::Table(base)), Value::Table(own)) => Value::Table(overlay(base, own)),
            (_, value) => value,
        };
        base.insert(key, value);
    }
    base
}

/// What is wrong with a file that does not fit. Each of its settings is tried alone, because reading
/// them together stops at the first mistake.
pub fn misfits(defaults: &Table, own: &Table, whole: &toml::de::Error) -> Invalid {
    let problems: Vec<_> = leaves(own)
        .into_iter()
        .filter_map(|(path, alone)| {
            let fits: Result<Config, _> = overlay(defaults.clone(), alone).try_into();
            let error = fits.err()?;
            Some(format!("{path}: {}", error.message()))
        })
        .collect();
    if problems.is_empty() {
        return invalid(whole.message());
    }
    Invalid { problems }
}

/// Each setting of a table, by its path, with the tables around it.
fn leaves(table: &Table) -> Vec<(String, Table)> {
    let mut leaves = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                for (path, alone) in self::leaves(inner) {
                    let alone = Table::from_iter([(key.clone(), Value::Table(alone))]);
                    leaves.push((format!("{key}.{path}"), alone));
                }
            }
            Value::Array(items) if items.iter().any(Value::is_table) => {
                for item in items.iter().filter_map(Value::as_table) {
                    for (path, alone) in self::leaves(item) {
                        let alone = Value::Array(vec![Value::Table(alone)]);
                        let alone = Table::from_iter([(key.clone(), alone)]);
                        leaves.push((format!("{key}.{path}"), alone));
                    }
                }
            }
            leaf => {
                let alone = Table::from_iter([(key.clone(), leaf.clone())]);
                leaves.push((key.clone(), alone));
            }
        }
    }
    leaves
}
