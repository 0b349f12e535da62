//! Readings that are not yet known to be durable, and when they are sent again.
//!
//! Numbers are given without gaps, so the ring needs to keep none: a reading's place is its number
//! modulo the capacity. On the wire are at most the [`WINDOW`] numbers from the oldest held. When
//! the oldest stays unacknowledged for [`RESEND_AFTER_MS`], the whole window is sent again
//! (go-back-N), which needs no memory at the receiver.

/// How many readings are held; with more, the oldest is overwritten.
pub const CAPACITY: u32 = 64;
/// How many readings may be on the wire without acknowledgement.
pub const WINDOW: u32 = 16;
/// How long to wait for an acknowledgement.
pub const RESEND_AFTER_MS: u32 = 1_000;

/// A reading and when it was last sent.
#[derive(Clone, Copy, Debug)]
struct Slot {
    taken_at: u64,
    value: i32,
    sent_at: u32,
}

/// The memory of an [`Outbox`].
#[derive(Debug)]
pub struct Ring([Slot; CAPACITY as usize]);

impl Ring {
    /// Memory with nothing in it.
    #[expect(
        clippy::new_without_default,
        reason = "for statics; a default would pass over the stack"
    )]
    #[must_use]
    pub const fn new() -> Self {
        Self([Slot { taken_at: 0, value: 0, sent_at: 0 }; CAPACITY as usize])
    }

    fn slot(&mut self, sequence: u32) -> Option<&mut Slot> {
        self.0.get_mut((sequence % CAPACITY) as usize)
    }
}

/// A reading that is to be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Its number.
    pub sequence: u32,
    /// When it was taken, in milliseconds since boot.
    pub taken_at: u64,
    /// What was measured.
    pub value: i32,
    /// The number of the oldest reading held.
    pub base: u32,
}

/// Readings in the order of their numbers, from the oldest held to the next to be taken.
#[derive(Debug)]
pub struct Outbox<'a> {
    ring: &'a mut Ring,
    base: u32,
    next: u32,
    /// The number to be sent next: `base <= cursor <= next`.
    cursor: u32,
    /// One above the highest number ever sent.
    unsent: u32,
    freed_at: u32,
    dropped: u32,
}

impl<'a> Outbox<'a> {
    /// An empty outbox whose first reading will have the number `first`.
    #[must_use]
    pub const fn new(ring: &'a mut Ring, first: u32) -> Self {
        Self {
            ring,
            base: first,
            next: first,
            cursor: first,
            unsent: first,
            freed_at: 0,
            dropped: 0,
        }
    }

    /// Numbers a reading and keeps it.
    pub fn push(&mut self, taken_at: u64, value: i32) {
        if self.queued() == CAPACITY {
            self.dropped = self.dropped.saturating_add(1);
            self.free(self.base.wrapping_add(1));
        }
        if let Some(slot) = self.ring.slot(self.next) {
            *slot = Slot { taken_at, value, sent_at: 0 };
        }
        self.next = self.next.wrapping_add(1);
    }

    /// Drops the readings up to `sequence`, which are durable. Does nothing for a number that was
    /// never sent or is gone already.
    pub const fn acknowledge(&mut self, sequence: u32, now: u32) {
        if sequence >= self.base && sequence < self.unsent {
            self.free(sequence.wrapping_add(1));
            self.freed_at = now;
        }
    }

    const fn free(&mut self, base: u32) {
        self.base = base;
        if self.cursor < base {
            self.cursor = base;
        }
    }

    /// Goes back to the start of the window if its oldest reading has waited long enough.
    pub fn tick(&mut self, now: u32) {
        if self.cursor == self.base {
            return;
        }
        let sent_at = self.ring.slot(self.base).map_or(now, |slot| slot.sent_at);
        let waited = now.wrapping_sub(sent_at).min(now.wrapping_sub(self.freed_at));
        if waited >= RESEND_AFTER_MS {
            self.cursor = self.base;
        }
    }

    /// The next reading that may be sent, which then counts as sent.
    pub fn take(&mut self, now: u32) -> Option<Due> {
        let sequence = self.cursor;
        if sequence == self.next || sequence.wrapping_sub(self.base) >= WINDOW {
            return None;
        }
        let base = self.base;
        let slot = self.ring.slot(sequence)?;
        slot.sent_at = now;
        if sequence == base {
            // Older stamps have no say any more, and would look young again once the tick has wrapped.
            self.freed_at = now;
        }
        self.cursor = sequence.wrapping_add(1);
        self.unsent = self.unsent.max(self.cursor);
        Some(Due { sequence, taken_at: slot.taken_at, value: slot.value, base })
    }

    /// The number that the next reading will get.
    #[must_use]
    pub const fn next_sequence(&self) -> u32 {
        self.next
    }

    /// How many readings are held.
    #[must_use]
    pub const fn queued(&self) -> u32 {
        self.next.wrapping_sub(self.base)
    }

    /// How many readings were overwritten before they were acknowledged.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.dropped
    }
}
