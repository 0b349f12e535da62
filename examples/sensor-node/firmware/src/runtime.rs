//! The main loop: what has happened goes to the application, what it has to say goes to the link,
//! and in between the processor sleeps.

use app::epitaph::{Cause, Registers};
use app::health::{Activity, CheckIns};
use app::node::Node;

#[cfg(feature = "selftest")]
use crate::selftest;
use crate::uart::{self, Link};
use crate::{board, retained, time, watchdog};

/// Runs the node for ever.
pub(crate) fn run(mut node: Node, link: &mut Link) -> ! {
    let mut check_ins = CheckIns::new();
    let mut last = 0;
    let mut settled = false;
    #[cfg(feature = "selftest")]
    selftest::on_ready();
    loop {
        #[cfg(feature = "selftest")]
        selftest::on_wake();
        let now = time::now();
        while node.can_receive()
            && let Some(byte) = uart::receive()
        {
            node.on_byte(byte, now);
        }
        if now != last {
            last = now;
            check_ins.report(Activity::Clock);
            node.on_tick(now, || {
                #[cfg(feature = "selftest")]
                if selftest::breaks_sensor(now) {
                    return None;
                }
                board::sample(now)
            });
            check_ins.report(Activity::Application);
        }
        // Before anything else is said: whoever hears of the welcome may pull the plug.
        if node.is_welcomed() && !settled {
            settled = true;
            retained::forget_epitaph();
        }
        if link.transmit(|frame| node.next_frame(frame)) {
            check_ins.report(Activity::Link);
        }
        if check_ins.complete() {
            watchdog::feed();
        }
        if node.must_restart() {
            retained::end_run(Cause::Software, &Registers::UNKNOWN);
        }
        #[cfg(feature = "selftest")]
        selftest::on_sleep(now);
        time::sleep_unless(|| {
            time::now() != now || link.can_go_on() || (node.can_receive() && uart::has_received())
        });
    }
}
