//! The settings in force, and what is known of the routes and endpoints that they name. All of it is
//! replaced together.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use crate::config::{Config, Route};
use crate::stats::Answers;
use crate::upstream::clock::Clock;
use crate::upstream::member::Member;

#[derive(Debug)]
pub struct Settings {
    pub config: Arc<Config>,
    /// The endpoints of each cluster, in the order of the configuration.
    pub members: BTreeMap<String, Vec<Arc<Member>>>,
    /// In the order of the configuration, and last what is counted of requests without a route.
    pub routes: Vec<Arc<RouteStats>>,
    pub clock: Clock,
    workers: usize,
}

/// What is counted of a route.
#[derive(Debug)]
pub struct RouteStats {
    pub label: String,
    /// One for each worker.
    pub answers: Vec<Arc<Answers>>,
}

/// The label of requests that no route is for. Others have a slash in it.
const NO_ROUTE: &str = "none";

impl Settings {
    pub fn new(config: Config, workers: usize) -> Self {
        Self::after(None, config, workers, Clock::start())
    }

    fn followed_by(&self, config: Config) -> Self {
        Self::after(Some(self), config, self.workers, self.clock)
    }

    /// Routes and endpoints that were there before are the same ones still.
    fn after(before: Option<&Self>, config: Config, workers: usize, clock: Clock) -> Self {
        let member = |cluster: &str, address: &String| {
            let known = before.and_then(|before| before.member(cluster, address));
            known.unwrap_or_else(|| Arc::new(Member::new(address, workers)))
        };
        let members = config.clusters.iter().map(|(name, cluster)| {
            let members = cluster.endpoints.iter().map(|address| member(name, address));
            (name.clone(), members.collect())
        });
        let route = |label: String| {
            let known = before.and_then(|before| before.route(&label));
            known.unwrap_or_else(|| Arc::new(RouteStats::new(label, workers)))
        };
        let labels = config.routes.iter().map(Route::label).chain([NO_ROUTE.to_owned()]);
        Self {
            members: members.collect(),
            routes: labels.map(route).collect(),
            config: Arc::new(config),
            clock,
            workers,
        }
    }

    fn member(&self, cluster: &str, address: &str) -> Option<Arc<Member>> {
        let mut members = self.members.get(cluster)?.iter();
        members.find(|member| *member.address == *address).map(Arc::clone)
    }

    fn route(&self, label: &str) -> Option<Arc<RouteStats>> {
        self.routes.iter().find(|route| route.label == label).map(Arc::clone)
    }

    /// Every endpoint, with the name of its cluster.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Member)> {
        let clusters = self.members.iter();
        clusters.flat_map(|(name, members)| members.iter().map(|member| (&**name, &**member)))
    }
}

impl RouteStats {
    fn new(label: String, workers: usize) -> Self {
        Self { label, answers: std::iter::repeat_with(Arc::default).take(workers).collect() }
    }
}

/// What every thread reads, and a reload replaces.
#[derive(Debug)]
pub struct Current {
    settings: ArcSwap<Settings>,
    changed: Notify,
}

impl Current {
    pub fn new(config: Config, workers: usize) -> Self {
        let settings = ArcSwap::from_pointee(Settings::new(config, workers));
        Self { settings, changed: Notify::new() }
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
        let config = |prefix: &str, endpoints: &str| {
            let route = format!("route = [{{ path_prefix = {prefix:?}, cluster = \"all\" }}]");
            let cluster = format!("cluster.all.endpoints = [{endpoints}]");
            Config::parse(&format!("{route}\n{cluster}")).unwrap()
        };
        let current = Current::new(config("/a", "\"a:1\", \"b:1\""), 1);
        let before = Arc::clone(&current.load());
        current.replace(config("/b", "\"b:1\", \"c:1\""));
        let after = current.load();
        let (old, new) = (&before.members["all"], &after.members["all"]);
        assert!(Arc::ptr_eq(&old[1], &new[0]));
        assert_eq!(&*new[1].address, "c:1");
        let labels: Vec<_> = after.routes.iter().map(|route| route.label.as_str()).collect();
        assert_eq!(labels, ["/b", NO_ROUTE]);
        assert!(Arc::ptr_eq(&before.routes[1], &after.routes[1]));
    }
}
