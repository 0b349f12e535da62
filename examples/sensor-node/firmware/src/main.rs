//! The sensor node on its board: start-up, and everything handed to the runtime.
#![no_std]
#![no_main]
#![deny(clippy::arithmetic_side_effects, clippy::cast_possible_truncation)]
#![deny(clippy::expect_used, clippy::indexing_slicing, clippy::large_stack_frames)]
#![deny(clippy::panic, clippy::unwrap_used)]

mod board;
mod fault;
mod guard;
mod panic;
mod retained;
mod runtime;
#[cfg(feature = "selftest")]
mod selftest;
mod setup;
mod time;
mod uart;
mod watchdog;

use app::node::{Memory, Node};

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    static mut LINK: uart::Link = uart::Link::new();

    let setup = setup::at_boot();
    guard::start();
    fault::trap_divisions();
    let clock_hz = board::start_clock();
    board::start_uart(clock_hz);
    watchdog::start(clock_hz);
    time::start(clock_hz);
    runtime::run(Node::new(setup, MEMORY), LINK)
}
