//! Sockets that listen, and how connections are taken from them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What the kernel queues for a listener. Linux caps it at net.core.somaxconn.
const BACKLOG: i32 = 1_024;
/// The first and the longest pause after a failure that concerns more than one connection.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// A peer of which nothing was heard for so long is asked whether it is there.
const PEER_SILENCE: Duration = Duration::from_mins(1);
/// Again after so long without an answer.
const PEER_ASKED: Duration = Duration::from_secs(10);
/// And after so many times it has gone.
const PEER_ASKED_TIMES: u32 = 3;

/// A listener for each worker, all on the same port.
pub fn bind(address: SocketAddr, workers: usize, takeover: bool) -> io::Result<Vec<Socket>> {
    if !takeover {
        // With SO_REUSEPORT a second process would take half of the connections in silence.
        socket(address)?.bind(&address.into())?;
    }
    let mut sockets = Vec::with_capacity(workers);
    let mut address = address;
    for _ in 0..workers {
        let socket = socket(address)?;
        socket.set_reuse_port(true)?;
        socket.bind(&address.into())?;
        // Port 0 has become one that was free.
        address = socket.local_addr()?.as_socket().unwrap_or(address);
        sockets.push(socket);
    }
    for socket in &sockets {
        socket.listen(BACKLOG)?;
    }
    Ok(sockets)
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Linux hands these down to the connections that are accepted.
    socket.set_tcp_nodelay(true)?;
    // What is sent, and not read, has its bounds in the settings.
    socket.set_tcp_keepalive(&keepalive())?;
    Ok(socket)
}

/// How a peer that is silent is asked whether it is there.
pub fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(PEER_SILENCE)
        .with_interval(PEER_ASKED)
        .with_retries(PEER_ASKED_TIMES)
}

/// The next connection. `failed` is told what came in between.
pub async fn accept(
    listener: &TcpListener,
    mut failed: impl FnMut(&io::Error),
) -> (TcpStream, SocketAddr) {
    let mut pause = BACKOFF.0;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                failed(&error);
                if !is_of_one(&error) {
                    tracing::error!(%error, "can't accept connections");
                    sleep(pause).await;
                    pause = BACKOFF.1.min(pause * 2);
                }
            }
        }
    }
}

/// Takes every connection that is queued, and closes the listener. Clients whose connection was made
/// believe that they are served.
pub fn take_queued(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else {
        return Vec::new();
    };
    let mut taken = Vec::new();
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                let stream =
                    stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                taken.extend(stream.map(|stream| (stream, peer)));
            }
            Err(error) if is_of_one(&error) => {}
            // WouldBlock, once none is left.
            Err(_) => return taken,
        }
    }
}

/// Whether a failure is of the connection that was to be accepted, and the next may well succeed.
/// accept(2): "detect the network errors defined for the protocol \[...\] and treat them like EAGAIN by
/// retrying".
fn is_of_one(error: &io::Error) -> bool {
    let of_one = [
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::INTR,
        Errno::NETDOWN,
        Errno::NETUNREACH,
        Errno::NONET,
        Errno::NOPROTOOPT,
        Errno::OPNOTSUPP,
        Errno::PERM,
        Errno::PROTO,
    ];
    Errno::from_io_error(error).is_some_and(|errno| of_one.contains(&errno))
}

/// Whether a connection can't be made for want of something that this machine or process has too little
/// of. Nobody at the other end is to blame.
pub fn is_own(error: &io::Error) -> bool {
    let own = [Errno::ADDRNOTAVAIL, Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| own.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_concerns_all_connections_makes_it_pause() {
        for (errno, of_one) in [(Errno::CONNABORTED, true), (Errno::MFILE, false)] {
            assert_eq!(is_of_one(&errno.into()), of_one, "{errno}");
        }
    }

    #[test]
    fn an_accepted_connection_asks_whether_a_silent_peer_is_there_and_bounds_no_other() {
        let [listening] =
            <[Socket; 1]>::try_from(bind(SocketAddr::from(([127, 0, 0, 1], 0)), 1, false).unwrap())
                .unwrap();
        let address = listening.local_addr().unwrap().as_socket().unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        let (accepted, _) = listening.accept().unwrap();
        assert!(accepted.keepalive().unwrap() && accepted.tcp_nodelay().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), PEER_SILENCE);
        assert_eq!(accepted.tcp_keepalive_interval().unwrap(), PEER_ASKED);
        assert_eq!(accepted.tcp_keepalive_retries().unwrap(), PEER_ASKED_TIMES);
        assert_eq!(accepted.tcp_user_timeout().unwrap(), None);
    }

    #[tokio::test]
    async fn whoever_is_queued_when_a_listener_closes_is_taken() {
        let sockets = bind(SocketAddr::from(([127, 0, 0, 1], 0)), 1, false).unwrap();
        let address = sockets[0].local_addr().unwrap().as_socket().unwrap();
        let clients: Vec<_> =
            (0..10).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
        let [socket] = <[Socket; 1]>::try_from(sockets).unwrap();
        let taken = take_queued(TcpListener::from_std(socket.into()).unwrap());
        let peers: Vec<_> = taken.iter().map(|(_, peer)| *peer).collect();
        let expected: Vec<_> = clients.iter().map(|client| client.local_addr().unwrap()).collect();
        assert_eq!(peers, expected);
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}
