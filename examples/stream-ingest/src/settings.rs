//! The settings in force, and what is known of the endpoints that they name. All of it is replaced
//! together.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::config::Config;
use crate::upstream::clock::Clock;
use crate::upstream::member::Member;

#[derive(Debug)]
pub struct Settings {
    pub config: Arc<Config>,
    /// The endpoints of each cluster, in the order of the configuration.
    pub members: BTreeMap<String, Vec<Arc<Member>>>,
    pub clock: Clock,
    workers: usize,
}

impl Settings {
    pub fn new(config: Config, workers: usize) -> Self {
        Self::after(None, config, workers, Clock::start())
    }

    fn followed_by(&self, config: Config) -> Self {
        Self::after(Some(self), config, self.workers, self.clock)
    }

    fn after(before: Option<&Self>, config: Config, workers: usize, clock: Clock) -> Self {
        let member = |cluster: &str, address: &String| {
            let known = before.and_then(|before| before.member(cluster, address));
            known.unwrap_or_else(|| Arc::new(Member::new(address, workers)))
        };
        let members = config.clusters.iter().map(|(name, cluster)| {
            let members = cluster.endpoints.iter().map(|address| member(name, address));
            (name.clone(), members.collect())
        });
        Self {
            // What is known of those that were there before stays.
            members: members.collect(),
            config: Arc::new(config),
            clock,
            workers,
        }
    }

    fn member(&self, cluster: &str, address: &str) -> Option<Arc<Member>> {
        let mut members = self.members.get(cluster)?.iter();
        members.find(|member| *member.address == *address).map(Arc::clone)
    }

    /// Every endpoint, with the name of its cluster.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Member)> {
        let clusters = self.members.iter();
        clusters.flat_map(|(name, members)| members.iter().map(|member| (&**name, &**member)))
    }
}

/// What every thread reads, and a reload replaces.
#[derive(Debug)]
pub struct Current {
    settings: ArcSwap<Settings>,
    /// How often settings were not taken, because they were not valid.
    pub refused: AtomicU64,
    changed: Notify,
}

impl Current {
    pub fn new(config: Config, workers: usize) -> Self {
        let settings = ArcSwap::from_pointee(Settings::new(config, workers));
        Self { settings, refused: AtomicU64::default(), changed: Notify::new() }
    }

    pub fn load(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    pub fn replace(&self, config: Config) {
        let settings = self.load().followed_by(config);
        self.settings.store(Arc::new(settings));
        self.changed.notify_one();
    }

    /// Waits for the next change. There must not be more than one who does.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_the_same_after_a_change() {
        let config = |endpoints: &str| {
            Config::parse(&format!("[cluster.all]\nendpoints = [{endpoints}]")).unwrap()
        };
        let current = Current::new(config("\"a:1\", \"b:1\""), 1);
        let before = Arc::clone(&current.load());
        current.replace(config("\"b:1\", \"c:1\""));
        let after = current.load();
        let (old, new) = (&before.members["all"], &after.members["all"]);
        assert!(Arc::ptr_eq(&old[1], &new[0]));
        assert_eq!(&*new[1].address, "c:1");
    }
}
