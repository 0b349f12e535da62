//! The way of readings to the API: queued, sent in batches, and tried until each is durable. Nothing is
//! dropped: when the API is slow, whoever has more waits.

mod ages;
mod api;
mod backoff;
mod batch;
mod body;
mod complaints;
mod date;
pub mod dead_letter;
pub mod failure;
mod letter;
pub mod metrics;
mod problem;
mod queue;
mod reading;
mod route;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_local;
use tokio::time::Instant;

use self::ages::Ages;
pub use self::api::RequestBody;
use self::complaints::Complaints;
use self::dead_letter::DeadLetters;
use self::queue::Queue;
use self::reading::Unfit;
pub use self::reading::{Parcel, Reading, Recipient};
use self::route::Route;
use crate::settings::Current;
use crate::stats::{Stats, change, count};
use crate::upstream::chance::Chance;

/// When the API is not well, a batch that is not full waits for so many of the longest pauses.
const PATIENCE: u32 = 30;

/// One worker's way to the API.
pub struct Delivery {
    current: Arc<Current>,
    route: RefCell<Rc<Route>>,
    worker: usize,
    workers: usize,
    seed: u64,
    stats: Arc<Stats>,
    dead_letters: DeadLetters,
    queue: Queue,
    /// For requests that are under way at once.
    slots: Arc<Semaphore>,
    /// Batches whose last try has failed.
    failing: Cell<usize>,
    chance: Chance,
    complaints: Complaints,
    ages: Ages,
    /// What bodies are written into.
    spare: RefCell<Vec<BytesMut>>,
}

impl Delivery {
    /// On the thread of its worker. How much may be held and be under way stays as it is now.
    pub fn start(
        current: Arc<Current>,
        worker: usize,
        workers: usize,
        stats: Arc<Stats>,
        dead_letters: DeadLetters,
        seed: u64,
    ) -> Rc<Self> {
        let route = Route::new(Arc::clone(&current.load()), worker, workers, seed);
        let config = Arc::clone(&route.config);
        let ages = Ages::new(route.settings.clock, Arc::clone(&stats));
        let delivery = Rc::new(Self {
            current,
            route: RefCell::new(Rc::new(route)),
            worker,
            workers,
            seed,
            stats,
            dead_letters,
            queue: Queue::new(config.limits.queued_readings.div_ceil(workers)),
            slots: Arc::new(Semaphore::new(config.batch.in_flight)),
            failing: Cell::default(),
            chance: Chance::new(seed),
            complaints: Complaints::default(),
            ages,
            spare: RefCell::default(),
        });
        spawn_local(Rc::clone(&delivery).dispatch());
        delivery
    }

    /// Waits while there are as many readings as may be held: whoever reads a socket reads no further.
    pub async fn push(self: &Rc<Self>, parcel: Parcel) {
        self.queue.enter().await;
        change(&self.stats.delivery.readings_queued, 1);
        match Unfit::of(&parcel.reading) {
            None => self.queue.push(parcel),
            Some(unfit) => {
                let letter = letter::unfit(&parcel.reading, unfit);
                spawn_local(Rc::clone(self).bury(parcel, letter));
            }
        }
    }

    /// Takes batches from the queue as they come to be due, and requests to be free.
    async fn dispatch(self: Rc<Self>) {
        loop {
            let due = || {
                self.ages.tell(self.queue.oldest());
                self.due()
            };
            self.queue.ripe(due).await;
            let slot = self.slot().await;
            let most = self.route().config.batch.readings;
            self.launch(self.queue.take(most), Some(slot));
        }
    }

    /// How many readings make a batch, and for how long the first may wait for others. While as many
    /// batches fail as there may be requests, others that are small would only be more to try again.
    fn due(&self) -> (usize, Duration) {
        let config = &self.route().config;
        let is_well = self.failing.get() < config.batch.in_flight;
        let age = if is_well { config.batch.age } else { PATIENCE * config.retry.max_backoff };
        (config.batch.readings, age)
    }

    fn launch(self: &Rc<Self>, batch: Vec<Parcel>, slot: Option<OwnedSemaphorePermit>) {
        spawn_local(Rc::clone(self).deliver(batch, slot));
    }

    async fn slot(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.slots).acquire_owned().await {
            Ok(slot) => slot,
            // It is never closed.
            Err(_) => std::future::pending().await,
        }
    }

    /// Keeps a dead letter, then has its reading acknowledged.
    async fn bury(self: Rc<Self>, parcel: Parcel, letter: String) {
        self.dead_letters.keep(letter).await;
        count(&self.stats.delivery.readings_refused);
        self.settle([parcel]);
    }

    /// Each of these is durable.
    fn settle(&self, parcels: impl IntoIterator<Item = Parcel>) {
        let mut settled = 0;
        let now = Instant::now();
        for parcel in parcels {
            self.stats.delivery.ack_seconds.count(now - parcel.received);
            parcel.settle();
            settled += 1;
        }
        self.queue.leave(settled);
        change(&self.stats.delivery.readings_queued, -i64::try_from(settled).unwrap_or_default());
    }

    /// Where batches go by the settings in force.
    fn route(&self) -> Rc<Route> {
        let now = self.current.load();
        let mut route = self.route.borrow_mut();
        if !Arc::ptr_eq(&now, &route.settings) {
            let settings = Arc::clone(&now);
            *route = Rc::new(Route::new(settings, self.worker, self.workers, self.seed));
        }
        Rc::clone(&route)
    }
}
