//! The device's side of the protocol: what it says when, over weeks and over bad links.

use app::cobs::Decoder;
use app::command;
use app::epitaph::{Cause, Class, Epitaph, Record, Registers, location_hash};
use app::filter::Filter;
use app::health::{Activity, CheckIns};
use app::node::{Memory, Node, Setup};
use app::report::{self, Outgoing};
use app::wire::{Frame, Header, Writer};
use proptest::prelude::*;

const EPOCH: u64 = 1_795_000_000_123;

const SETUP: Setup = Setup {
    device: 42,
    version: [1, 2, 3],
    period_ms: 1_000,
    first_sequence: 1,
    reset_cause: Cause::Power,
    epitaph: None,
};

/// A frame that the device has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    kind: u8,
    epoch: u64,
    sequence: u32,
    body: Vec<u8>,
}

impl Sent {
    /// The number of the oldest reading that was held when this one was sent.
    fn base(&self) -> u32 {
        u32::from_le_bytes(self.body[12..].try_into().unwrap())
    }

    fn elapsed_ms(&self) -> i64 {
        i64::from_le_bytes(self.body[..8].try_into().unwrap())
    }
}

/// A node, and the time that it is told.
struct Bench<'a> {
    node: Node<'a>,
    now: u32,
}

impl<'a> Bench<'a> {
    fn new(setup: Setup, memory: &'a mut Memory) -> Self {
        Self { node: Node::new(setup, memory), now: 0 }
    }

    fn tell(&mut self, kind: u8, epoch: u64, sequence: u32, body: &[u8]) {
        let mut frame = Writer::<64>::new();
        frame.start(&Header { kind, device: 42, epoch, sequence });
        for &byte in body {
            frame.put_u8(byte);
        }
        frame.seal();
        for &byte in frame.encoded() {
            self.node.on_byte(byte, self.now);
        }
    }

    fn welcome(&mut self) {
        self.tell(command::WELCOME, EPOCH, 0, &[]);
    }

    fn start(&mut self, period_ms: u32) {
        self.tell(command::START, 0, 0, &period_ms.to_le_bytes());
    }

    /// Ticks once and returns what the node then says.
    fn tick(&mut self, sample: Option<i32>) -> Vec<Sent> {
        self.now = self.now.wrapping_add(1);
        self.node.on_tick(self.now, || sample);
        self.said()
    }

    /// Ticks for a while.
    fn run(&mut self, ticks: u32) -> Vec<Sent> {
        (0..ticks).flat_map(|_| self.tick(Some(0))).collect()
    }

    fn said(&mut self) -> Vec<Sent> {
        let mut frame = Outgoing::new();
        let mut all = Vec::new();
        while self.node.next_frame(&mut frame) {
            let mut decoder = Decoder::<64>::new();
            let (_, code) = frame.encoded().split_last().unwrap();
            assert!(code.iter().all(|&byte| decoder.push(byte).is_none()));
            let block = decoder.push(0).unwrap().unwrap();
            let frame = Frame::parse(block, |_| Some(block.len() - 20)).unwrap();
            let Header { kind, epoch, sequence, .. } = frame.header;
            all.push(Sent { kind, epoch, sequence, body: frame.body.to_vec() });
        }
        all
    }
}

fn of_kind(sent: &[Sent], kind: u8) -> Vec<&Sent> {
    sent.iter().filter(|frame| frame.kind == kind).collect()
}

fn sequences(sent: &[Sent]) -> Vec<u32> {
    of_kind(sent, report::READING).iter().map(|frame| frame.sequence).collect()
}

#[test]
fn hello_is_followed_by_the_epitaph_until_the_welcome() {
    let epitaph = Epitaph { cause: Cause::Fault, registers: Registers::UNKNOWN, boots: 3 };
    let mut memory = Memory::new();
    let setup = Setup { reset_cause: Cause::Fault, epitaph: Some(epitaph), ..SETUP };
    let mut bench = Bench::new(setup, &mut memory);
    let kinds = |sent: Vec<Sent>| sent.iter().map(|frame| frame.kind).collect::<Vec<_>>();
    assert_eq!(kinds(bench.said()), [report::HELLO, report::EPITAPH]);
    assert_eq!(kinds(bench.run(1_999)), []);
    assert_eq!(kinds(bench.run(1)), [report::HELLO, report::EPITAPH]);
    bench.welcome();
    assert!(bench.run(4_000).iter().all(|frame| frame.kind == report::READING));
}

#[test]
fn a_welcome_without_an_epoch_is_none() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.said();
    bench.tell(command::WELCOME, 0, 0, &[]);
    assert!(!bench.node.is_welcomed());
    assert_eq!(of_kind(&bench.run(2_000), report::HELLO).len(), 1);
}

#[test]
fn status_comes_every_thirty_seconds() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    assert_eq!(of_kind(&bench.run(29_999), report::STATUS), Vec::<&Sent>::new());
    assert_eq!(of_kind(&bench.run(60_001), report::STATUS).len(), 3);
}

#[test]
fn a_status_that_is_asked_for_does_not_stand_in_for_the_one_that_is_due() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.run(29_999);
    bench.tell(command::GET_STATUS, 0, 0, &[]);
    assert_eq!(of_kind(&bench.run(1), report::STATUS).len(), 2);
}

#[test]
fn the_first_reading_comes_one_period_after_the_start() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.welcome();
    bench.run(500);
    bench.start(100);
    bench.said();
    assert_eq!(sequences(&bench.run(99)), []);
    assert_eq!(sequences(&bench.run(1)), [1]);
}

#[test]
fn the_period_that_is_in_force_changes_nothing() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.welcome();
    bench.run(999);
    bench.start(1_000);
    assert_eq!(of_kind(&bench.said(), report::REPLY).len(), 1);
    assert_eq!(sequences(&bench.run(1)), [1]);
}

#[test]
fn readings_taken_before_the_welcome_are_stamped_before_it() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    assert_eq!(sequences(&bench.run(2_500)), []);
    bench.welcome();
    let sent = bench.said();
    let stamps: Vec<_> = sent.iter().map(|frame| (frame.sequence, frame.elapsed_ms())).collect();
    assert_eq!(stamps, [(1, -1_500), (2, -500)]);
    assert!(sent.iter().all(|frame| frame.epoch == EPOCH));
}

#[test]
fn stamps_stay_right_when_the_tick_wraps() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.welcome();
    bench.start(3_600_000);
    bench.said();
    let mut stamps = Vec::new();
    // 50 days, in steps of a minute: time need not be told tick by tick.
    for _ in 0..50 * 24 * 60 {
        bench.now = bench.now.wrapping_add(60_000);
        bench.node.on_tick(bench.now, || Some(0));
        for reading in of_kind(&bench.said(), report::READING) {
            stamps.push(reading.elapsed_ms());
            bench.tell(command::ACK, EPOCH, reading.sequence, &[]);
        }
    }
    let expected: Vec<_> = (1..=50 * 24).map(|hour| hour * 3_600_000).collect();
    assert_eq!(stamps, expected);
}

#[test]
fn the_window_is_sent_again_a_second_after_its_oldest_reading() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.welcome();
    bench.start(100);
    bench.said();
    assert_eq!(sequences(&bench.run(1_099)), (1..=10).collect::<Vec<_>>());
    assert_eq!(sequences(&bench.run(1)), (1..=11).collect::<Vec<_>>());
}

#[test]
fn an_acknowledgement_that_frees_something_starts_the_second_anew() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.welcome();
    bench.start(100);
    bench.run(550);
    bench.tell(command::ACK, EPOCH, 2, &[]);
    let before = sequences(&bench.run(999));
    assert_eq!(before, (6..=15).collect::<Vec<_>>());
    assert_eq!(sequences(&bench.run(1)), (3..=15).collect::<Vec<_>>());
}

#[test]
fn at_most_sixteen_readings_are_on_the_wire() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.welcome();
    bench.start(10);
    bench.said();
    assert_eq!(sequences(&bench.run(600)), (1..=16).collect::<Vec<_>>());
}

#[test]
fn a_full_ring_gives_up_the_oldest_and_counts_it() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.run(66_000);
    bench.tell(command::GET_STATUS, 0, 0, &[]);
    let sent = bench.said();
    let [status] = of_kind(&sent, report::STATUS)[..] else { panic!("{sent:?}") };
    assert_eq!(status.body[5..7], [64, 0]);
    assert_eq!(status.body[7..11], [2, 0, 0, 0]);
    bench.welcome();
    let sent = bench.said();
    assert_eq!(sequences(&sent), (3..=18).collect::<Vec<_>>());
    assert!(sent.iter().all(|frame| frame.base() == 3));
}

#[test]
fn a_sensor_that_fails_uses_no_number() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.welcome();
    bench.start(10);
    bench.said();
    let mut sent = Vec::new();
    for tick in 1..=60 {
        sent.extend(bench.tick((tick % 20 != 0).then_some(7)));
    }
    assert_eq!(sequences(&sent), [1, 2, 3]);
}

#[test]
fn the_last_number_is_never_given() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(Setup { first_sequence: u32::MAX - 1, ..SETUP }, &mut memory);
    bench.welcome();
    assert_eq!(sequences(&bench.run(1_000)), [u32::MAX - 1]);
    assert!(!bench.node.must_restart());
    bench.run(1_000);
    assert!(bench.node.must_restart());
}

#[test]
fn one_answer_at_a_time() {
    let mut memory = Memory::new();
    let mut bench = Bench::new(SETUP, &mut memory);
    bench.said();
    bench.tell(command::PING, 0, 0, &[]);
    assert!(!bench.node.can_receive());
    assert_eq!(of_kind(&bench.said(), report::REPLY).len(), 1);
    assert!(bench.node.can_receive());
}

proptest! {
    /// A receiver that knows nothing but the protocol gets every reading once and in order, over a
    /// link that loses, repeats and reorders frames in both directions.
    #[test]
    fn nothing_is_lost_over_a_bad_link(fates in proptest::collection::vec(0..8_u8, 4_000)) {
        let mut memory = Memory::new();
        let mut bench = Bench::new(SETUP, &mut memory);
        bench.welcome();
        bench.start(500);
        bench.said();
        let mut fates = fates.into_iter().cycle();
        let mut on_the_way: Vec<Sent> = Vec::new();
        let mut acks: Vec<u32> = Vec::new();
        let mut stored = std::collections::BTreeMap::new();
        let mut durable = 0;
        for _ in 0..20_000 {
            for frame in bench.tick(Some(1)) {
                match fates.next().unwrap() {
                    0 | 1 => {}
                    2 => on_the_way.extend([frame.clone(), frame]),
                    3 => on_the_way.insert(0, frame),
                    _ => on_the_way.push(frame),
                }
            }
            if on_the_way.len() > 2 {
                for frame in on_the_way.drain(..) {
                    if frame.kind != report::READING {
                        continue;
                    }
                    prop_assert!(frame.base() <= durable + 1, "{} was given up", durable + 1);
                    stored.insert(frame.sequence, frame.elapsed_ms());
                    while stored.contains_key(&(durable + 1)) {
                        durable += 1;
                    }
                    acks.push(durable);
                }
            }
            if acks.len() > 3 {
                for ack in acks.drain(..).rev() {
                    if fates.next().unwrap() > 1 {
                        bench.tell(command::ACK, EPOCH, ack, &[]);
                    }
                }
            }
        }
        prop_assert!(durable >= 20, "{durable}");
        for (sequence, elapsed_ms) in stored {
            prop_assert_eq!(elapsed_ms, i64::from(sequence) * 500);
        }
    }

    #[test]
    fn no_bytes_stop_a_node(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut memory = Memory::new();
        let mut bench = Bench::new(SETUP, &mut memory);
        for byte in bytes {
            bench.node.on_byte(byte, bench.now);
            bench.said();
        }
        bench.node.on_byte(0, bench.now);
        bench.tell(command::PING, 0, 0, &[]);
        prop_assert_eq!(of_kind(&bench.said(), report::REPLY).len(), 1);
    }

    #[test]
    fn a_filter_stays_within_its_samples(samples in proptest::collection::vec(any::<i32>(), 1..50)) {
        let mut filter = Filter::<2>::new();
        let (mut low, mut high) = (i32::MAX, i32::MIN);
        for sample in samples {
            (low, high) = (low.min(sample), high.max(sample));
            let value = filter.update(sample);
            prop_assert!((low..=high).contains(&value));
        }
    }

    #[test]
    fn a_record_with_a_wrong_bit_is_none(pc: u32, bit in 0..7 * 32_usize) {
        let mut record = Record::open([0; 7]);
        record.begin_run();
        record.end_run(Cause::Panic, &Registers { pc, ..Registers::UNKNOWN });
        let mut words = record.words();
        prop_assert_eq!(Record::open(words).epitaph().map(|it| it.registers.pc), Some(pc));
        words[bit / 32] ^= 1 << (bit % 32);
        // The cause has a byte to itself; what is above it in that half is not used.
        prop_assume!(!(bit / 32 == 6 && (8..16).contains(&(bit % 32))));
        prop_assert_eq!(Record::open(words).epitaph(), None);
    }
}

#[test]
fn a_filter_drops_a_single_spike() {
    let mut filter = Filter::<2>::new();
    let values: Vec<_> = [100, 100, 9_999, 100, 100].map(|sample| filter.update(sample)).into();
    assert_eq!(values, [100; 5]);
}

#[test]
fn a_filter_reaches_a_step() {
    let mut filter = Filter::<2>::new();
    filter.update(0);
    let last = (0..40).map(|_| filter.update(1_000)).last().unwrap();
    assert!((998..=1_000).contains(&last), "{last}");
}

#[test]
fn the_watchdog_is_fed_when_everyone_has_reported() {
    let mut check_ins = CheckIns::new();
    for activity in [Activity::Clock, Activity::Application, Activity::Clock] {
        check_ins.report(activity);
        assert!(!check_ins.complete());
    }
    check_ins.report(Activity::Link);
    assert!(check_ins.complete());
    assert!(!check_ins.complete());
}

#[test]
fn a_record_counts_runs_and_keeps_the_crash_until_it_was_told() {
    let mut record = Record::open([0xDEAD_BEEF; 7]);
    assert_eq!((record.begin_run(), record.boots()), (Cause::Power, 1));
    assert_eq!((record.begin_run(), record.boots()), (Cause::Pin, 2));
    record.end_run(Cause::Watchdog, &Registers::UNKNOWN);
    for boots in 3..5 {
        assert_eq!((record.begin_run(), record.boots()), (Cause::Watchdog, boots));
        assert_eq!(record.epitaph().map(|epitaph| epitaph.boots), Some(2));
    }
    record.end_run(Cause::Pin, &Registers::UNKNOWN);
    assert_eq!((record.begin_run(), record.epitaph()), (Cause::Pin, None));
    record.end_run(Cause::Software, &Registers::UNKNOWN);
    assert_eq!((record.begin_run(), record.epitaph()), (Cause::Software, None));
}

#[test]
fn faults_are_named_by_their_status() {
    let end = 0x2000_0000;
    let class = |cfsr| Class::of(cfsr, end + 512, end);
    assert_eq!(class(1 << 16), Class::UndefinedInstruction);
    assert_eq!(class(1 << 17), Class::InvalidState);
    assert_eq!(class(1 << 19), Class::NoCoprocessor);
    assert_eq!(class(1 << 24), Class::Unaligned);
    assert_eq!(class(1 << 25), Class::DivideByZero);
    assert_eq!(class(1 << 9 | 1 << 15), Class::Bus);
    assert_eq!(class(1), Class::NoCode);
    assert_eq!(class(1 << 1 | 1 << 7), Class::Memory);
    assert_eq!(class(0), Class::Other);
    assert_eq!(class(1 << 12), Class::StackOverflow);
    assert_eq!(Class::of(1 << 9, end + 31, end), Class::StackOverflow);
}

#[test]
fn a_panic_is_named_by_file_and_line() {
    // FNV-1a, by its definition, over the path and the four bytes of the line number.
    let hash = |bytes: &[u8]| {
        let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619);
        bytes.iter().fold(2_166_136_261, step)
    };
    assert_eq!(location_hash("", 0), hash(&[0, 0, 0, 0]));
    assert_eq!(location_hash("a", 0x0102), hash(&[b'a', 2, 1, 0, 0]));
}
