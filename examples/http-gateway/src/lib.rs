//! A gateway for HTTP/1.1 that balances over upstreams.
//!
//! One thread per core serves requests, each with a runtime ([`runtime`]), a [`listener`] on the same
//! port and connections to upstreams ([`pool`]) of its own. Nothing is shared on the way of a request but
//! settings that are read and counters that one thread writes ([`stats`], summed by [`metrics`]).
//!
//! [`gateway`] is that way: [`gateway::policy`] says what is refused, [`gateway::headers`] what is
//! rewritten, [`upstream`] where it goes, [`gateway::body`] how bodies pass and [`gateway::error`] what
//! is answered when nobody else does. [`connection`] bounds the time that a client may take.
//!
//! A thread apart has the listener for operators ([`admin`]) and checks endpoints ([`health`]);
//! [`access_log`] writes on another. [`service`] starts all of them and drains them in order, told by
//! [`shutdown`], or ends with the first that is lost ([`vital`]). [`config`] reads what [`settings`] keeps in
//! force; without routes, [`demo`] answers.

pub mod access_log;
pub mod admin;
pub mod config;
pub mod connection;
pub mod demo;
pub mod gateway;
pub mod health;
pub mod listener;
pub mod metrics;
pub mod pool;
pub mod process;
pub mod runtime;
pub mod service;
pub mod settings;
pub mod shutdown;
pub mod stats;
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
