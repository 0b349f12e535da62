//! The interrupts that the board uses, and its part of the vector table.
#![expect(unsafe_code, reason = "lays out what the processor calls")]

use super::chip::Interrupt;

pub(crate) const UART0_RX: Interrupt = Interrupt(0);
pub(crate) const UART0_TX: Interrupt = Interrupt(1);

type Handler = unsafe extern "C" fn();

unsafe extern "C" {
    fn DefaultHandler();
}

#[unsafe(link_section = ".vector_table.interrupts")]
#[unsafe(no_mangle)]
#[used]
static __INTERRUPTS: [Handler; 2] = {
    let mut table: [Handler; 2] = [DefaultHandler; 2];
    table[0] = super::on_uart0_rx;
    table[1] = super::on_uart0_tx;
    table
};
