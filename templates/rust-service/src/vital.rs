//! What the process can't do without. With a part of it dead it would look well for ever and do its work in part,
//! so it ends, and whoever supervises it starts another.

use std::io;
use std::thread::JoinHandle;

/// `EX_SOFTWARE` of sysexits.h: a part is gone that must not be.
const EXIT_PART_LOST: i32 = 70;

/// Held by a thread or a task that must not panic: the process ends when one does.
pub struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if std::thread::panicking() {
            end();
        }
    }
}

/// Starts a thread that the process ends with, unless it comes to an end that is one.
pub fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(|| {
        let _vital = Vital;
        run().unwrap_or_else(|error| {
            tracing::error!(%error, "a thread failed");
            end()
        })
    })
}

fn end() -> ! {
    let thread = std::thread::current();
    tracing::error!(thread = thread.name(), "a part of the process is lost, and with it the rest");
    std::process::exit(EXIT_PART_LOST);
}
