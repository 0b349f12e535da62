//! The main loop: a turn of the device, and then the processor sleeps until there is cause for
//! another one.

use app::node::Memory;
use cortex_m_rt::{entry, exception};

use crate::device::Device;
use crate::time;
use crate::uart::Link;

#[entry]
fn main() -> ! {
    static mut MEMORY: Memory = Memory::new();
    static mut LINK: Link = Link::new();

    let mut device = Device::start(MEMORY, LINK);
    loop {
        device.turn();
        // Interrupts are off between the question and the sleep, so none can slip in between; a
        // pending one ends the sleep all the same.
        cortex_m::interrupt::free(|_| {
            if !device.has_work() {
                cortex_m::asm::wfi();
            }
        });
    }
}

#[exception]
fn SysTick() {
    time::on_tick();
}
