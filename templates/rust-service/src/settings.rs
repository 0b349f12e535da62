//! The settings in force, and what is known of the endpoints that they name. Both are replaced together.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::config::Config;
use crate::upstream::clock::Clock;
use crate::upstream::member::Member;

pub struct Settings {
    pub config: Arc<Config>,
    /// The endpoints of each cluster, in the order of the configuration.
    pub members: BTreeMap<String, Vec<Arc<Member>>>,
    pub clock: Clock,
}

impl Settings {
    pub fn new(config: Config, workers: usize) -> Self {
        Self::after(config, workers, &BTreeMap::new(), Clock::start())
    }

    /// An endpoint that was there before is the same one still.
    fn after(
        config: Config,
        workers: usize,
        before: &BTreeMap<String, Vec<Arc<Member>>>,
        clock: Clock,
    ) -> Self {
        let member = |name: &str, address: &String| {
            let mut known = before.get(name).into_iter().flatten();
            let known = known.find(|member| *member.address == **address);
            known.map_or_else(|| Arc::new(Member::new(address, workers)), Arc::clone)
        };
        let members = config.clusters.iter().map(|(name, cluster)| {
            let members = cluster.endpoints.iter().map(|address| member(name, address));
            (name.clone(), members.collect())
        });
        Self { members: members.collect(), config: Arc::new(config), clock }
    }
}

/// What every thread reads, and a reload replaces.
pub struct Current {
    settings: ArcSwap<Settings>,
    workers: usize,
    changed: Notify,
}

impl Current {
    pub fn new(config: Config, workers: usize) -> Self {
        let settings = ArcSwap::from_pointee(Settings::new(config, workers));
        Self { settings, workers, changed: Notify::new() }
    }

    pub fn load(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    pub fn replace(&self, config: Config) {
        let before = self.load();
        let settings = Settings::after(config, self.workers, &before.members, before.clock);
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
    fn endpoints_that_stay_are_the_same_after_a_change() {
        let config = |endpoints: &str| {
            Config::parse(&format!("cluster.all.endpoints = [{endpoints}]")).unwrap()
        };
        let current = Current::new(config("\"a:1\", \"b:1\""), 1);
        let before = Arc::clone(&current.load().members["all"][1]);
        current.replace(config("\"b:1\", \"c:1\""));
        let after = current.load();
        assert!(Arc::ptr_eq(&before, &after.members["all"][0]));
        assert_eq!(&*after.members["all"][1].address, "c:1");
    }
}
