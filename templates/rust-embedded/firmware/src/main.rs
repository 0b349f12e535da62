//! The sensor node on its board: start-up, and everything handed to the runtime.
#![no_std]
#![no_main]
#![deny(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::large_stack_frames,
    clippy::panic,
    clippy::unwrap_used
)]

mod board;
mod fault;
mod panic;
mod retained;
mod runtime;
#[cfg(feature = "selftest")]
mod selftest;
mod time;
mod uart;
mod watchdog;

use app::node::{Memory, Node, Setup};

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    static mut LINK: uart::Link = uart::Link::new();

    let (reset_cause, epitaph) = retained::begin_run();
    let setup = Setup {
        device: board::DEVICE,
        version: board::VERSION,
        period_ms: 1_000,
        first_sequence: 1,
        reset_cause,
        epitaph,
    };
    #[cfg(feature = "selftest")]
    let setup = selftest::arrange(setup);
    fault::guard_stack();
    fault::trap_divisions();
    board::start_uart();
    watchdog::start();
    time::start();
    runtime::run(Node::new(setup, MEMORY), LINK)
}
