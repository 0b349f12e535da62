//! How an endpoint is asked whether it is well.

use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::config::{Cluster, Config};
use crate::listener;

/// A GET that must be answered 2xx.
pub struct Check {
    path: String,
}

impl Check {
    /// None for clusters without a `health_path`.
    pub fn of(cluster: &Cluster, _: &Config) -> Option<Self> {
        let path = cluster.health_path.clone()?;
        Some(Self { path })
    }

    /// Over a connection of its own: one that can't be made is a finding. None when this process could not
    /// ask.
    pub async fn is_well(&self, address: &str) -> Option<bool> {
        match TcpStream::connect(address).await {
            Ok(stream) => Some(self.is_answered(address, stream).await),
            Err(error) if listener::is_own(&error) => None,
            Err(_) => Some(false),
        }
    }

    async fn is_answered(&self, address: &str, stream: TcpStream) -> bool {
        let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else {
            return false;
        };
        spawn_local(connection);
        let request = Request::get(&self.path)
            .header(HOST, address)
            .header(USER_AGENT, env!("CARGO_PKG_NAME"))
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new());
        let Ok(request) = request else {
            return false;
        };
        sender.send_request(request).await.is_ok_and(|answer| answer.status().is_success())
    }
}
