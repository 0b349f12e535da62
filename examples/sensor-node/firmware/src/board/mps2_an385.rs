//! Arm MPS2 with the FPGA image of application note AN385: a Cortex-M3 with peripherals of the
//! Cortex-M System Design Kit.
#![expect(unsafe_code, reason = "says where the peripherals are")]

use cortex_m::peripheral::NVIC;
use cortex_m_rt::exception;

use super::cmsdk_uart::Uart;
use super::interrupt::{UART0_RX, UART0_TX};
use super::made_up_sensor;
use super::sp805::Watchdog;
use crate::watchdog;

const CLOCK_HZ: u32 = 25_000_000;

// SAFETY: in the memory map of AN385, table 3-2.
const UART0: Uart = unsafe { Uart::at(0x4000_4000) };
// SAFETY: likewise.
const WATCHDOG: Watchdog = unsafe { Watchdog::at(0x4000_8000) };

/// An external oscillator runs from reset on: there is nothing to start.
pub(crate) fn start_clock() -> u32 {
    CLOCK_HZ
}

/// Enables the UART and its interrupts.
pub(crate) fn start_uart(clock_hz: u32) {
    UART0.start(clock_hz);
    // SAFETY: no critical section relies on these interrupts being masked.
    unsafe {
        NVIC::unmask(UART0_RX);
        NVIC::unmask(UART0_TX);
    }
}

/// Whether the UART takes a byte.
pub(crate) fn can_transmit() -> bool {
    UART0.can_transmit()
}

/// Gives the UART a byte; `false` if it does not take one.
pub(crate) fn transmit(byte: u8) -> bool {
    UART0.transmit(byte)
}

pub(crate) extern "C" fn on_uart0_rx() {
    UART0.on_receive();
}

pub(crate) extern "C" fn on_uart0_tx() {
    UART0.on_transmit();
}

/// Looks for a byte that had to stay in the UART. Its interrupt is gone, so it gets another one.
pub(crate) fn resume_receiving() {
    NVIC::pend(UART0_RX);
}

/// The board has no sensor.
pub(crate) fn sample(now: u32) -> Option<i32> {
    made_up_sensor::sample(now)
}

/// Starts the watchdog.
pub(crate) fn start_watchdog(clock_hz: u32) {
    WATCHDOG.start(clock_hz);
}

/// Starts the watchdog's wait anew.
pub(crate) fn feed_watchdog() {
    WATCHDOG.feed();
}

/// The watchdog has run out once.
#[exception]
unsafe fn NonMaskableInt() {
    watchdog::on_bark()
}

/// Keeps the transmitter from sending.
#[cfg(feature = "selftest")]
pub(crate) fn mute_link() {
    UART0.mute();
}
