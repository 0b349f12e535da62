//! Active checks, on the thread of the admin listener: endpoints of clusters that want it are tried again
//! and again.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::Health;
use crate::settings::Current;
use crate::tcp::check::Check;
use crate::upstream::member::Member;
use crate::vital;

/// Checks whatever the settings in force say.
pub async fn watch(current: Arc<Current>) {
    loop {
        let settings = Arc::clone(&current.load());
        // Dropped when the settings change, and every check of it with it.
        let mut checks = JoinSet::new();
        for (name, cluster) in &settings.config.clusters {
            for member in settings.members.get(name).into_iter().flatten().map(Arc::clone) {
                let Some(check) = Check::of(cluster, &settings.config) else {
                    member.unchecked();
                    continue;
                };
                let config = Arc::clone(&settings.config);
                checks.spawn_local(vital::task(async move {
                    let is_well = async || check.is_well(&member.address).await;
                    repeat(&member, &config.health, is_well).await;
                }));
            }
        }
        current.changed().await;
    }
}

/// Checks one endpoint for ever. No answer in time is none; what could not be asked says nothing.
async fn repeat(member: &Member, settings: &Health, is_well: impl AsyncFn() -> Option<bool>) {
    let mut due = interval(settings.interval);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let Some(passed) = timeout(settings.timeout, is_well()).await.unwrap_or(Some(false)) else {
            continue;
        };
        if member.checked(passed, settings) {
            let endpoint = &*member.address;
            if passed {
                tracing::info!(endpoint, "endpoint up: its checks pass again");
            } else {
                tracing::warn!(endpoint, "endpoint down: its checks fail");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use tokio::time::{Instant, sleep, sleep_until};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_goes_down_after_three_checks_and_up_after_two() {
        let (member, settings) =
            (Member::new("a:1", 1), crate::config::Config::parse("").unwrap().health);
        let began = Instant::now();
        let asked = RefCell::new(Vec::new());
        let is_well = async || {
            let second = began.elapsed().as_secs();
            asked.borrow_mut().push(second);
            // Well at first, then dead, if it could be asked, then too slow, then well again.
            match second {
                0..15 | 70.. => Some(true),
                30 => None,
                15..55 => Some(false),
                _ => {
                    sleep(Duration::from_mins(1)).await;
                    Some(true)
                }
            }
        };
        let look = async {
            for (second, down) in [(1, false), (49, false), (51, true), (79, true), (81, false)] {
                sleep_until(began + Duration::from_secs(second)).await;
                assert_eq!(member.is_down(), down, "after {second} s");
            }
        };
        tokio::select! {
            () = repeat(&member, &settings, is_well) => {}
            () = look => {}
        }
        assert_eq!(*asked.borrow(), [0, 10, 20, 30, 40, 50, 60, 70, 80]);
    }
}
