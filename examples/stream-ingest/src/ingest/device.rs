//! Devices as all workers know them: how many connections each has, and how much it sends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// What a device that was quiet may send at once: its share of so long.
const BURST: Duration = Duration::from_secs(1);

/// Those that are connected. The lock is taken when a connection hears a device first, and when it ends.
pub struct Devices {
    connected: Mutex<HashMap<u32, Connected>>,
    began: Instant,
}

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

/// Until when the share of a device is used up, in nanoseconds.
#[derive(Default)]
struct Allowance(AtomicU64);

impl Default for Devices {
    fn default() -> Self {
        Self { connected: Mutex::default(), began: Instant::now() }
    }
}

impl Devices {
    /// None when the device has as many connections as it may.
    pub fn claim(self: &Arc<Self>, device: u32, most: usize) -> Option<Claim> {
        let mut connected = self.connected();
        let entry = connected
            .entry(device)
            .or_insert_with(|| Connected { allowance: Arc::default(), connections: 0 });
        if entry.connections >= most {
            return None;
        }
        entry.connections += 1;
        let allowance = Arc::clone(&entry.allowance);
        Some(Claim { device, devices: Arc::clone(self), allowance })
    }

    /// Nobody panics with it.
    fn connected(&self) -> MutexGuard<'_, HashMap<u32, Connected>> {
        self.connected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    pub fn device(&self) -> u32 {
        self.device
    }

    /// For how long one more reading has to wait, when there may be so many in a second.
    pub fn wait(&self, per_second: u32) -> Duration {
        let now = nanos(self.devices.began.elapsed());
        let each = nanos(Duration::from_secs(1)) / u64::from(per_second.max(1));
        let after = |used_up: u64| used_up.max(now) + each;
        let before = self.allowance.0.fetch_update(Relaxed, Relaxed, |last| Some(after(last)));
        let used_up = after(before.unwrap_or_else(|last| last));
        Duration::from_nanos(used_up.saturating_sub(now + nanos(BURST)))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut connected = self.devices.connected();
        if let Some(entry) = connected.get_mut(&self.device) {
            entry.connections -= 1;
            if entry.connections == 0 {
                connected.remove(&self.device);
            }
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The epochs that devices are welcomed with.
#[derive(Default)]
pub struct Epochs(AtomicU64);

impl Epochs {
    /// One that this process gave to nobody: now, in Unix milliseconds, or more when that is not above the last.
    pub fn next(&self) -> u64 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.next_at(u64::try_from(now.as_millis()).unwrap_or(u64::MAX))
    }

    fn next_at(&self, now: u64) -> u64 {
        let after = |last: u64| now.max(last + 1);
        let last = self.0.fetch_update(Relaxed, Relaxed, |last| Some(after(last)));
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
}
