//! Devices as all workers know them: how many connections each has, and how much it sends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::allowance::Allowance;
use super::end::End;

/// Devices that a connection may carry. A line rarely has more than one.
pub const CARRIED: usize = 64;

/// Those that are connected, or have used up their share. The lock is taken when a connection hears a device
/// first, and when it ends.
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
    devices: Arc<Devices>,
    allowance: Arc<Allowance>,
}

impl Devices {
    /// None when the device has as many connections as it may.
    fn claim(self: &Arc<Self>, device: u32, most: usize) -> Option<Claim> {
        let mut known = self.known();
        known.forget();
        let entry = known.devices.entry(device).or_default();
        if entry.connections >= most {
            return None;
        }
        entry.connections += 1;
        let allowance = Arc::clone(&entry.allowance);
        Some(Claim { device, devices: Arc::clone(self), allowance })
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
    /// A device is heard, which may have so many connections.
    pub fn hear(&mut self, device: u32, devices: &Arc<Devices>, most: usize) -> Result<(), End> {
        if let Some(place) = self.0.iter().position(|claim| claim.device == device) {
            self.0.get_mut(..=place).into_iter().for_each(|first| first.rotate_right(1));
        } else if self.0.len() < CARRIED {
            self.0.insert(0, devices.claim(device, most).ok_or(End::TooMany)?);
        } else {
            return Err(End::TooManyDevices);
        }
        Ok(())
    }

    /// For how long one more reading of that device has to wait, when there may be so many in a second.
    pub fn wait(&self, per_second: u32) -> Duration {
        self.0.first().map_or(Duration::ZERO, |claim| claim.allowance.wait(per_second))
    }

    /// None of them is heard here any more.
    pub fn leave(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_device_that_connects_again_has_no_more_than_its_share() {
        let devices = Arc::<Devices>::default();
        let mut waited = Duration::ZERO;
        for _ in 0..20 {
            let mut claims = Claims::default();
            claims.hear(42, &devices, 1).unwrap();
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
    async fn devices_that_are_gone_are_forgotten_once_their_share_is_whole() {
        let devices = Arc::<Devices>::default();
        for device in 0..10_000 {
            let mut claims = Claims::default();
            claims.hear(device, &devices, 1).unwrap();
            claims.wait(1_000);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        let left = devices.known().devices.len();
        assert!(left <= 2 * CARRIED, "{left} are known");
    }
}
