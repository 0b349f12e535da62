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
mod silence;
mod size;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until, timeout};

use self::ages::Ages;
pub use self::api::RequestBody;
use self::complaints::Complaints;
use self::dead_letter::DeadLetters;
use self::queue::Queue;
use self::reading::Unfit;
pub use self::reading::{Parcel, Reading, Recipient};
use self::route::Route;
use self::silence::Silence;
use self::size::Size;
use crate::settings::Current;
use crate::shutdown::Phases;
use crate::stats::{Stats, change, count};
use crate::upstream::chance::Chance;
use crate::vital;

/// When the API is not well, a batch that is not full waits for so many of the longest pauses at most.
const PATIENCE: u32 = 30;
/// Dead letters of one worker that wait to be on the disk.
const LETTERS: usize = 1_024;
/// Others that wait for a place among these, and for how long: a disk that is slow is not full.
const CROWD: usize = 4_096;
const PLACE: Duration = Duration::from_secs(1);

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
    /// For those among them that are tries again: half of them, so that new batches find a slot.
    retries: Arc<Semaphore>,
    /// For the batch that parts although none is stored.
    probe: Arc<Semaphore>,
    /// For dead letters that wait.
    letters: Arc<Semaphore>,
    /// For those that wait for a place among these.
    crowd: Arc<Semaphore>,
    /// New batches in a row whose first try has failed, with no answer about any batch since.
    strikes: Cell<u32>,
    /// Whether batches may wait to be filled, which ends with a drain.
    patient: Cell<bool>,
    /// How many readings are not too many for the API.
    size: Size,
    /// Which endpoints want to be left alone.
    silence: Rc<Silence>,
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
        let silence = Rc::<Silence>::default();
        let settings = Arc::clone(&current.load());
        let route = Route::new(settings, worker, workers, Rc::clone(&silence), seed);
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
            retries: Arc::new(Semaphore::new((config.batch.in_flight / 2).max(1))),
            probe: Arc::new(Semaphore::new(1)),
            letters: Arc::new(Semaphore::new(LETTERS)),
            crowd: Arc::new(Semaphore::new(CROWD)),
            strikes: Cell::default(),
            patient: Cell::new(true),
            size: Size::default(),
            silence,
            in_flight: u32::try_from(config.batch.in_flight).unwrap_or(u32::MAX),
            chance: Chance::new(seed),
            complaints: Complaints::default(),
            ages,
            spare: RefCell::default(),
        });
        spawn_local(vital::task(Rc::clone(&delivery).dispatch()));
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
        (self.size.most(config.batch.readings), age)
    }

    fn launch(self: &Rc<Self>, batch: Vec<Parcel>, slot: Option<OwnedSemaphorePermit>) {
        spawn_local(Rc::clone(self).deliver(batch, slot));
    }

    /// For a request at once: nobody has one who waits for an endpoint that wants to be left alone.
    async fn slot(&self) -> OwnedSemaphorePermit {
        loop {
            let slot = acquire(&self.slots).await;
            let Some(end) = self.route().silent_until() else {
                return slot;
            };
            drop(slot);
            sleep_until(end).await;
        }
    }

    /// Has a reading acknowledged once its letter is on the disk. Where too many wait for that it is
    /// forgotten: good readings must not wait for the room that these would take.
    fn bury(self: &Rc<Self>, parcel: Parcel, letter: String) {
        let delivery = Rc::clone(self);
        if let Ok(place) = Arc::clone(&self.letters).try_acquire_owned() {
            spawn_local(delivery.keep(parcel, letter, place));
        } else if let Some(turn) = self.turn() {
            spawn_local(async move {
                let place = timeout(PLACE, acquire(&delivery.letters)).await;
                drop(turn);
                match place {
                    Ok(place) => delivery.keep(parcel, letter, place).await,
                    Err(_) => delivery.defer(parcel),
                }
            });
        } else {
            self.defer(parcel);
        }
    }

    /// Of one that may wait for a place: none when there will be no place soon.
    fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let is_full = self.dead_letters.is_full();
        (!is_full).then(|| Arc::clone(&self.crowd).try_acquire_owned().ok()).flatten()
    }

    async fn keep(self: Rc<Self>, parcel: Parcel, letter: String, place: OwnedSemaphorePermit) {
        self.dead_letters.keep(letter).await;
        drop(place);
        count(&self.stats.delivery.readings_refused);
        self.settle([parcel]);
    }

    fn defer(&self, parcel: Parcel) {
        count(&self.stats.delivery.readings_deferred);
        parcel.forget();
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
            let (settings, silence) = (Arc::clone(&now), Rc::clone(&self.silence));
            *route = Rc::new(Route::new(settings, self.worker, self.workers, silence, self.seed));
        }
        Rc::clone(&route)
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
    match Arc::clone(semaphore).acquire_owned().await {
        Ok(permit) => permit,
        // It is never closed.
        Err(_) => std::future::pending().await,
    }
}
