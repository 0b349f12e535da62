//! Which cluster a request is for, and what a worker keeps about the settings in force.

use std::sync::Arc;

use crate::config::{Config, Route};
use crate::settings::Settings;
use crate::upstream::Cluster;
use crate::upstream::budget::Budget;

/// Made anew, with connections of its own, when the settings change.
pub struct Routes {
    pub settings: Arc<Settings>,
    pub config: Arc<Config>,
    pub budget: Budget,
    pub clusters: Vec<(String, Cluster)>,
    precedence: Vec<Route>,
}

impl Routes {
    /// Of the worker with this number, one among `workers`.
    pub fn new(settings: Arc<Settings>, worker: usize, workers: usize, seed: u64) -> Self {
        let config = Arc::clone(&settings.config);
        let mut precedence = config.routes.clone();
        precedence
            .sort_by_key(|route| (route.host.is_none(), usize::MAX - route.path_prefix.len()));
        let cluster = |(name, cluster): (&String, _)| {
            (name.clone(), Cluster::new(name, cluster, &settings, worker, seed))
        };
        #[expect(clippy::cast_precision_loss, reason = "there are not that many cores")]
        let share = workers as f64;
        Self {
            budget: Budget::new(&config.retry, share),
            clusters: config.clusters.iter().map(cluster).collect(),
            precedence,
            config,
            settings,
        }
    }

    pub fn find(&self, host: &str, path: &str) -> Option<&Cluster> {
        let route = self.precedence.iter().find(|route| matches(route, host, path))?;
        let named = self.clusters.iter().find(|(name, _)| *name == route.cluster);
        named.map(|(_, cluster)| cluster)
    }
}

fn matches(route: &Route, host: &str, path: &str) -> bool {
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
        let cluster = routes.find(host, path)?;
        Some(cluster.endpoints[0].address().to_string())
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
        let route = Route { path_prefix: "/api".to_owned(), ..Route::default() };
        assert!(!matches(&route, "a", "/other"));
    }
}
