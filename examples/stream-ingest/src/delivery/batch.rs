//! One batch, until each of its readings is durable.

use std::mem;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until};

use super::api::{Miss, Verdict};
use super::failure::Failure;
use super::problem::Problem;
use super::{Delivery, Parcel, backoff, body, letter};
use crate::stats::{Gauge, add, count};
use crate::upstream::Endpoint;

/// A single reading that is too large for the API: its settings have to change.
const TOO_LARGE: Miss = Miss {
    failure: Failure::Misconfigured,
    status: Some(StatusCode::PAYLOAD_TOO_LARGE),
    retry_after: None,
};

/// A batch fails so many times in a row, while others are stored, before it is thought that it is one of its
/// readings.
const SUSPICIOUS: u32 = 4;

/// How a batch has failed since the API has said something about it.
#[derive(Default)]
struct Failures {
    in_a_row: u32,
    /// How many batches the API had stored when it began.
    stored: u64,
    /// Where it was tried last.
    tried: Option<Rc<Endpoint>>,
}

impl Delivery {
    /// Tries a batch again and again; it gets smaller when readings of it go another way. A slot, which a
    /// new batch comes with, is held for a request only: a batch that waits keeps no other from being sent.
    pub(super) async fn deliver(
        self: Rc<Self>,
        mut batch: Vec<Parcel>,
        mut slot: Option<OwnedSemaphorePermit>,
    ) {
        let Some(oldest) = batch.first().map(|parcel| parcel.received) else {
            return;
        };
        let age = self.ages.begin(oldest);
        let mut failures = Failures::default();
        while !batch.is_empty() {
            let is_new = slot.is_some();
            let held = match slot.take() {
                Some(slot) => slot,
                None => self.slot().await,
            };
            let outcome = self.send(&batch, &mut failures.tried).await;
            drop(held);
            match outcome {
                Ok(Verdict::TooLarge) if batch.len() == 1 => {
                    self.failed(&mut batch, &mut failures, &TOO_LARGE, is_new).await;
                }
                Ok(verdict) => {
                    failures = Failures::default();
                    self.is_well();
                    self.advance(&mut batch, &verdict);
                }
                Err(miss) => self.failed(&mut batch, &mut failures, &miss, is_new).await,
            }
        }
        self.ages.end(age);
        self.ages.tell(self.queue.oldest());
    }

    /// Waits until a batch may be tried again. When it fails for what is in it, its halves part.
    async fn failed(
        self: &Rc<Self>,
        batch: &mut Vec<Parcel>,
        failures: &mut Failures,
        miss: &Miss,
        is_new: bool,
    ) {
        count(&self.stats.delivery.batches_retried);
        self.complaints.tell(miss);
        if is_new {
            self.strikes.set(self.strikes.get().saturating_add(1));
        }
        let stored = self.stats.delivery.batches_stored.load(Relaxed);
        if failures.in_a_row == 0 {
            failures.stored = stored;
        }
        failures.in_a_row += 1;
        let is_answered = matches!(miss.failure, Failure::ServerError | Failure::Misconfigured);
        let is_suspicious = failures.in_a_row >= SUSPICIOUS && stored > failures.stored;
        if is_answered && is_suspicious && batch.len() > 1 {
            *failures = Failures::default();
            return self.halve(batch);
        }
        let retry = &self.route().config.retry;
        if let Some(time) = miss.retry_after {
            let until = Instant::now() + time.min(retry.max_backoff);
            self.silent_until.set(self.silent_until.get().max(Some(until)));
        }
        sleep(backoff::pause(failures.in_a_row, retry, &self.chance)).await;
    }

    /// The API has said something about a batch.
    fn is_well(&self) {
        if self.strikes.take() > 0 {
            self.queue.look_again();
        }
    }

    async fn send(
        &self,
        batch: &[Parcel],
        tried: &mut Option<Rc<Endpoint>>,
    ) -> Result<Verdict, Miss> {
        while let Some(until) = self.silent_until.get().filter(|until| *until > Instant::now()) {
            sleep_until(until).await;
        }
        let _under_way = Gauge::new(&self.stats, |stats| &stats.delivery.batches_in_flight);
        let mut body = self.spare.borrow_mut().pop().unwrap_or_default();
        body::write(batch.iter().map(|parcel| &parcel.reading), &mut body);
        let body = body.freeze();
        let outcome = self.route().send(body.clone(), tried, &self.stats).await;
        self.reuse(body);
        outcome
    }

    /// A body that was answered before it was read to its end may be held still, and is let go.
    fn reuse(&self, body: Bytes) {
        if let Ok(mut body) = body.try_into_mut() {
            body.clear();
            self.spare.borrow_mut().push(body);
        }
    }

    /// Takes out of a batch what has been decided.
    fn advance(self: &Rc<Self>, batch: &mut Vec<Parcel>, verdict: &Verdict) {
        match verdict {
            Verdict::Refused(problem) => self.part(batch, problem),
            Verdict::TooLarge => {
                self.shrunk.set(Some((batch.len() / 2, Instant::now())));
                self.halve(batch);
            }
            Verdict::Stored => {
                count(&self.stats.delivery.batches_stored);
                add(&self.stats.delivery.readings_stored, batch.len() as u64);
                self.leave(batch.len());
                self.settle(batch.drain(..));
            }
        }
    }

    /// The readings that are named become dead letters, and the others are sent again.
    fn part(self: &Rc<Self>, batch: &mut Vec<Parcel>, problem: &Problem) {
        let mut named = problem.named(batch.len());
        if named.is_empty() {
            if batch.len() > 1 {
                return self.halve(batch);
            }
            named.insert(0, problem.of_the_only_one());
        }
        count(&self.stats.delivery.batches_refused);
        self.leave(named.len());
        for (number, parcel) in mem::take(batch).into_iter().enumerate() {
            if let Some(refusal) = named.get(&number) {
                let letter = letter::refused(&parcel.reading, refusal);
                self.bury(parcel, letter);
            } else {
                batch.push(parcel);
            }
        }
    }

    fn halve(self: &Rc<Self>, batch: &mut Vec<Parcel>) {
        count(&self.stats.delivery.batches_halved);
        let other = batch.split_off(batch.len() / 2);
        self.launch(other, None);
    }
}
