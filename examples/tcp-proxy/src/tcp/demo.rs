//! What the built-in upstreams answer: what they are sent.

use std::net::SocketAddr;

use tokio::io::{AsyncWriteExt, copy};
use tokio::net::TcpStream;

/// For whoever has just started it.
pub fn what_to_try(address: SocketAddr) -> String {
    format!("nc {} {}, and type a line", address.ip(), address.port())
}

/// Serves one connection of an upstream.
pub async fn echo(mut stream: TcpStream) {
    let (mut from, mut to) = stream.split();
    // Whoever breaks it off needs nothing more.
    if copy(&mut from, &mut to).await.is_ok() {
        let _ = to.shutdown().await;
    }
}
