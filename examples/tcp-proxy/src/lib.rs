//! A proxy for TCP that balances connections over upstreams.
//!
//! One thread per core serves connections, each with a runtime ([`runtime`]) and a [`listener`] on the
//! same port. Nothing is shared on the way of a byte but settings that are read and counters that one
//! thread writes ([`stats`], summed by [`metrics`]).
//!
//! [`tcp`] is that way: [`upstream`] says where a connection goes, and [`tcp::end`] how it may end.
//!
//! A thread apart has the listener for operators ([`admin`]) and checks endpoints ([`health`]);
//! [`access_log`] writes on another. [`service`] starts all of them and drains them in order, told by
//! [`shutdown`], or ends with the first that is lost ([`vital`]). [`config`] reads what [`settings`] keeps in
//! force; without clusters, [`demo`] answers.

pub mod access_log;
pub mod admin;
pub mod config;
pub mod demo;
pub mod health;
pub mod listener;
pub mod metrics;
pub mod process;
pub mod runtime;
pub mod service;
pub mod settings;
pub mod shutdown;
pub mod stats;
pub mod tcp;
pub mod telemetry;
pub mod upstream;
pub mod vital;

/// What the build was told, for images; `dev` otherwise.
pub const VERSION: &str = match option_env!("VERSION") {
    Some(version) => version,
    None => "dev",
};

pub const REVISION: &str = match option_env!("REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// A runtime whose tasks stay on the thread that drives it.
fn local_runtime() -> std::io::Result<tokio::runtime::LocalRuntime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
}
