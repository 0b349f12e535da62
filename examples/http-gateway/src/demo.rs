//! Two upstreams that echo, for a start without a configuration.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio::task::spawn_local;

use crate::config::{Cluster, Config};
use crate::listener;
use crate::shutdown::Phases;
use crate::vital;

pub use crate::gateway::demo::what_to_try;

const UPSTREAMS: usize = 2;

/// Starts the upstreams and has everything sent to them.
pub fn start(config: &mut Config, phases: &Phases) -> std::io::Result<()> {
    let mut listeners = Vec::new();
    for _ in 0..UPSTREAMS {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        listeners.push(listener);
    }
    let addresses: Result<Vec<_>, _> =
        listeners.iter().map(std::net::TcpListener::local_addr).collect();
    let cluster = Cluster {
        endpoints: addresses?.iter().map(SocketAddr::to_string).collect(),
        ..Cluster::default()
    };
    config.forward_all_to("demo", cluster);
    let mut phases = phases.clone();
    vital::spawn("demo", || {
        crate::local_runtime()?.block_on(async move {
            for listener in listeners {
                spawn_local(serve(TcpListener::from_std(listener)?));
            }
            phases.stopped().await;
            std::io::Result::Ok(())
        })
    })?;
    Ok(())
}

async fn serve(listener: TcpListener) {
    loop {
        let (stream, _) = listener::accept(&listener, |_| ()).await;
        spawn_local(crate::gateway::demo::echo(stream));
    }
}
