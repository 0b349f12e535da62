//! Where batches go. Made anew when the settings change.

use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use super::silence::Silence;
use crate::config::{self, Config};
use crate::settings::Settings;
use crate::upstream::budget::Budget;
use crate::upstream::{Cluster, Endpoint};

pub struct Route {
    pub settings: Arc<Settings>,
    pub config: Arc<Config>,
    pub cluster: Cluster,
    pub budget: Budget,
    pub silence: Rc<Silence>,
}

impl Route {
    /// Of one worker among `workers`. Who wants to be left alone is known from the route before.
    pub fn new(
        settings: Arc<Settings>,
        worker: usize,
        workers: usize,
        silence: Rc<Silence>,
        seed: u64,
    ) -> Self {
        let config = Arc::clone(&settings.config);
        let nowhere = config::Cluster::default();
        let (name, cluster) = config.target().unwrap_or(("", &nowhere));
        Self {
            cluster: Cluster::new(name, cluster, &settings, worker, seed),
            budget: Budget::new(&config.retry, workers),
            config,
            settings,
            silence,
        }
    }

    /// Until when every endpoint that may be used wants to be left alone; None when one does not.
    pub fn silent_until(&self) -> Option<Instant> {
        let all = &self.cluster.endpoints;
        let is_any_fit = all.iter().any(|endpoint| self.is_fit(endpoint));
        let usable = all.iter().filter(|endpoint| !is_any_fit || self.is_fit(endpoint));
        let ends: Option<Vec<_>> =
            usable.map(|endpoint| self.silence.end(endpoint.address())).collect();
        ends?.into_iter().min()
    }

    /// Neither left alone for its failures nor down.
    pub fn is_fit(&self, endpoint: &Endpoint) -> bool {
        !endpoint.member.is_down() && !endpoint.record.is_ejected(self.settings.clock.now())
    }
}
