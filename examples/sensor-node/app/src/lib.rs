//! The sensor node without its hardware.
//!
//! Everything that decides what the device does is in this crate, and nothing in it knows a
//! register, a clock or an executor. A runtime calls [`Node`](node::Node) with what happened and
//! asks it for what to send:
//!
//! ```text
//!   received byte ── on_byte ──▶ ┌──────────────────────────────┐
//!                                │ Node                         │
//!   1 ms tick ────── on_tick ──▶ │  Receiver ▶ Command          │ ── next_frame ──▶ bytes to send
//!                                │  Sampler  ▶ Outbox ▶ Writer  │
//!   retained RAM ─── Epitaph ──▶ └──────────────────────────────┘
//! ```
//!
//! * [`crc`], [`cobs`], [`wire`]: the frame and how it goes over the link, in both directions.
//! * [`receiver`], [`command`]: from bytes to what the device is told.
//! * [`report`]: what it says.
//! * [`sampler`], [`filter`]: when samples are taken, and what values they give.
//! * [`outbox`]: readings that are not yet known to be durable, and when they are sent again.
//! * [`node`]: the device's side of the protocol.
//! * [`interval`]: what comes round at equal intervals.
//! * [`health`]: who must have reported before the watchdog is fed.
//! * [`epitaph`]: what outlives a reset.
//!
//! Time comes in as a 32-bit count of milliseconds that wraps after 49.7 days. Durations are
//! differences of such counts; what must outlive the wrap is kept in 64 bits.
#![no_std]
#![forbid(unsafe_code)]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::large_stack_frames,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod cobs;
pub mod command;
pub mod crc;
pub mod epitaph;
pub mod filter;
pub mod health;
pub mod interval;
pub mod node;
pub mod outbox;
pub mod receiver;
pub mod report;
pub mod sampler;
pub mod wire;
