//! Devices as all workers know them: how many connections each has, and how much it sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::allowance::Allowance;
use super::end::End;
use crate::config::Config;

/// Devices that a connection may carry. A line rarely has more than one.
pub const CARRIED: usize = 64;

/// Those that are connected, or have used up their share. The lock is taken when a connection hears a device
/// that it does not carry, and when it ends.
#[derive(Default)]
pub struct Devices(Mutex<Known>);

#[derive(Default)]
struct Known {
    devices: HashMap<u32, Connected>,
    /// With so many of them, those that need not be known any more are forgotten.
    many: usize,
}

#[derive(Default)]
struct Connected {
    allowance: Arc<Allowance>,
    connections: usize,
}

/// A connection over which a device is heard.
pub struct Claim {
    device: u32,
    /// The last time.
    heard: Instant,
    devices: Arc<Devices>,
    allowance: Arc<Allowance>,
}

impl Devices {
    /// None when the device has as many connections as it may.
    fn claim(self: &Arc<Self>, device: u32, heard: Instant, most: usize) -> Option<Claim> {
        let mut known = self.known();
        known.forget();
        let entry = known.devices.entry(device).or_default();
        if entry.connections >= most {
            return None;
        }
        entry.connections += 1;
        let allowance = Arc::clone(&entry.allowance);
        Some(Claim { device, heard, devices: Arc::clone(self), allowance })
    }

    /// Nobody panics with it.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Looks at all of them when they have become twice as many as were left the last time.
    fn forget(&mut self) {
        if self.devices.len() >= self.many {
            self.devices.retain(|_, device| device.connections > 0 || device.allowance.is_used());
            self.many = 2 * self.devices.len().max(CARRIED);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut known = self.devices.known();
        if let Some(entry) = known.devices.get_mut(&self.device) {
            entry.connections -= 1;
            // Who connects again at once has no other share.
            if entry.connections == 0 && !entry.allowance.is_used() {
                known.devices.remove(&self.device);
            }
        }
    }
}

/// The devices that are heard on one connection. The one that was heard last comes first.
#[derive(Default)]
pub struct Claims(Vec<Claim>);

impl Claims {
    /// A device is heard: whether it may be, beside others that are carried. Those that were not heard for as long
    /// as a whole connection may be silent are carried no more.
    pub fn hear(
        &mut self,
        device: u32,
        now: Instant,
        devices: &Arc<Devices>,
        config: &Config,
    ) -> Result<bool, End> {
        if to_front(&mut self.0, |claim| claim.device == device) {
            self.0.first_mut().into_iter().for_each(|claim| claim.heard = now);
        }
        let is_silent = |claim: &mut Claim| now - claim.heard >= config.timeouts.idle;
        while self.0.pop_if(is_silent).is_some() {}
        if self.0.first().is_some_and(|claim| claim.device == device) {
            return Ok(true);
        }
        if self.0.len() >= CARRIED {
            return Err(End::TooManyDevices);
        }
        match devices.claim(device, now, config.limits.device_connections) {
            Some(claim) => self.0.insert(0, claim),
            None if self.0.is_empty() => return Err(End::TooMany),
            None => return Ok(false),
        }
        Ok(true)
    }

    /// For how long one more reading of that device has to wait, when there may be so many in a second.
    pub fn wait(&self, per_second: u32) -> Duration {
        self.0.first().map_or(Duration::ZERO, |claim| claim.allowance.take(per_second))
    }

    /// None of them is heard here any more.
    pub fn leave(&mut self) {
        self.0.clear();
    }
}

/// Moves the one that is meant to the front; false when there is none.
pub fn to_front<T>(list: &mut [T], is_meant: impl Fn(&T) -> bool) -> bool {
    let Some(place) = list.iter().position(is_meant) else {
        return false;
    };
    list.get_mut(..=place).into_iter().for_each(|first| first.rotate_right(1));
    true
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    /// For devices that may have one connection.
    fn config() -> Config {
        Config::parse("limits.device_connections = 1\ntimeouts.idle = \"90s\"").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_that_connects_again_has_no_more_than_its_share() {
        let devices = Arc::<Devices>::default();
        let mut waited = Duration::ZERO;
        for _ in 0..20 {
            let mut claims = Claims::default();
            claims.hear(42, Instant::now(), &devices, &config()).unwrap();
            for _ in 0..50 {
                let wait = claims.wait(50);
                waited += wait;
                sleep(wait).await;
            }
        }
        // Of 1 000 readings at 50 in a second, a second's share comes at once.
        assert!((18.9..19.1).contains(&waited.as_secs_f64()), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_device_may_be_heard_elsewhere_once_it_was_silent_on_a_line_with_others() {
        let (devices, config) = (Arc::default(), config());
        let [mut first, mut second] = [Claims::default(), Claims::default()];
        let hear = |line: &mut Claims, device| line.hear(device, Instant::now(), &devices, &config);
        assert_eq!(hear(&mut first, 42), Ok(true));
        advance(Duration::from_secs(45)).await;
        assert_eq!(hear(&mut first, 1), Ok(true));
        assert_eq!(hear(&mut second, 42), Err(End::TooMany), "it carries nobody else");
        assert_eq!(hear(&mut second, 2), Ok(true));
        advance(Duration::from_millis(44_999)).await;
        assert_eq!([hear(&mut first, 1), hear(&mut second, 42)], [Ok(true), Ok(false)]);
        advance(Duration::from_millis(1)).await;
        assert_eq!([hear(&mut first, 1), hear(&mut second, 42)], [Ok(true), Ok(true)]);
        assert_eq!(hear(&mut first, 42), Ok(false));
    }

    #[tokio::test(start_paused = true)]
    async fn devices_that_are_gone_are_forgotten_once_their_share_is_whole() {
        let devices = Arc::<Devices>::default();
        let config = config();
        for device in 0..10_000 {
            let mut claims = Claims::default();
            claims.hear(device, Instant::now(), &devices, &config).unwrap();
            claims.wait(1_000);
            advance(Duration::from_millis(1)).await;
        }
        let left = devices.known().devices.len();
        assert!(left <= 2 * CARRIED, "{left} are known");
    }
}
