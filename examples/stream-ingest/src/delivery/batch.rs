//! One batch, until each of its readings is durable.

use std::mem;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::sleep;

use super::api::{Miss, Verdict};
use super::failure::Failure;
use super::problem::Problem;
use super::{Delivery, Parcel, acquire, backoff, body, letter};
use crate::stats::{Gauge, add, count};
use crate::upstream::Endpoint;

/// A single reading that is too large for the API: its settings have to change.
const TOO_LARGE: Miss = Miss {
    failure: Failure::Misconfigured,
    status: Some(StatusCode::PAYLOAD_TOO_LARGE),
    retry_after: None,
};

/// A batch fails so many times in a row with an endpoint that had it, before it is thought that it may be one
/// of its readings.
const SUSPICIOUS: u32 = 4;

/// How a batch has failed since the API has said something about it.
#[derive(Default)]
struct Failures {
    in_a_row: u32,
    /// Those of them that may come of what is in it.
    answers: u32,
    /// How many batches the API had stored when it began.
    stored: u64,
    /// Held by a batch that parts although none is stored.
    probe: Option<OwnedSemaphorePermit>,
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
            let is_again = failures.in_a_row > 0;
            let turn = if is_again { Some(acquire(&self.retries).await) } else { None };
            let held = match slot.take() {
                Some(slot) => slot,
                None => self.slot().await,
            };
            let outcome = self.send(&batch, &mut failures.tried).await;
            drop((held, turn));
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

    /// Waits until a batch may be tried again. When it seems to fail for what is in it, its halves part.
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
        failures.answers += u32::from(is_answer(miss.failure));
        let is_suspicious = failures.answers >= SUSPICIOUS;
        if is_suspicious && batch.len() == 1 {
            // It may be this reading or all: another batch may find out.
            failures.probe = None;
        } else if is_suspicious && stored > failures.stored {
            *failures = Failures::default();
            return self.halve(batch);
        } else if is_suspicious && self.probes(failures) {
            // Its pauses go on growing, because it may well be the API.
            failures.answers = 0;
            self.halve(batch);
        }
        let retry = &self.route().config.retry;
        sleep(if miss.status == TOO_LARGE.status {
            // No try is better before somebody changes the settings of the API.
            retry.max_backoff
        } else {
            backoff::pause(failures.in_a_row, retry, &self.chance)
        })
        .await;
    }

    /// Where each batch has a reading that fails, none is stored that would tell it from an API that is not
    /// well. So one batch at a time parts all the same; a piece of it that is stored tells.
    fn probes(&self, failures: &mut Failures) -> bool {
        let probe = failures.probe.take();
        failures.probe = probe.or_else(|| Arc::clone(&self.probe).try_acquire_owned().ok());
        failures.probe.is_some()
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
                self.size.too_many(batch.len());
                self.halve(batch);
            }
            Verdict::Stored => {
                self.size.stored(batch.len());
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

/// Whether an endpoint had the batch when it failed, as it has where a reading makes it hang or crash.
fn is_answer(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::ServerError
            | Failure::Misconfigured
            | Failure::AnswerTimeout
            | Failure::AnswerIncomplete
            | Failure::AnswerMalformed
    )
}
