//! Whatever comes over a connection, in whatever order it becomes durable: what is acknowledged, and what is
//! delivered again.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod cases;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseResult;

use stream_ingest::delivery::{Reading, Recipient};
use stream_ingest::ingest::end::End;
use stream_ingest::ingest::session::{Session, Taken};
use stream_ingest::shutdown::Work;

use cases::runner;
use support::device::{Sent, sent};

/// Of a device, and its epoch.
type Source = (u32, u64);

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The device goes on by so many, and one of the readings comes that it holds, or held as many before.
    Comes { source: Index, further: u32, place: u32, late: u32 },
    /// One that is on its way is durable.
    Settles(Index),
    /// What is to be sent leaves.
    Leaves,
}

fn event() -> impl Strategy<Value = Event> {
    let further = prop_oneof![8 => Just(0), 4 => 1..4_u32, 1 => 1..200_u32];
    let place = prop_oneof![4 => 0..6_u32, 1 => 0..64_u32];
    let late = prop_oneof![8 => Just(0), 1 => 1..100_u32];
    prop_oneof![
        4 => (any::<Index>(), further, place, late)
            .prop_map(|(source, further, place, late)| Event::Comes { source, further, place, late }),
        3 => any::<Index>().prop_map(Event::Settles),
        1 => Just(Event::Leaves),
    ]
}

/// What the contract says of one source, in sets.
#[derive(Default)]
struct Known {
    /// The oldest that the device holds, and what was told of that.
    oldest: u32,
    base: u32,
    on_the_way: BTreeSet<u32>,
    durable: BTreeSet<u32>,
    acknowledged: u32,
}

impl Known {
    /// The highest up to which everything from the oldest on is durable.
    fn reached(&self) -> Option<u32> {
        (self.base..u32::MAX).take_while(|sequence| self.durable.contains(sequence)).last()
    }
}

struct World {
    session: Session,
    sources: Vec<Source>,
    known: BTreeMap<Source, Known>,
    on_the_way: Vec<Reading>,
    /// Acknowledgements that must come, whatever else does.
    owed: BTreeMap<Source, u32>,
}

impl World {
    fn new() -> Self {
        let sources = vec![(1, 1_000), (1, 2_000), (2, 1_000)];
        let known = sources
            .iter()
            .map(|source| (*source, Known { oldest: 1, base: 1, ..Known::default() }));
        Self {
            session: Session::new(Work::new().0),
            known: known.collect(),
            sources,
            on_the_way: Vec::new(),
            owed: BTreeMap::new(),
        }
    }

    fn happens(&mut self, event: Event) -> TestCaseResult {
        match event {
            Event::Comes { source, further, place, late } => {
                self.comes(source, further, place, late)?;
            }
            Event::Settles(which) if !self.on_the_way.is_empty() => {
                let reading = self.on_the_way.swap_remove(which.index(self.on_the_way.len()));
                self.settles(&reading);
            }
            Event::Settles(_) => {}
            Event::Leaves => self.leaves()?,
        }
        Ok(())
    }

    fn settles(&mut self, reading: &Reading) {
        self.session.settle(reading);
        let source = (reading.device, reading.epoch);
        let known = self.known.get_mut(&source).unwrap();
        if reading.sequence >= known.base {
            known.on_the_way.remove(&reading.sequence);
            known.durable.insert(reading.sequence);
        }
        self.owes(source);
    }

    fn comes(&mut self, source: Index, further: u32, place: u32, late: u32) -> TestCaseResult {
        let source = *source.get(&self.sources);
        let known = self.known.get_mut(&source).unwrap();
        known.oldest += further;
        let base = known.oldest.saturating_sub(late).max(1);
        known.base = known.base.max(base);
        let sequence = base + place;
        let reading =
            Reading { device: source.0, epoch: source.1, sequence, measured_at: 0, value: 0 };
        let taken = self.session.take(&reading, base).unwrap();
        if sequence < known.base {
            // Nobody knows what became of it, and the device does not ask.
            prop_assert_eq!(taken, Taken::New);
            self.on_the_way.push(reading);
        } else if known.durable.contains(&sequence) {
            prop_assert_eq!(taken, Taken::Again);
            if let Some(reached) = known.reached() {
                self.owed.insert(source, reached);
            }
        } else if known.on_the_way.contains(&sequence) {
            prop_assert_eq!(taken, Taken::Again);
        } else {
            prop_assert_eq!(taken, Taken::New);
            known.on_the_way.insert(sequence);
            self.on_the_way.push(reading);
        }
        self.owes(source);
        Ok(())
    }

    /// More is durable without a gap than was acknowledged.
    fn owes(&mut self, source: Source) {
        let known = &self.known[&source];
        if let Some(reached) = known.reached().filter(|reached| *reached > known.acknowledged) {
            self.owed.insert(source, reached);
        }
    }

    fn leaves(&mut self) -> TestCaseResult {
        let mut out = Vec::new();
        let next = pin!(self.session.next(&mut out)).poll(&mut Context::from_waker(Waker::noop()));
        let count = match next {
            Poll::Ready(Ok(Some(count))) => count,
            Poll::Pending => 0,
            other @ Poll::Ready(_) => return Err(TestCaseError::fail(format!("{other:?}"))),
        };
        let frames = sent(&out);
        prop_assert_eq!(count, frames.len() as u64);
        for Sent { kind, device, epoch, sequence, .. } in frames {
            prop_assert_eq!(kind, 0x82);
            let known = self.known.get_mut(&(device, epoch)).unwrap();
            prop_assert_eq!(
                Some(sequence),
                known.reached(),
                "not all of it is durable, or more is"
            );
            known.acknowledged = sequence;
            self.owed.remove(&(device, epoch));
        }
        // What is owed of readings that the device does not hold any more helps nobody.
        self.owed.retain(|source, owed| *owed >= self.known[source].base);
        prop_assert!(self.owed.is_empty(), "not sent: {:?}", self.owed);
        Ok(())
    }
}

#[test]
fn what_is_durable_without_a_gap_is_acknowledged_and_nothing_else_and_nothing_is_taken_twice() {
    let outcome = runner(512).run(&vec(event(), 0..300), |events| {
        let mut world = World::new();
        for event in events {
            world.happens(event)?;
        }
        while let Some(reading) = world.on_the_way.pop() {
            world.settles(&reading);
        }
        world.leaves()
    });
    outcome.unwrap();
}

#[test]
fn a_device_that_says_hello_again_is_owed_one_welcome_until_it_leaves() {
    let session = Session::new(Work::new().0);
    for device in [1, 2, 1, 2, 2] {
        session.owe(device);
    }
    assert_eq!(
        [session.next_owed(), session.next_owed(), session.next_owed()],
        [Some(1), Some(2), None]
    );
    session.owe(1);
    assert_eq!(session.next_owed(), Some(1));
}

#[test]
fn epochs_with_nothing_on_their_way_are_forgotten_and_too_many_others_end_a_connection() {
    let session = Session::new(Work::new().0);
    let reading = |epoch| Reading { device: 1, epoch, sequence: 1, measured_at: 0, value: 0 };
    let take = |epoch| session.take(&reading(epoch), 1);
    for epoch in 1..=1_024 {
        assert_eq!(take(epoch), Ok(Taken::New));
    }
    assert_eq!(take(1_025), Err(End::TooManyDevices));
    (1..=1_024).for_each(|epoch| session.settle(&reading(epoch)));
    assert_eq!(take(1_025), Ok(Taken::New));
    // Those that were used last are known still, and no others.
    assert_eq!([take(1_024), take(900)], [Ok(Taken::Again), Ok(Taken::New)]);
}
