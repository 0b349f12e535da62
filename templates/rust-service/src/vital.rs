//! What the process can't do without. With a part of it dead it would look well for ever and do its work in part,
//! so it ends, and whoever supervises it starts another.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::thread::JoinHandle;

/// `EX_SOFTWARE` of sysexits.h: a part is gone that must not be.
const EXIT_PART_LOST: i32 = 70;

/// Held while what must not panic runs: the process ends when it does.
struct Vital;

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

/// Does the work of a task that the process ends with when it panics. It holds that from poll to poll only: one that
/// waits is dropped as well when something else on its thread panics.
pub async fn task<T>(work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _vital = Vital;
        work.as_mut().poll(context)
    })
    .await
}

fn end() -> ! {
    let thread = std::thread::current();
    tracing::error!(thread = thread.name(), "a part of the process is lost, and with it the rest");
    std::process::exit(EXIT_PART_LOST);
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn the_process_goes_on_when_something_panics_beside_a_task_that_waits() {
        let beside = std::thread::spawn(|| {
            let mut waits = pin!(task(pending::<()>()));
            let polled = waits.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_ready(), "as it was told to");
        });
        assert!(beside.join().is_err());
    }
}
