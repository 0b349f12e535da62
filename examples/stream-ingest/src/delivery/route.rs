//! Where batches go. Made anew when the settings change.

use std::sync::Arc;

use crate::config::{self, Config};
use crate::settings::Settings;
use crate::upstream::Cluster;
use crate::upstream::budget::Budget;

pub struct Route {
    pub settings: Arc<Settings>,
    pub config: Arc<Config>,
    pub cluster: Cluster,
    pub budget: Budget,
}

impl Route {
    /// Of one worker among `workers`.
    pub fn new(settings: Arc<Settings>, worker: usize, workers: usize, seed: u64) -> Self {
        let config = Arc::clone(&settings.config);
        let nowhere = config::Cluster::default();
        let (name, cluster) = config.target().unwrap_or(("", &nowhere));
        Self {
            cluster: Cluster::new(name, cluster, &settings, worker, seed),
            budget: Budget::new(&config.retry, workers),
            config,
            settings,
        }
    }
}
