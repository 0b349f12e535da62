//! The UART of the Cortex-M System Design Kit (CMSDK, Arm DDI 0479), which holds one byte each way.
#![expect(unsafe_code, reason = "knows where its registers are")]

use super::chip::Register;
use crate::uart;

const BAUD: u32 = 115_200;

const STATE_TX_FULL: u32 = 1 << 0;
const STATE_RX_FULL: u32 = 1 << 1;
const CTRL_TX_ENABLE: u32 = 1 << 0;
const CTRL_RX_ENABLE: u32 = 1 << 1;
const CTRL_TX_INTERRUPT: u32 = 1 << 2;
const CTRL_RX_INTERRUPT: u32 = 1 << 3;
const INT_TX: u32 = 1 << 0;
const INT_RX: u32 = 1 << 1;

/// A UART.
pub(super) struct Uart {
    data: Register,
    state: Register,
    ctrl: Register,
    int_clear: Register,
    baud_div: Register,
}

impl Uart {
    /// # Safety
    ///
    /// There must be one at the address.
    pub(super) const unsafe fn at(address: usize) -> Self {
        // SAFETY: the registers of such a UART, and none of them moves memory.
        unsafe {
            Self {
                data: Register::at(address, 0x00),
                state: Register::at(address, 0x04),
                ctrl: Register::at(address, 0x08),
                int_clear: Register::at(address, 0x0C),
                baud_div: Register::at(address, 0x10),
            }
        }
    }

    /// Enables it, 115 200 baud 8N1. The first byte is a delimiter: the reset may have cut a frame
    /// off, and whoever listens would take the hello for its end.
    pub(super) fn start(&self, clock_hz: u32) {
        self.baud_div.write(clock_hz / BAUD);
        self.ctrl.write(CTRL_TX_ENABLE | CTRL_RX_ENABLE | CTRL_TX_INTERRUPT | CTRL_RX_INTERRUPT);
        self.data.write(0);
    }

    /// Whether it takes a byte: not before the last one is out.
    pub(super) fn can_transmit(&self) -> bool {
        self.state.read() & STATE_TX_FULL == 0
    }

    /// Gives it a byte; `false` if it does not take one.
    pub(super) fn transmit(&self, byte: u8) -> bool {
        let free = self.can_transmit();
        if free {
            self.data.write(byte.into());
        }
        free
    }

    /// Takes what has come. The interrupt is cleared before the byte is read: the other way round, a
    /// byte that arrives in between would have its interrupt cleared, and wait for ever.
    pub(super) fn on_receive(&self) {
        self.int_clear.write(INT_RX);
        while uart::has_room() && self.state.read() & STATE_RX_FULL != 0 {
            uart::on_receive(self.data.read().to_le_bytes()[0]);
        }
    }

    /// The transmitter has room again, which is for the next turn.
    pub(super) fn on_transmit(&self) {
        self.int_clear.write(INT_TX);
    }

    /// Switches the transmitter off: what is given to it stays there.
    #[cfg(feature = "selftest")]
    pub(super) fn mute(&self) {
        self.ctrl.write(CTRL_RX_ENABLE | CTRL_RX_INTERRUPT);
    }
}
