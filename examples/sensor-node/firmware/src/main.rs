//! The sensor node on its board, in its parts. It starts in `runtime`.
#![no_std]
#![no_main]
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::large_stack_frames)]
#![deny(clippy::panic, clippy::unwrap_used)]

mod board;
mod device;
mod fault;
mod guard;
mod panic;
mod regions;
mod retained;
mod runtime;
#[cfg(feature = "selftest")]
mod selftest;
mod setup;
mod time;
mod uart;
mod watchdog;
