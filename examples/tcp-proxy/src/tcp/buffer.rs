//! Buffers that grow while a connection is busy, and shrink when it is not.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::stats::{Stats, change};

/// Enough for a question and its answer; for a page; for a stream, where larger ones save nothing more.
const SIZES: [usize; 3] = [SMALLEST, 16 << 10, 256 << 10];
const SMALLEST: usize = 1 << 10;

/// How much one worker's buffers may take beyond their smallest size.
pub struct Room {
    most: usize,
    stats: Arc<Stats>,
}

impl Room {
    pub fn new(most: usize, stats: &Arc<Stats>) -> Self {
        Self { most, stats: Arc::clone(stats) }
    }

    fn take(&self, bytes: usize) -> bool {
        let taken = usize::try_from(self.stats.buffered.load(Relaxed)).unwrap_or_default();
        let fits = taken.saturating_add(bytes) <= self.most;
        if fits {
            change(&self.stats.buffered, signed(bytes));
        }
        fits
    }
}

/// What was read and is not written yet.
pub struct Buffer {
    bytes: Box<[u8]>,
    begin: usize,
    end: usize,
    /// The last read filled all of it: there is more to come.
    filled: bool,
    stats: Arc<Stats>,
}

impl Buffer {
    pub fn new(room: &Room) -> Self {
        let bytes = vec![0; SMALLEST].into();
        Self { bytes, begin: 0, end: 0, filled: false, stats: Arc::clone(&room.stats) }
    }

    /// What is to be written.
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.begin..self.end).unwrap_or_default()
    }

    pub fn written(&mut self, count: usize) {
        self.begin = self.begin.saturating_add(count).min(self.end);
    }

    /// Where to read to, once nothing is pending; more of it when the last read filled all.
    pub fn space(&mut self, room: &Room) -> &mut [u8] {
        if self.filled
            && let Some(size) = SIZES.into_iter().find(|size| *size > self.bytes.len())
            && room.take(size - self.bytes.len())
        {
            self.bytes = vec![0; size].into();
            self.filled = false;
        }
        &mut self.bytes
    }

    pub fn read(&mut self, count: usize) {
        (self.begin, self.end) = (0, count);
        self.filled = count == self.bytes.len();
    }

    pub fn is_large(&self) -> bool {
        self.bytes.len() > SMALLEST
    }

    /// Back to the smallest size, unless something is pending.
    pub fn shrink(&mut self) {
        if self.is_large() && self.pending().is_empty() {
            self.give_back();
            self.bytes = vec![0; SMALLEST].into();
            self.read(0);
        }
    }

    fn give_back(&self) {
        change(&self.stats.buffered, -signed(self.bytes.len() - SMALLEST));
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.give_back();
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(most: usize) -> (Room, Arc<Stats>) {
        let stats = Arc::new(Stats::default());
        (Room::new(most, &stats), stats)
    }

    /// Fills it so many times, and says how large it was each time.
    fn fill(buffer: &mut Buffer, room: &Room, times: usize) -> Vec<usize> {
        let sizes = (0..times).map(|_| {
            let size = buffer.space(room).len();
            buffer.read(size);
            buffer.written(size);
            size
        });
        sizes.collect()
    }

    #[test]
    fn it_grows_by_steps_while_reads_fill_it_and_shrinks_to_the_first() {
        let (room, stats) = room(1 << 20);
        let mut buffer = Buffer::new(&room);
        let [first, second, third] = [1_024, 16_384, 262_144];
        assert_eq!(fill(&mut buffer, &room, 4), [first, second, third, third]);
        assert_eq!(stats.buffered.load(Relaxed), 262_144 - 1_024);
        buffer.shrink();
        assert_eq!(stats.buffered.load(Relaxed), 0);
        assert_eq!(fill(&mut buffer, &room, 1), [first]);
    }

    #[test]
    fn a_read_that_leaves_room_lets_it_be() {
        let (room, _) = room(1 << 20);
        let mut buffer = Buffer::new(&room);
        buffer.read(1_023);
        buffer.written(1_023);
        assert_eq!(buffer.space(&room).len(), 1_024);
    }

    #[test]
    fn it_grows_once_for_a_read_that_filled_it() {
        let (room, _) = room(1 << 20);
        let mut buffer = Buffer::new(&room);
        buffer.read(1_024);
        buffer.written(1_024);
        // Asked twice, as when nothing is there to be read yet.
        assert_eq!([buffer.space(&room).len(), buffer.space(&room).len()], [16_384; 2]);
    }

    #[test]
    fn what_is_pending_is_kept() {
        let (room, _) = room(1 << 20);
        let mut buffer = Buffer::new(&room);
        fill(&mut buffer, &room, 2);
        buffer.space(&room)[..3].copy_from_slice(b"abc");
        buffer.read(3);
        buffer.written(1);
        buffer.shrink();
        assert_eq!(buffer.pending(), b"bc");
        assert!(buffer.is_large());
    }

    #[test]
    fn all_buffers_of_a_worker_keep_to_their_room() {
        let (room, stats) = room(20_000);
        let mut buffers: Vec<_> = (0..3).map(|_| Buffer::new(&room)).collect();
        let sizes: Vec<_> =
            buffers.iter_mut().map(|buffer| fill(buffer, &room, 3).pop().unwrap()).collect();
        assert_eq!(sizes, [16_384, 1_024, 1_024]);
        drop(buffers);
        assert_eq!(stats.buffered.load(Relaxed), 0);
    }
}
