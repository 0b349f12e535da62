//! Endpoints that want to be left alone for a while.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// Until when, by their addresses, which outlive a change of the settings.
#[derive(Default)]
pub struct Silence(RefCell<BTreeMap<Arc<str>, Instant>>);

impl Silence {
    /// An endpoint wants nothing for so long.
    pub fn begin(&self, address: &Arc<str>, time: Duration) {
        let now = Instant::now();
        let mut ends = self.0.borrow_mut();
        ends.retain(|_, end| *end > now);
        let end = ends.entry(Arc::clone(address)).or_insert(now);
        *end = (now + time).max(*end);
    }

    /// None for an endpoint that may be asked now.
    pub fn end(&self, address: &str) -> Option<Instant> {
        self.0.borrow().get(address).copied().filter(|end| *end > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::{spawn_local, yield_now};

    use super::*;
    use crate::config::Config;
    use crate::delivery::dead_letter::DeadLetters;
    use crate::delivery::{Delivery, Parcel, Reading, Recipient};
    use crate::settings::Current;
    use crate::shutdown::Switch;

    struct Nobody;

    impl Recipient for Nobody {
        fn settle(&self, _: &Reading) {}
        fn forget(&self, _: &Reading) {}
        fn lose(&self) {}
    }

    /// An API that asks for a pause of a minute, whatever it is sent.
    async fn busy(listener: TcpListener) -> std::io::Result<()> {
        loop {
            let (mut stream, _) = listener.accept().await?;
            let _ = stream.read(&mut [0; 4_096]).await?;
            let answer = b"HTTP/1.1 503 Busy\r\nretry-after: 60\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await?;
        }
    }

    #[test]
    fn no_slot_is_held_while_every_endpoint_wants_to_be_left_alone() {
        let letters = std::env::temp_dir().join(format!("silence-{}", std::process::id()));
        crate::local_runtime().unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            spawn_local(busy(listener));
            let config = Config::parse(&format!(
                "dead_letter.path = {letters:?}\n\
                batch = {{ readings = 1, in_flight = 3 }}\n\
                retry.max_backoff = \"1m\"\n\
                cluster.all.endpoints = [\"{address}\"]\n"
            ));
            let current = Arc::new(Current::new(config.unwrap(), 1));
            let dead_letters = DeadLetters::start(&current.load().config.dead_letter, &[]).unwrap();
            let (_switch, phases) = Switch::new();
            let delivery = Delivery::start(current, 0, 1, Arc::default(), dead_letters, phases, 1);
            // More batches than there are slots: some have been tried, the others wait for their first try.
            for sequence in 1..=6 {
                let (device, epoch, measured_at) = (42, 1, 1_795_000_000_000);
                let reading = Reading { device, epoch, sequence, measured_at, value: 1 };
                delivery.push(Parcel::new(reading, Instant::now(), Rc::new(Nobody))).await;
            }
            let is_silent = || delivery.route().silent_until().is_some();
            let free = || delivery.slots.available_permits();
            let settled = async {
                while !is_silent() || free() < 3 {
                    yield_now().await;
                }
            };
            let settled = tokio::time::timeout(Duration::from_secs(30), settled).await;
            assert!(settled.is_ok(), "{} of 3 are free", free());
        });
        std::fs::remove_file(letters).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn each_endpoint_is_left_alone_for_the_longest_that_it_said() {
        let silence = Silence::default();
        let (one, other): (Arc<str>, Arc<str>) = ("127.0.0.1:1".into(), "127.0.0.1:2".into());
        let left = |address: &str| silence.end(address).map(|end| (end - Instant::now()).as_secs());
        silence.begin(&one, Duration::from_secs(10));
        silence.begin(&one, Duration::from_secs(2));
        assert_eq!((left(&one), left(&other)), (Some(10), None));
        tokio::time::advance(Duration::from_secs(4)).await;
        silence.begin(&other, Duration::from_secs(1));
        assert_eq!((left(&one), left(&other)), (Some(6), Some(1)));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!((left(&one), left(&other)), (None, None));
    }
}
