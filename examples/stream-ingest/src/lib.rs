//! Takes readings that devices send in frames over TCP, hands them to an API over HTTP, and acknowledges each once
//! it is durable.
//!
//! One thread per core serves connections, each with a runtime ([`runtime`]), a [`listener`] on the same port
//! and connections to the API ([`pool`]) of its own. Nothing is shared on the way of a reading but settings that
//! are read and counters that one thread writes ([`stats`], summed by [`metrics`]).
//!
//! [`ingest`] is the way from a socket: [`ingest::decoder`] finds the frames of [`ingest::frame`],
//! [`ingest::session`] knows which readings of a connection are on their way and which are durable, and
//! [`ingest::device`] how much of a device there may be. [`delivery`] is the way on: in batches, to whom [`upstream`]
//! says. It waits for room before it takes a reading, and then nobody reads the socket: whatever the API does, memory
//! stays within its bounds, and what has to wait does so in the devices.
//!
//! A thread apart has the listener for operators ([`admin`]) and checks endpoints ([`health`]); [`access_log`]
//! and [`delivery::dead_letter`] write on others. [`service`] starts all of them and drains them in order, told by
//! [`shutdown`], or ends with the first that is lost ([`vital`]). [`config`] reads what [`settings`] keeps in force;
//! without clusters, [`demo`] answers.

pub mod access_log;
pub mod admin;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod health;
pub mod ingest;
pub mod listener;
pub mod metrics;
pub mod pool;
pub mod process;
pub mod runtime;
pub mod service;
pub mod settings;
pub mod shutdown;
pub mod stats;
pub mod tally;
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
