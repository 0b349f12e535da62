//! The log: one JSON object a line on standard output, with a level that can be changed at run time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Has panics logged and counted from now on. One ends the task that it happens in, and with it one
/// connection.
pub fn count_panics() -> Arc<AtomicU64> {
    let panics = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&panics);
    std::panic::set_hook(Box::new(move |panic| {
        counter.fetch_add(1, Ordering::Relaxed);
        tracing::error!(panic = %panic, "panicked");
    }));
    panics
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
