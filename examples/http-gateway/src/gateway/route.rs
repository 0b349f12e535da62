//! Which cluster a request is for, and what a worker keeps about the settings in force.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use http::{HeaderValue, Version};

use super::answers::Answers;
use crate::config::{self, Config};
use crate::settings::Settings;
use crate::upstream::Cluster;
use crate::upstream::budget::Budget;

/// Made anew, with connections of its own, when the settings change.
pub struct Routes {
    pub settings: Arc<Settings>,
    pub config: Arc<Config>,
    pub budget: Budget,
    pub clusters: Vec<Rc<Cluster>>,
    /// For requests that no route is for.
    pub unrouted: Arc<Answers>,
    via: HeaderValue,
    precedence: Vec<Rc<Route>>,
}

/// Where requests go that match.
pub struct Route {
    pub cluster: Rc<Cluster>,
    pub answers: Arc<Answers>,
    config: config::Route,
}

impl Routes {
    /// Of the worker with this number, one among `workers`.
    pub fn new(settings: Arc<Settings>, worker: usize, workers: usize, seed: u64) -> Self {
        let config = Arc::clone(&settings.config);
        let cluster = |(name, cluster): (&String, _)| {
            (name.clone(), Rc::new(Cluster::new(name, cluster, &settings, worker, seed)))
        };
        let clusters: BTreeMap<_, _> = config.clusters.iter().map(cluster).collect();
        let mut answers = settings.routes.iter().filter_map(|route| route.answers.get(worker));
        let route = |(config, answers): (&config::Route, &Arc<Answers>)| {
            let (cluster, answers) =
                (Rc::clone(clusters.get(&config.cluster)?), Arc::clone(answers));
            Some(Rc::new(Route { cluster, answers, config: config.clone() }))
        };
        let mut precedence: Vec<_> =
            config.routes.iter().zip(answers.by_ref()).filter_map(route).collect();
        precedence.sort_by_key(|route| {
            (route.config.host.is_none(), usize::MAX - route.config.path_prefix.len())
        });
        Self {
            budget: Budget::new(&config.retry, workers),
            unrouted: answers.next().map(Arc::clone).unwrap_or_default(),
            via: hop("1.1", &config.name),
            precedence,
            clusters: clusters.into_values().collect(),
            config,
            settings,
        }
    }

    /// What is added to Via of a request that came in this version.
    pub fn via(&self, version: Version) -> HeaderValue {
        if version == Version::HTTP_10 { hop("1.0", &self.config.name) } else { self.via.clone() }
    }

    pub fn find(&self, host: &str, path: &str) -> Option<&Rc<Route>> {
        self.precedence.iter().find(|route| matches(&route.config, host, path))
    }
}

fn hop(version: &str, name: &str) -> HeaderValue {
    let hop = HeaderValue::try_from(format!("{version} {name}"));
    hop.unwrap_or(HeaderValue::from_static("1.1 -"))
}

fn matches(route: &config::Route, host: &str, path: &str) -> bool {
    let is_host = route.host.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(host));
    let prefix = route.path_prefix.trim_end_matches('/');
    let rest = path.strip_prefix(prefix);
    is_host
        && (prefix.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(host: &str, path: &str) -> Option<String> {
        let text = r#"
            route = [
                { path_prefix = "/", cluster = "all" },
                { path_prefix = "/api", cluster = "api" },
                { path_prefix = "/api/new/", cluster = "new" },
                { host = "shop.example.com", path_prefix = "/cart", cluster = "shop" },
            ]
            cluster.all.endpoints = ["all:1"]
            cluster.api.endpoints = ["api:1"]
            cluster.new.endpoints = ["new:1"]
            cluster.shop.endpoints = ["shop:1"]
        "#;
        let settings = Settings::new(Config::parse(text).unwrap(), 1);
        let routes = Routes::new(Arc::new(settings), 0, 1, 1);
        let route = routes.find(host, path)?;
        Some(route.cluster.endpoints[0].address().to_string())
    }

    #[tokio::test]
    async fn the_longest_prefix_wins_after_the_host() {
        for (host, path, cluster) in [
            ("a", "/", "all:1"),
            ("a", "/api", "api:1"),
            ("a", "/api/x", "api:1"),
            ("a", "/apis", "all:1"),
            ("a", "/api/new", "new:1"),
            ("a", "/api/new/x", "new:1"),
            ("a", "/cart", "all:1"),
            ("Shop.Example.com", "/cart", "shop:1"),
            ("shop.example.com", "/api", "api:1"),
            ("a", "*", "all:1"),
        ] {
            assert_eq!(found(host, path).as_deref(), Some(cluster), "{host}{path}");
        }
    }

    #[test]
    fn nothing_matches_nothing() {
        let route = config::Route { path_prefix: "/api".to_owned(), ..config::Route::default() };
        assert!(!matches(&route, "a", "/other"));
    }
}
