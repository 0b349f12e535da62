//! Readings of one worker that are not durable yet. There are never more of them than it may hold:
//! whoever comes with another waits.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::reading::Parcel;

pub struct Queue {
    /// Those that no request has taken yet.
    parcels: RefCell<VecDeque<Parcel>>,
    /// For others, whether they are here or in a batch.
    room: Semaphore,
    /// How many make a batch.
    enough: Cell<usize>,
    changed: Notify,
}

impl Queue {
    pub fn new(most: usize) -> Self {
        Self {
            parcels: RefCell::default(),
            room: Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)),
            enough: Cell::new(1),
            changed: Notify::new(),
        }
    }

    /// Waits for room, in the order in which others do.
    pub async fn enter(&self) {
        // It is never closed, and lets go of the place when `leave` is told.
        if let Ok(place) = self.room.acquire().await {
            place.forget();
        }
    }

    /// So many are durable, or have not come in.
    pub fn leave(&self, count: usize) {
        self.room.add_permits(count);
    }

    /// One that has entered.
    pub fn push(&self, parcel: Parcel) {
        self.parcels.borrow_mut().push_back(parcel);
        // Those between the first and the last of a batch change nothing.
        if [1, self.enough.get()].contains(&self.len()) {
            self.changed.notify_one();
        }
    }

    /// Looks again at how long it may take to fill a batch.
    pub fn look_again(&self) {
        self.changed.notify_one();
    }

    /// Waits until there are enough for a batch, or the first has waited for as long as it may.
    pub async fn ripe(&self, batch: impl Fn() -> (usize, Duration)) {
        loop {
            let (most, age) = batch();
            self.enough.set(most);
            let changed = self.changed.notified();
            match self.oldest().map(|oldest| oldest + age) {
                Some(due) if self.len() >= most || due <= Instant::now() => return,
                // Whichever it is, it is looked at again.
                Some(due) => drop(timeout_at(due, changed).await),
                None => changed.await,
            }
        }
    }

    /// The first of them, up to so many.
    pub fn take(&self, most: usize) -> Vec<Parcel> {
        let mut parcels = self.parcels.borrow_mut();
        let count = most.min(parcels.len());
        parcels.drain(..count).collect()
    }

    pub fn oldest(&self) -> Option<Instant> {
        self.parcels.borrow().front().map(|parcel| parcel.received)
    }

    fn len(&self) -> usize {
        self.parcels.borrow().len()
    }
}
