//! The way of readings to the API: queued, sent in batches, and tried until each is durable. Nothing is
//! dropped: when the API is slow, whoever has more waits.

mod ages;
mod api;
mod backoff;
mod batch;
mod body;
mod complaints;
pub mod date;
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
use crate::shutdown::Phases;
use crate::stats::{Stats, change, count};
use crate::upstream::chance::Chance;

/// When the API is not well, a batch that is not full waits for so many of the longest pauses at most.
const PATIENCE: u32 = 30;
/// Dead letters of one worker that wait to be on the disk.
const LETTERS: usize = 1_024;

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
    /// For dead letters that wait.
    letters: Arc<Semaphore>,
    /// New batches in a row whose first try has failed, with no answer about any batch since.
    strikes: Cell<u32>,
    /// Whether batches may wait to be filled, which ends with a drain.
    patient: Cell<bool>,
    /// How many readings were not too many for the API, and when others were.
    shrunk: Cell<Option<(usize, Instant)>>,
    /// Until when the API wants to be left alone.
    silent_until: Cell<Option<Instant>>,
    /// So many batches fail before the API is thought not to be well.
    in_flight: u32,
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
        mut phases: Phases,
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
            letters: Arc::new(Semaphore::new(LETTERS)),
            strikes: Cell::default(),
            patient: Cell::new(true),
            shrunk: Cell::default(),
            silent_until: Cell::default(),
            in_flight: u32::try_from(config.batch.in_flight).unwrap_or(u32::MAX),
            chance: Chance::new(seed),
            complaints: Complaints::default(),
            ages,
            spare: RefCell::default(),
        });
        spawn_local(Rc::clone(&delivery).dispatch());
        let closing = Rc::clone(&delivery);
        spawn_local(async move {
            phases.closing().await;
            closing.patient.set(false);
            closing.queue.look_again();
        });
        delivery
    }

    /// Waits while there are as many readings as may be held: whoever reads a socket reads no further. One
    /// that no request can carry takes no room among them.
    pub async fn push(self: &Rc<Self>, parcel: Parcel) {
        if let Some(unfit) = Unfit::of(&parcel.reading) {
            let letter = letter::unfit(&parcel.reading, unfit);
            return self.bury(parcel, letter);
        }
        self.queue.enter().await;
        change(&self.stats.delivery.readings_queued, 1);
        self.queue.push(parcel);
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
            let (most, _) = self.due();
            self.launch(self.queue.take(most), Some(slot));
        }
    }

    /// How many readings make a batch, and for how long the first may wait for others. While new batches
    /// fail they come less and less often: others that are small would only be more to try again.
    fn due(&self) -> (usize, Duration) {
        let config = &self.route().config;
        let age = if !self.patient.get() {
            Duration::ZERO
        } else if let Some(more) = self.strikes.get().checked_sub(self.in_flight) {
            let most = PATIENCE * config.retry.max_backoff;
            backoff::bound(more + 1, config.retry.backoff, most).max(config.batch.age)
        } else {
            config.batch.age
        };
        (self.most(config.batch.readings), age)
    }

    /// So many readings, or as many as the API took where that was too large: twice as many each minute.
    fn most(&self, readings: usize) -> usize {
        let Some((fewer, since)) = self.shrunk.get() else {
            return readings;
        };
        let minutes = u32::try_from(since.elapsed().as_secs() / 60).unwrap_or(u32::MAX);
        let factor = 1_usize.checked_shl(minutes).unwrap_or(usize::MAX);
        fewer.saturating_mul(factor).min(readings)
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

    /// Has a reading acknowledged once its letter is on the disk. Where too many wait for that it is
    /// forgotten: good readings must not wait for the room that these would take.
    fn bury(self: &Rc<Self>, parcel: Parcel, letter: String) {
        let Ok(place) = Arc::clone(&self.letters).try_acquire_owned() else {
            count(&self.stats.delivery.readings_deferred);
            return parcel.forget();
        };
        let delivery = Rc::clone(self);
        spawn_local(async move {
            delivery.dead_letters.keep(letter).await;
            drop(place);
            count(&delivery.stats.delivery.readings_refused);
            delivery.settle([parcel]);
        });
    }

    /// Each of these is durable.
    fn settle(&self, parcels: impl IntoIterator<Item = Parcel>) {
        let now = Instant::now();
        for parcel in parcels {
            self.stats.delivery.ack_seconds.count(now - parcel.received);
            parcel.settle();
        }
    }

    /// So many readings are not to be sent any more.
    fn leave(&self, count: usize) {
        self.queue.leave(count);
        change(&self.stats.delivery.readings_queued, -i64::try_from(count).unwrap_or_default());
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
