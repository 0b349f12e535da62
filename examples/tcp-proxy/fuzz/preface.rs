//! Whoever connects to whichever address: an upstream that reads the header of the PROXY protocol is told
//! these two, and where the bytes of the client begin.

#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use service::tcp::preface::version_2;

fuzz_target!(|ends: (SocketAddr, SocketAddr, &[u8])| {
    let (client, local, bytes) = ends;
    let sent = [&version_2(client, local), bytes].concat();
    let (told, rest) = read(&sent).expect("a header that can't be read");
    assert_eq!(told.map(canonical), [client, local].map(canonical));
    assert_eq!(rest, bytes);
});

/// By <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2: source, destination, and
/// what comes after the header.
fn read(bytes: &[u8]) -> Option<([SocketAddr; 2], &[u8])> {
    let rest = bytes.strip_prefix(b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A\x21")?;
    let (&family, rest) = rest.split_first()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (header, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
    let width = match family {
        0x11 => 4,
        0x21 => 16,
        _ => return None,
    };
    let (addresses, ports) = header.split_at_checked(2 * width)?;
    let [from, to] = [0, width].map(|at| &addresses[at..at + width]);
    let (&[a, b, c, d], []) = ports.split_first_chunk()? else {
        return None;
    };
    let [from_port, to_port] = [[a, b], [c, d]].map(u16::from_be_bytes);
    Some(([(address(from)?, from_port).into(), (address(to)?, to_port).into()], rest))
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|bytes| Ipv4Addr::from(bytes).into());
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| Ipv6Addr::from(bytes).into())).ok()
}

/// An address of IPv4 as such, however it is written, and nothing of what is of one machine only.
fn canonical(address: SocketAddr) -> (IpAddr, u16) {
    (address.ip().to_canonical(), address.port())
}
