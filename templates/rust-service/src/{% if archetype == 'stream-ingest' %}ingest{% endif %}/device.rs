//! Devices as all workers know them: how many connections each has, and how much it sends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::end::End;

/// What may come at once from where it was quiet: the share of so long.
const BURST: Duration = Duration::from_secs(1);
/// Welcomes in a second: as many epochs as a second has.
const WELCOMES: u32 = 1_000;

/// Devices that a connection may carry. A line rarely has more than one.
const CARRIED: usize = 64;

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

/// A share of each second, and until when it is used up, in nanoseconds.
struct Allowance {
    began: Instant,
    used_up: AtomicU64,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { began: Instant::now(), used_up: AtomicU64::default() }
    }
}

impl Allowance {
    /// For how long one more has to wait, when there may be so many in a second.
    fn wait(&self, per_second: u32) -> Duration {
        let now = nanos(self.began.elapsed());
        let each = nanos(Duration::from_secs(1)) / u64::from(per_second.max(1));
        let after = |used_up: u64| used_up.max(now) + each;
        let before = self.used_up.fetch_update(Relaxed, Relaxed, |last| Some(after(last)));
        let used_up = after(before.unwrap_or_else(|last| last));
        Duration::from_nanos(used_up.saturating_sub(now + nanos(BURST)))
    }

    /// Whether some of it is used up.
    fn is_used(&self) -> bool {
        self.used_up.load(Relaxed) > nanos(self.began.elapsed())
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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

/// The epochs that devices are welcomed with.
#[derive(Default)]
pub struct Epochs {
    last: AtomicU64,
    /// Held by whoever is next, so that one who goes away leaves no gap.
    turn: tokio::sync::Mutex<()>,
    allowance: Allowance,
}

impl Epochs {
    /// One that this process gave to nobody: now, in Unix milliseconds, or more when that is not above the last.
    /// Whoever asks waits while there are so many that epochs would run ahead of the clock.
    pub async fn next(&self) -> u64 {
        let turn = self.turn.lock().await;
        let wait = self.allowance.wait(WELCOMES);
        if !wait.is_zero() {
            sleep(wait).await;
        }
        drop(turn);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.next_at(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    fn next_at(&self, now: u64) -> u64 {
        let after = |last: u64| now.max(last + 1);
        let last = self.last.fetch_update(Relaxed, Relaxed, |last| Some(after(last)));
        after(last.unwrap_or_else(|last| last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_rise_though_the_clock_jumps_back() {
        let epochs = Epochs::default();
        let given = [1_000, 1_000, 400, 1_001, 2_000].map(|now| epochs.next_at(now));
        assert_eq!(given, [1_000, 1_001, 1_002, 1_003, 2_000]);
    }

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

    #[tokio::test(start_paused = true)]
    async fn epochs_never_run_ahead_of_the_clock_by_more_than_a_second() {
        let epochs = Epochs::default();
        let began = Instant::now();
        for _ in 0..3 * WELCOMES {
            epochs.next().await;
        }
        let took = began.elapsed();
        assert!((1_900..2_100).contains(&took.as_millis()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_while_it_waits_costs_others_nothing() {
        let epochs = Epochs::default();
        for _ in 0..WELCOMES {
            epochs.next().await;
        }
        let began = Instant::now();
        for _ in 0..5_000 {
            let _ = tokio::time::timeout(Duration::ZERO, epochs.next()).await;
        }
        epochs.next().await;
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    }
}
