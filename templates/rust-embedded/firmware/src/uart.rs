//! The serial link: bytes come in by interrupt through a queue, frames go out byte by byte
//! whenever the transmitter has room.

use core::sync::atomic::{AtomicU8, Ordering};

use app::report::Outgoing;

use crate::board;

/// A queue with one producer, the receive interrupt, and one consumer, the device. Each index is
/// written by one of them only and runs through all of `u8`, so neither needs to lock.
struct Queue {
    bytes: [AtomicU8; Queue::CAPACITY as usize],
    pushed: AtomicU8,
    popped: AtomicU8,
}

impl Queue {
    /// More than the longest command, which may come while an answer is being sent.
    const CAPACITY: u8 = 32;

    fn length(&self) -> u8 {
        self.pushed.load(Ordering::Acquire).wrapping_sub(self.popped.load(Ordering::Acquire))
    }

    fn push(&self, byte: u8) {
        let pushed = self.pushed.load(Ordering::Relaxed);
        if let Some(place) = self.place(pushed) {
            place.store(byte, Ordering::Relaxed);
            self.pushed.store(pushed.wrapping_add(1), Ordering::Release);
        }
    }

    fn pop(&self) -> Option<u8> {
        let popped = self.popped.load(Ordering::Relaxed);
        if self.length() == 0 {
            return None;
        }
        let byte = self.place(popped)?.load(Ordering::Relaxed);
        self.popped.store(popped.wrapping_add(1), Ordering::Release);
        Some(byte)
    }

    fn place(&self, index: u8) -> Option<&AtomicU8> {
        self.bytes.get(usize::from(index % Self::CAPACITY))
    }
}

static RECEIVED: Queue = Queue {
    bytes: [const { AtomicU8::new(0) }; Queue::CAPACITY as usize],
    pushed: AtomicU8::new(0),
    popped: AtomicU8::new(0),
};

/// Whether the board may hand over a byte. If not, the byte is to stay in the UART: then it is up to
/// the sender whether any is lost.
pub(crate) fn has_room() -> bool {
    RECEIVED.length() != Queue::CAPACITY
}

/// To be called by the board for each byte that its receive interrupt finds while there is room.
pub(crate) fn on_receive(byte: u8) {
    RECEIVED.push(byte);
}

/// The next byte received.
pub(crate) fn receive() -> Option<u8> {
    let byte = RECEIVED.pop()?;
    // Asked after the pop, so that it holds for an interrupt that came just before it, too.
    let was_full = RECEIVED.length() >= Queue::CAPACITY - 1;
    if was_full {
        board::resume_receiving();
    }
    Some(byte)
}

/// Whether a byte waits.
pub(crate) fn has_received() -> bool {
    RECEIVED.length() != 0
}

/// The sending half of the link: one frame at a time.
pub(crate) struct Link {
    frame: Outgoing,
    sent: u16,
}

impl Link {
    /// A link with nothing to send.
    pub(crate) const fn new() -> Self {
        Self { frame: Outgoing::new(), sent: 0 }
    }

    /// Whether there is something to send and the transmitter has room for it.
    pub(crate) fn can_go_on(&self) -> bool {
        usize::from(self.sent) < self.frame.encoded().len() && board::can_transmit()
    }

    /// Sends as much as the transmitter takes, asking `next` for a frame when one has left. `true`
    /// when the transmitter took a byte or there was none to send.
    pub(crate) fn transmit(&mut self, mut next: impl FnMut(&mut Outgoing) -> bool) -> bool {
        let mut progress = false;
        loop {
            match self.frame.encoded().get(usize::from(self.sent)).copied() {
                Some(byte) => {
                    if !board::transmit(byte) {
                        return progress;
                    }
                    progress = true;
                    self.sent = self.sent.wrapping_add(1);
                }
                None if next(&mut self.frame) => self.sent = 0,
                None => return true,
            }
        }
    }
}
