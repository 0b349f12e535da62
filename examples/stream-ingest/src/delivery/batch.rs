//! One batch, until each of its readings is durable.

use std::mem;
use std::rc::Rc;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_local;
use tokio::time::sleep;

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

impl Delivery {
    /// Tries a batch again and again; it gets smaller when readings of it go another way. A slot is held
    /// for a request only, so that a batch that fails and waits keeps no other from being sent.
    pub(super) async fn deliver(
        self: Rc<Self>,
        mut batch: Vec<Parcel>,
        mut slot: Option<OwnedSemaphorePermit>,
    ) {
        let Some(oldest) = batch.first().map(|parcel| parcel.received) else {
            return;
        };
        let age = self.ages.begin(oldest);
        let (mut failures, mut tried) = (0, None);
        while !batch.is_empty() {
            let held = match slot.take() {
                Some(slot) => slot,
                None => self.slot().await,
            };
            let outcome = self.send(&batch, &mut tried).await;
            drop(held);
            let miss = match outcome {
                Ok(Verdict::TooLarge) if batch.len() == 1 => TOO_LARGE,
                Ok(verdict) => {
                    self.recovered(mem::take(&mut failures));
                    self.advance(&mut batch, &verdict);
                    continue;
                }
                Err(miss) => miss,
            };
            failures += 1;
            self.rest(failures, &miss).await;
        }
        self.ages.end(age);
        self.ages.tell(self.queue.oldest());
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
            Verdict::TooLarge => self.halve(batch),
            Verdict::Stored => {
                count(&self.stats.delivery.batches_stored);
                add(&self.stats.delivery.readings_stored, batch.len() as u64);
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
        for (number, parcel) in mem::take(batch).into_iter().enumerate() {
            if let Some(refusal) = named.get(&number) {
                let letter = letter::refused(&parcel.reading, refusal);
                spawn_local(Rc::clone(self).bury(parcel, letter));
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

    /// Waits until a batch may be tried again that has failed so many times in a row.
    async fn rest(&self, failures: u32, miss: &Miss) {
        count(&self.stats.delivery.batches_retried);
        self.complaints.tell(miss);
        if failures == 1 {
            self.failing.set(self.failing.get() + 1);
        }
        let config = &self.route().config;
        sleep(backoff::pause(failures, miss.retry_after, &config.retry, &self.chance)).await;
    }

    /// The API has answered a batch that has failed so many times.
    fn recovered(&self, failures: u32) {
        if failures > 0 {
            self.failing.set(self.failing.get().saturating_sub(1));
            self.queue.look_again();
        }
    }
}
