//! How an endpoint is asked whether it is well.

use tokio::net::TcpStream;

use crate::config::{Cluster, Config};
use crate::listener;

/// A connection that is made, and closed at once.
pub struct Check;

impl Check {
    /// None for clusters without `health_check`.
    pub fn of(cluster: &Cluster, _: &Config) -> Option<Self> {
        cluster.health_check.then_some(Self)
    }

    /// None when this process could not ask.
    pub async fn is_well(&self, address: &str) -> Option<bool> {
        match TcpStream::connect(address).await {
            Err(error) if listener::is_own(&error) => None,
            outcome => Some(outcome.is_ok()),
        }
    }
}
