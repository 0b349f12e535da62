//! What a proxy of connections in Rust is most often made of: a runtime that steals work, and
//! `copy_bidirectional`. It passes bytes on; nothing is bounded, tried again or counted.
//!
//! ```text
//! side_by_side LISTEN UPSTREAM WORKERS
//! ```

#![expect(clippy::disallowed_methods, reason = "the ordinary way is to spawn")]

use std::io;
use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, workers] = arguments.as_slice() else {
        anyhow::bail!("usage: side_by_side LISTEN UPSTREAM WORKERS");
    };
    let (listen, upstream) = (listen.parse()?, upstream.parse()?);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers.parse()?)
        .enable_all()
        .build()?
        .block_on(serve(listen, upstream))
}

async fn serve(listen: SocketAddr, upstream: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.context("the address can't be had")?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(pass(stream, upstream));
    }
}

async fn pass(mut client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut upstream = TcpStream::connect(upstream).await?;
    upstream.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut upstream).await?;
    Ok(())
}
