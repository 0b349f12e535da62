//! How an endpoint is asked whether it is well.

use tokio::net::TcpStream;

use crate::config::{Cluster, Config};

/// A connection that is made, and closed at once.
pub struct Check;

impl Check {
    /// None for clusters without `health_check`.
    pub fn of(cluster: &Cluster, _: &Config) -> Option<Self> {
        cluster.health_check.then_some(Self)
    }

    pub async fn is_well(&self, address: &str) -> bool {
        TcpStream::connect(address).await.is_ok()
    }
}
