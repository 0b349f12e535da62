//! A look into the device's memory, and a hand in it, as a probe on the chip has them.

use std::fs;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use super::{PATIENCE, Qemu};

impl Qemu {
    /// Reads a number of bytes from an address on.
    ///
    /// # Panics
    ///
    /// If the emulator has ended, or can't read them.
    #[must_use]
    pub fn memory(&self, address: u32, length: u32) -> Vec<u8> {
        let file = self.monitor.with_extension("memory");
        self.order(&format!("memsave {address} {length} \"{}\"", file.display()));
        let bytes = fs::read(&file).expect("the emulator has written it");
        let _ = fs::remove_file(&file);
        bytes
    }

    /// Has the device stand still meanwhile: what belongs together is read together.
    ///
    /// # Panics
    ///
    /// If the emulator has ended.
    pub fn halted<T>(&self, look: impl FnOnce() -> T) -> T {
        self.order("stop");
        let seen = look();
        self.order("cont");
        seen
    }

    /// Writes a word to an address, as a debugger does, which lets go again.
    ///
    /// # Panics
    ///
    /// If the emulator has ended, or does not write it.
    pub fn set_word(&self, address: u32, word: u32) {
        let socket = self.monitor.with_extension("gdb");
        self.order(&format!("gdbserver unix:{},server=on,wait=off", socket.display()));
        let mut debugger = UnixStream::connect(&socket).expect("the emulator listens");
        debugger.set_read_timeout(Some(PATIENCE)).expect("more than no time");
        let written = format!("M{address:x},4:{:08x}", word.swap_bytes());
        for order in [written.as_str(), "D"] {
            let sum = order.bytes().fold(0, u8::wrapping_add);
            write!(debugger, "${order}#{sum:02x}").expect("the emulator reads");
            // Before it comes that the processor was halted, which not every version says.
            let mut answer = Vec::new();
            while !answer.ends_with(b"$OK#9a") {
                let mut byte = [0];
                debugger.read_exact(&mut byte).expect("the emulator does as it is told");
                answer.extend(byte);
            }
        }
        let _ = fs::remove_file(&socket);
    }

    /// Has the monitor do something, and waits until it is done.
    fn order(&self, line: &str) {
        let mut monitor = UnixStream::connect(&self.monitor).expect("the emulator listens");
        writeln!(monitor, "{line}").expect("the emulator reads");
        // It closes the connection once it has read all.
        let _ = monitor.shutdown(Shutdown::Write);
        let _ = io::copy(&mut monitor, &mut io::sink());
    }
}
