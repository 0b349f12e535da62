//! Arm MPS2 with the FPGA image of application note AN385: a Cortex-M3 at 25 MHz with peripherals
//! of the Cortex-M System Design Kit (CMSDK, Arm DDI 0479).
#![expect(unsafe_code, reason = "touches the registers of the board")]

use cortex_m::peripheral::NVIC;

use crate::uart;

/// The core's clock, which an external oscillator gives from reset on: there is nothing to start.
pub(crate) const CLOCK_HZ: u32 = 25_000_000;

const BAUD: u32 = 115_200;

/// How long the watchdog waits. A turn of the main loop takes no millisecond; but an emulator whose
/// host is busy skips a second or two at once.
const WATCHDOG_MS: u32 = 4_000;

/// A 32-bit register of the board.
struct Register(*mut u32);

impl Register {
    /// # Safety
    ///
    /// There must be a register at the address, and no value of it may break memory safety.
    const unsafe fn at(address: usize) -> Self {
        Self(address as *mut u32)
    }

    fn read(&self) -> u32 {
        // SAFETY: `at` demands a register.
        unsafe { self.0.read_volatile() }
    }

    fn write(&self, value: u32) {
        // SAFETY: `at` demands a register, and one that takes any value.
        unsafe { self.0.write_volatile(value) }
    }
}

macro_rules! registers {
    ($($name:ident = $address:literal;)+) => {
        $(
            // SAFETY: in the memory map of AN385, table 3-2, and none of them moves memory.
            const $name: Register = unsafe { Register::at($address) };
        )+
    };
}

registers! {
    UART0_DATA = 0x4000_4000;
    UART0_STATE = 0x4000_4004;
    UART0_CTRL = 0x4000_4008;
    UART0_INTCLEAR = 0x4000_400C;
    UART0_BAUDDIV = 0x4000_4010;
    WATCHDOG_LOAD = 0x4000_8000;
    WATCHDOG_CONTROL = 0x4000_8008;
    WATCHDOG_INTCLR = 0x4000_800C;
    WATCHDOG_LOCK = 0x4000_8C00;
}

const STATE_TX_FULL: u32 = 1 << 0;
const STATE_RX_FULL: u32 = 1 << 1;
const CTRL_TX_ENABLE: u32 = 1 << 0;
const CTRL_RX_ENABLE: u32 = 1 << 1;
const CTRL_TX_INTERRUPT: u32 = 1 << 2;
const CTRL_RX_INTERRUPT: u32 = 1 << 3;
const INT_TX: u32 = 1 << 0;
const INT_RX: u32 = 1 << 1;
const WATCHDOG_INTERRUPT: u32 = 1 << 0;
const WATCHDOG_RESET: u32 = 1 << 1;
const WATCHDOG_UNLOCK: u32 = 0x1ACC_E551;

/// The interrupts that are used, by their number.
#[derive(Clone, Copy)]
#[repr(u16)]
enum Interrupt {
    Uart0Rx = 0,
    Uart0Tx = 1,
}

// SAFETY: the numbers are those of AN385, and fixed.
unsafe impl cortex_m::interrupt::InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self as u16
    }
}

unsafe extern "C" {
    fn DefaultHandler();
}

/// The board's part of the vector table.
#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
#[used]
#[expect(clippy::indexing_slicing, reason = "the compiler builds the table")]
static __INTERRUPTS: [unsafe extern "C" fn(); 32] = {
    let mut table: [unsafe extern "C" fn(); 32] = [DefaultHandler; 32];
    table[Interrupt::Uart0Rx as usize] = on_uart_rx;
    table[Interrupt::Uart0Tx as usize] = on_uart_tx;
    table
};

/// Enables the UART, 115 200 baud 8N1, and its interrupts. The first byte is a delimiter: the reset
/// may have cut a frame off, and whoever listens would take the hello for its end.
pub(crate) fn start_uart() {
    UART0_BAUDDIV.write(CLOCK_HZ / BAUD);
    UART0_CTRL.write(CTRL_TX_ENABLE | CTRL_RX_ENABLE | CTRL_TX_INTERRUPT | CTRL_RX_INTERRUPT);
    UART0_DATA.write(0);
    // SAFETY: no critical section relies on these interrupts being masked.
    unsafe {
        NVIC::unmask(Interrupt::Uart0Rx);
        NVIC::unmask(Interrupt::Uart0Tx);
    }
}

/// Whether the UART takes a byte: not before the last one is out.
pub(crate) fn can_transmit() -> bool {
    UART0_STATE.read() & STATE_TX_FULL == 0
}

/// Gives the UART a byte; `false` if it does not take one.
pub(crate) fn transmit(byte: u8) -> bool {
    let free = can_transmit();
    if free {
        UART0_DATA.write(byte.into());
    }
    free
}

/// The receive buffer holds one byte. Its interrupt is cleared before it is read: the other way
/// round, a byte that arrives in between would have its interrupt cleared, and wait for ever.
unsafe extern "C" fn on_uart_rx() {
    UART0_INTCLEAR.write(INT_RX);
    while uart::has_room() && UART0_STATE.read() & STATE_RX_FULL != 0 {
        uart::on_receive(UART0_DATA.read().to_le_bytes()[0]);
    }
}

/// Looks for a byte that had to stay in the UART. Its interrupt is gone, so it gets another one.
pub(crate) fn resume_receiving() {
    NVIC::pend(Interrupt::Uart0Rx);
}

/// The transmitter has room again, for which the main loop was woken.
unsafe extern "C" fn on_uart_tx() {
    UART0_INTCLEAR.write(INT_TX);
}

/// The board has no sensor. This one goes up and down between 20 and 22 degrees in about a minute,
/// in thousandths of a degree.
#[expect(clippy::unnecessary_wraps, reason = "a sensor may fail")]
pub(crate) fn sample(now: u32) -> Option<i32> {
    let phase = (now >> 4) & 0xFFF;
    Some(20_000_i32.wrapping_add(phase.min(0xFFF_u32.wrapping_sub(phase)).cast_signed()))
}

/// Starts the watchdog and locks its registers.
pub(crate) fn start_watchdog() {
    WATCHDOG_LOCK.write(WATCHDOG_UNLOCK);
    WATCHDOG_LOAD.write(CLOCK_HZ / 1_000 * WATCHDOG_MS);
    WATCHDOG_CONTROL.write(WATCHDOG_INTERRUPT | WATCHDOG_RESET);
    WATCHDOG_LOCK.write(0);
}

/// Starts the watchdog's wait anew. Its registers are unlocked for this one write only, so that
/// code gone wild can hardly switch it off.
pub(crate) fn feed_watchdog() {
    WATCHDOG_LOCK.write(WATCHDOG_UNLOCK);
    WATCHDOG_INTCLR.write(0);
    WATCHDOG_LOCK.write(0);
}

/// A point in time, to measure from with [`instructions_since`].
#[cfg(feature = "selftest")]
pub(crate) fn stamp() -> u32 {
    // SAFETY: in the memory map of AN385, table 3-2, and reading has no side effect.
    const COUNTER: Register = unsafe { Register::at(0x4002_8018) };
    COUNTER.read()
}

/// Instructions since then, as the emulator counts them: at `-icount shift=5` one takes 32 ns, and
/// its model of this counter of the FPGA, which is 0 at power-on, goes up every 40 ns.
#[cfg(feature = "selftest")]
pub(crate) fn instructions_since(stamp: u32) -> u32 {
    self::stamp().wrapping_sub(stamp).saturating_mul(5).div_ceil(4)
}

/// Switches the transmitter off: what is given to it stays there.
#[cfg(feature = "selftest")]
pub(crate) fn mute_link() {
    UART0_CTRL.write(CTRL_RX_ENABLE | CTRL_RX_INTERRUPT);
}
