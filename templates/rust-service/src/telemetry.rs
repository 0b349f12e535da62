//! The log: one JSON object a line on standard output, with a level that can be changed at run time.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::LogLevel;

type Filter = reload::Layer<LevelFilter, Registry>;

/// The level of the log.
#[derive(Clone)]
pub struct Level(reload::Handle<LevelFilter, Registry>);

/// A subscriber for the whole process, and its level.
pub fn subscriber(level: LogLevel) -> (impl tracing::Subscriber + Send + Sync, Level) {
    let (filter, handle) = reload::Layer::new(level.into());
    let lines = fmt::layer().json().flatten_event(true);
    let filtered: Layered<Filter, Registry> = tracing_subscriber::registry().with(filter);
    (filtered.with(lines), Level(handle))
}

impl Level {
    pub fn get(&self) -> String {
        let level = self.0.clone_current().unwrap_or(LevelFilter::INFO);
        level.to_string()
    }

    /// It lasts as long as the process: there is nobody left to log that it has gone.
    pub fn set(&self, level: LevelFilter) {
        let _ = self.0.reload(level);
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}
