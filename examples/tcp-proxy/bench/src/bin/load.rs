//! What loads the proxies, and what they pass it on to.
//!
//! ```text
//! load serve LISTEN              sends as many bytes as each number says that comes
//! load connections PROXY COUNT   of 64 at once, each of which asks for 64 bytes and ends
//! load bytes PROXY GIBIBYTES     over eight connections; says the seconds that it took
//! load idle PROXY COUNT          asks once over each, says so, and keeps them until it is killed
//! ```

#![expect(clippy::disallowed_methods, reason = "nothing else is served here")]

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

const AT_ONCE: u64 = 64;
const STREAMS: u64 = 8;
/// What is asked for, where the count of bytes does not matter.
const LITTLE: u64 = 64;

/// What is sent, and how much is read at once.
static PIECE: [u8; 256 << 10] = [b'x'; 256 << 10];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["serve", listen] => serve(listen.parse()?).await,
        ["connections", proxy, count] => connections(proxy.parse()?, count.parse()?).await,
        ["bytes", proxy, gibibytes] => bytes(proxy.parse()?, gibibytes.parse()?).await,
        ["idle", proxy, count] => idle(proxy.parse()?, count.parse()?).await,
        _ => bail!("usage: load serve|connections|bytes|idle ADDRESS [COUNT]"),
    }
}

async fn serve(listen: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.context("the address can't be had")?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // The end of the client's half is that of the connection.
    while let Ok(mut left) = stream.read_u64().await {
        while left > 0 {
            let length = PIECE.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            stream.write_all(&PIECE[..length]).await?;
            left -= length as u64;
        }
    }
    Ok(())
}

async fn connections(proxy: SocketAddr, count: u64) -> anyhow::Result<()> {
    let mut clients = JoinSet::new();
    for client in 0..AT_ONCE {
        let share = count / AT_ONCE + u64::from(client < count % AT_ONCE);
        clients.spawn(async move {
            for _ in 0..share {
                let mut stream = connect(proxy).await?;
                ask(&mut stream, LITTLE, &mut [0; 64]).await?;
                stream.shutdown().await?;
                ensure!(stream.read(&mut [0]).await? == 0, "more came than was asked for");
            }
            Ok(())
        });
    }
    finish(clients).await
}

async fn bytes(proxy: SocketAddr, gibibytes: u64) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..STREAMS {
        clients.spawn(async move {
            let mut stream = connect(proxy).await?;
            ask(&mut stream, (gibibytes << 30) / STREAMS, &mut vec![0; PIECE.len()]).await
        });
    }
    finish(clients).await?;
    println!("{:.3}", began.elapsed().as_secs_f64());
    Ok(())
}

async fn idle(proxy: SocketAddr, count: u64) -> anyhow::Result<()> {
    let mut held = Vec::new();
    for _ in 0..count {
        let mut stream = connect(proxy).await?;
        ask(&mut stream, LITTLE, &mut [0; 64]).await?;
        held.push(stream);
    }
    println!("{} held", held.len());
    std::future::pending().await
}

async fn connect(proxy: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks for so many bytes, and takes them.
async fn ask(stream: &mut TcpStream, count: u64, buffer: &mut [u8]) -> anyhow::Result<()> {
    stream.write_u64(count).await?;
    let mut left = count;
    while left > 0 {
        let length = stream.read(buffer).await? as u64;
        ensure!(0 < length && length <= left, "{length} bytes came where {left} were missing");
        left -= length;
    }
    Ok(())
}

async fn finish(mut clients: JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(ended) = clients.join_next().await {
        ended??;
    }
    Ok(())
}
