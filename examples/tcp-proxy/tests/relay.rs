//! What goes through: every byte, every end of a half, and every reset.

mod support;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;

use support::{
    Client, Service, Upstream, closed_port, forwarding, metric, reset, start, start_before, until,
};

/// The end of the only connection through a service.
fn ended(service: &Service, cause: &str) {
    let series = format!("connections_ended_total{{cause=\"{cause}\"}}");
    until(|| metric(service, &series) == 1);
    until(|| metric(service, "connections") == 0 && metric(service, "upstream_connections") == 0);
    assert_eq!(metric(service, "connections_ended_total"), 1);
}

#[test]
fn bytes_go_both_ways() {
    let upstream = Upstream::echo();
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    for text in ["hello", "again"] {
        client.send(text);
        assert_eq!(client.take(5).unwrap(), text.as_bytes());
    }
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest().unwrap(), b"");
    ended(&service, "client_closed");
    for name in ["upstream_sent_bytes_total", "upstream_received_bytes_total"] {
        assert_eq!(metric(&service, name), 10, "{name}");
    }
}

#[test]
fn an_upstream_may_speak_first_and_end_first() {
    let (told, seen) = mpsc::channel();
    let upstream = Upstream::start(move |mut stream| {
        stream.write_all(b"220 ready")?;
        stream.shutdown(Shutdown::Write)?;
        let mut heard = String::new();
        stream.read_to_string(&mut heard)?;
        told.send(heard).map_err(io::Error::other)
    });
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    assert_eq!(client.rest().unwrap(), b"220 ready");
    client.send("late");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(seen.recv().unwrap(), "late");
    ended(&service, "upstream_closed");
}

#[test]
fn a_client_that_has_ended_its_half_still_gets_its_answer() {
    let upstream = Upstream::start(|mut stream| {
        let mut question = Vec::new();
        stream.read_to_end(&mut question)?;
        stream.write_all(&question.repeat(1_000))
    });
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    client.send("question");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest().unwrap(), b"question".repeat(1_000));
    ended(&service, "client_closed");
}

#[test]
fn a_reset_of_the_upstream_reaches_the_client_as_a_reset() {
    let upstream = Upstream::start(|mut stream| {
        stream.read_exact(&mut [0; 5])?;
        reset(&stream);
        Ok(())
    });
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    client.send("hello");
    assert_eq!(client.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
    ended(&service, "upstream_reset");
}

#[test]
fn a_reset_of_the_client_reaches_the_upstream_as_a_reset() {
    let (told, seen) = mpsc::channel();
    let upstream = Upstream::start(move |mut stream| {
        stream.write_all(b"hello")?;
        let end = stream.read_to_end(&mut Vec::new());
        told.send(end.map_err(|error| error.kind())).map_err(io::Error::other)
    });
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    client.take(5).unwrap();
    reset(&client.stream);
    drop(client);
    assert_eq!(seen.recv().unwrap(), Err(ErrorKind::ConnectionReset));
    ended(&service, "client_reset");
}

/// Bytes that differ from those around them.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|index| u8::try_from(index % 251).unwrap_or_default()).collect()
}

#[test]
fn a_flood_waits_for_a_slow_reader_in_bounded_memory() {
    const BYTES: usize = 64 << 20;
    let upstream = Upstream::start(|mut stream| stream.write_all(&pattern(BYTES)));
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    // Until nothing moves, because nobody reads: the sockets are full, and so is one buffer.
    let passed = || metric(&service, "upstream_received_bytes_total");
    until(|| metric(&service, "buffered_bytes") > 0);
    until(|| {
        let before = passed();
        (0..100).all(|_| passed() == before)
    });
    assert!(passed() < BYTES as u64);
    assert!(metric(&service, "buffered_bytes") <= 2 * 255 * 1_024);
    assert!(client.rest().unwrap() == pattern(BYTES), "what came is not what was sent");
    until(|| metric(&service, "buffered_bytes") == 0);
}

#[test]
fn large_transfers_in_both_directions_at_once_are_whole() {
    let upstream = Upstream::echo();
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    let mut writer = client.stream.try_clone().unwrap();
    let writing = thread::spawn(move || {
        writer.write_all(&pattern(16 << 20))?;
        writer.shutdown(Shutdown::Write)
    });
    assert!(client.rest().unwrap() == pattern(16 << 20), "what came is not what was sent");
    writing.join().unwrap().unwrap();
    assert_eq!(metric(&service, "upstream_received_bytes_total"), 16 << 20);
}

#[test]
fn buffers_of_all_connections_keep_to_their_bound() {
    let upstream = Upstream::start(|mut stream| stream.write_all(&pattern(8 << 20)));
    let service = start_before(&[&upstream], "limits.buffer_bytes = 0");
    let mut client = Client::connect(service.address);
    assert!(client.rest().unwrap() == pattern(8 << 20), "what came is not what was sent");
    assert_eq!(metric(&service, "buffered_bytes"), 0);
}

#[test]
fn silence_ends_a_connection_with_a_reset() {
    let upstream = Upstream::saying("hello");
    let service = start_before(&[&upstream], "timeouts.idle = \"1s\"");
    let mut client = Client::connect(service.address);
    assert_eq!(client.take(5).unwrap(), b"hello");
    assert_eq!(client.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
    ended(&service, "idle");
}

#[test]
fn above_the_limit_connections_wait_to_be_accepted() {
    let upstream = Upstream::saying("hello");
    let service = start_before(&[&upstream], "limits.connections = 2");
    let mut served: Vec<_> = (0..2).map(|_| Client::connect(service.address)).collect();
    assert!(served.iter_mut().all(|client| client.take(5).unwrap() == b"hello"));
    let mut waiting = Client::connect(service.address);
    assert!(waiting.is_quiet(std::time::Duration::from_millis(200)));
    assert_eq!((metric(&service, "connections"), upstream.connections()), (2, 2));
    served.pop();
    assert_eq!(waiting.take(5).unwrap(), b"hello");
}

#[test]
fn an_endpoint_with_as_many_connections_as_it_may_have_gets_no_more() {
    let upstream = Upstream::saying("hello");
    let service = start_before(&[&upstream], "upstream.max_connections = 1");
    let mut first = Client::connect(service.address);
    assert_eq!(first.take(5).unwrap(), b"hello");
    let mut second = Client::connect(service.address);
    assert_eq!(second.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
    until(|| metric(&service, "connections_ended_total{cause=\"overloaded\"}") == 1);
    assert_eq!(upstream.connections(), 1);
}

/// The header of version 2, read as its specification has it: addresses and ports of both ends.
fn read_preface(stream: &mut TcpStream) -> io::Result<(String, String)> {
    let mut head = [0; 16];
    stream.read_exact(&mut head)?;
    let [signature @ .., command, family, high, low] = head;
    assert_eq!(signature, *b"\r\n\r\n\x00\r\nQUIT\n");
    assert_eq!(command, 0x21);
    let mut body = vec![0; usize::from(u16::from_be_bytes([high, low]))];
    stream.read_exact(&mut body)?;
    let size = match (family, body.len()) {
        (0x11, 12) => 4,
        (0x21, 36) => 16,
        other => return Err(io::Error::other(format!("{other:?}"))),
    };
    let (addresses, ports) = body.split_at(2 * size);
    let (source, destination) = addresses.split_at(size);
    let (source_port, destination_port) = ports.split_at(2);
    let hex = |bytes: &[u8]| {
        let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<Vec<_>>().concat()
    };
    let end = |address, port| format!("{}:{}", hex(address), hex(port));
    Ok((end(source, source_port), end(destination, destination_port)))
}

#[test]
fn an_upstream_is_told_whose_connection_it_is() {
    let upstream = Upstream::start(|mut stream| {
        let (source, destination) = read_preface(&mut stream)?;
        stream.write_all(format!("{source} {destination}").as_bytes())
    });
    for (listen, address) in [
        ("127.0.0.1:0", "7f000001"),
        ("[::1]:0", "00000000000000000000000000000001"),
        ("[::]:0", "7f000001"),
    ] {
        let settings = forwarding(&[upstream.address], "") + "proxy_protocol = true\n";
        let service = support::start_on(listen, &settings);
        let port = service.address.port();
        let host = if listen.starts_with("[::1]") { "::1" } else { "127.0.0.1" };
        let mut client = Client::from(TcpStream::connect((host, port)).unwrap());
        let told = String::from_utf8(client.rest().unwrap()).unwrap();
        let own = client.stream.local_addr().unwrap().port();
        assert_eq!(told, format!("{address}:{own:04x} {address}:{port:04x}"), "on {listen}");
        client.stream.shutdown(Shutdown::Write).unwrap();
        // What is told is no byte of the client's.
        assert_eq!(metric(&service, "upstream_sent_bytes_total"), 0);
    }
}

#[test]
fn without_anybody_who_listens_a_client_is_reset() {
    let settings = "retry = { share = 0.0, per_second = 0 }";
    let service = start(&forwarding(&[closed_port()], settings));
    let mut client = Client::connect(service.address);
    assert_eq!(client.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
    ended(&service, "connect_refused");
}
