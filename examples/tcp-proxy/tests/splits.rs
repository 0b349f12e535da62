//! Bytes that come in pieces, from both sides at once: what arrives is what was sent, whatever room there
//! is for it on the way.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod cases;
mod support;

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;

use proptest::collection::vec;
use proptest::prelude::*;

use cases::runner;
use support::{Client, PATIENCE, Upstream, metric, start_before, until};

/// From a byte to more than the smallest buffer, or the one above that, holds.
fn pieces() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece =
        prop_oneof![vec(any::<u8>(), 1..9), vec(any::<u8>(), 1..2_000), Just(vec![7; 50_000])];
    vec(piece, 0..6)
}

/// Sends pieces and ends its half, while it reads all that the other side sends.
fn talk(stream: TcpStream, pieces: &[Vec<u8>]) -> io::Result<Vec<u8>> {
    let mut client = Client::from(stream);
    let mut writer = client.stream.try_clone()?;
    thread::scope(|scope| {
        let writing = scope.spawn(move || {
            pieces.iter().try_for_each(|piece| writer.write_all(piece))?;
            writer.shutdown(Shutdown::Write)
        });
        let heard = client.rest();
        writing.join().unwrap()?;
        heard
    })
}

#[test]
fn what_arrives_is_what_was_sent_on_either_side() {
    let (tell, told) = channel::<Vec<Vec<u8>>>();
    let (hear, heard) = channel();
    let told = Mutex::new(told);
    let upstream = Upstream::start(move |stream| {
        let pieces = told.lock().unwrap().recv().map_err(io::Error::other)?;
        hear.send(talk(stream, &pieces)?).map_err(io::Error::other)
    });
    // Where no buffer may grow, where some may, and where all may.
    let services = [0, 40_000, 1 << 27]
        .map(|bytes| start_before(&[&upstream], &format!("limits.buffer_bytes = {bytes}")));
    let outcome = runner(48).run(&(0..3_usize, pieces(), pieces()), |(number, there, back)| {
        let service = &services[number];
        let passed = || {
            ["upstream_sent_bytes_total", "upstream_received_bytes_total"]
                .map(|name| metric(service, name))
        };
        let before = passed();
        tell.send(back.clone()).unwrap();
        let answer = talk(TcpStream::connect(service.address).unwrap(), &there).unwrap();
        let (there, back) = (there.concat(), back.concat());
        prop_assert!(heard.recv_timeout(PATIENCE).unwrap() == there, "it did not arrive as it was");
        prop_assert!(answer == back, "it did not come back as it was");
        let [sent, received] = before;
        let after = [sent + there.len() as u64, received + back.len() as u64];
        until(|| passed() == after);
        Ok(())
    });
    outcome.unwrap();
}
