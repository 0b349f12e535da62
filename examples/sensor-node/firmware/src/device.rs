//! The device: the node with its link, and what both do each time that something has happened.

use app::epitaph::{Cause, Registers};
use app::health::{Activity, CheckIns};
use app::node::{Memory, Node};

use crate::guard;
use crate::regions;
#[cfg(feature = "selftest")]
use crate::selftest;
use crate::uart::{self, Link};
use crate::{board, fault, retained, setup, time, watchdog};

/// The device, started.
pub(crate) struct Device {
    node: Node<'static>,
    link: &'static mut Link,
    check_ins: CheckIns,
    /// The tick that the node has seen last.
    last: u32,
    settled: bool,
}

impl Device {
    /// Starts the board, and the node on it.
    pub(crate) fn start(memory: &'static mut Memory, link: &'static mut Link) -> Self {
        let setup = setup::at_boot();
        guard::start();
        fault::trap_divisions();
        let clock_hz = board::start_clock();
        board::start_uart(clock_hz);
        watchdog::start(clock_hz);
        time::start(clock_hz);
        Self {
            node: Node::new(setup, memory),
            link,
            check_ins: CheckIns::new(),
            last: 0,
            settled: false,
        }
    }

    /// One turn: what has happened goes to the node, and what that has to say to the link.
    pub(crate) fn turn(&mut self) {
        #[cfg(feature = "selftest")]
        selftest::on_wake();
        let now = time::now();
        while self.node.can_receive()
            && let Some(byte) = uart::receive()
        {
            self.node.on_byte(byte, now);
        }
        if now != self.last {
            self.last = now;
            self.check_ins.report(Activity::Clock);
            self.node.on_tick(now, || {
                #[cfg(feature = "selftest")]
                if selftest::breaks_sensor(now) {
                    return None;
                }
                // What is measured without protection is not to be relied on.
                if regions::hold() { board::sample(now) } else { None }
            });
            self.check_ins.report(Activity::Application);
        }
        // Before anything else is said: whoever hears of the welcome may pull the plug.
        if self.node.is_welcomed() && !self.settled {
            self.settled = true;
            retained::forget_epitaph();
        }
        if self.link.transmit(|frame| self.node.next_frame(frame)) {
            self.check_ins.report(Activity::Link);
        }
        if self.check_ins.complete() {
            watchdog::feed();
        }
        if self.node.must_restart() {
            retained::end_run(Cause::Software, &Registers::UNKNOWN);
        }
        #[cfg(feature = "selftest")]
        selftest::on_sleep(now);
    }

    /// Whether there is cause for another turn already.
    pub(crate) fn has_work(&self) -> bool {
        time::now() != self.last
            || self.link.can_go_on()
            || (self.node.can_receive() && uart::has_received())
    }
}
