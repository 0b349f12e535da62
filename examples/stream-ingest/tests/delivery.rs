//! The way to the API: what is tried again and what is not, and that each reading is settled once, when it
//! is durable and not before.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use support::api::{Api, Key, Reply, key, said};
use support::delivery::dead_letter::DeadLetters;
use support::delivery::{Delivery, Parcel, Reading, Recipient};
use support::{Current, PATIENCE, Phase, Stats, Switch, config, forwarding};

/// Pauses and times that suit a test.
const QUICK: &str = "outlier.failures = 1000\n";
const RESPONSE: &str = "upstream.response = \"300ms\"\n";
const BACKOFF: &str = "retry.backoff = \"1ms\"\nretry.max_backoff = \"50ms\"\n";

/// A reading with a value that tells its number.
fn reading(sequence: u32) -> Reading {
    let value = i32::try_from(sequence).unwrap();
    Reading { device: 42, epoch: 7, sequence, measured_at: 1_795_000_000_000, value }
}

/// One that `Reply::Refuse` refuses.
fn bad(sequence: u32) -> Reading {
    Reading { value: -1, ..reading(sequence) }
}

fn key_of(reading: &Reading) -> Key {
    (format!("{:08x}", reading.device), reading.epoch, reading.sequence.into())
}

/// Whoever sent readings: knows which were settled, and how.
struct Sender {
    settled: RefCell<Vec<Reading>>,
    forgotten: RefCell<Vec<Reading>>,
    /// Those that were durable nowhere when they were settled.
    early: RefCell<Vec<Reading>>,
    is_durable: Box<dyn Fn(&Reading) -> bool>,
    changed: Notify,
}

impl Recipient for Sender {
    fn settle(&self, reading: &Reading) {
        if !(self.is_durable)(reading) {
            self.early.borrow_mut().push(*reading);
        }
        self.settled.borrow_mut().push(*reading);
        self.changed.notify_one();
    }

    fn forget(&self, reading: &Reading) {
        self.forgotten.borrow_mut().push(*reading);
        self.changed.notify_one();
    }

    fn lose(&self) {
        // At the end of a test, with its runtime.
    }
}

/// One worker's way to these APIs, and whoever sends readings over it.
struct Way {
    delivery: Rc<Delivery>,
    sender: Rc<Sender>,
    current: Arc<Current>,
    stats: Arc<Stats>,
    letters: PathBuf,
    switch: Switch,
}

impl Way {
    fn start(
        addresses: &[SocketAddr],
        settings: &str,
        stored: impl Fn(&Key) -> bool + 'static,
    ) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let letters =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("way-{number}.jsonl"));
        // Of an earlier run.
        let _ = std::fs::remove_file(&letters);
        let backoff = if settings.contains("backoff") { "" } else { BACKOFF };
        let response = if settings.contains("response") { "" } else { RESPONSE };
        let own = format!("{QUICK}{response}{backoff}");
        let mut config = config(&forwarding(addresses, &format!("{own}{settings}\n")));
        config.dead_letter.path.clone_from(&letters);
        let stats = Arc::<Stats>::default();
        let dead = DeadLetters::start(&config.dead_letter, &[Arc::clone(&stats)]).unwrap();
        let current = Arc::new(Current::new(config, 1));
        let (switch, phases) = Switch::new();
        let delivery =
            Delivery::start(Arc::clone(&current), 0, 1, Arc::clone(&stats), dead, phases, 7);
        let path = letters.clone();
        let is_durable = move |reading: &Reading| {
            let key = key_of(reading);
            stored(&key)
                || letters_of(&path).iter().any(|letter| self::key(&letter["reading"]) == key)
        };
        let sender = Rc::new(Sender {
            settled: RefCell::default(),
            forgotten: RefCell::default(),
            early: RefCell::default(),
            is_durable: Box::new(is_durable),
            changed: Notify::new(),
        });
        Self { delivery, sender, current, stats, letters, switch }
    }

    fn before(api: &Arc<Api>, settings: &str) -> Self {
        let of = Arc::clone(api);
        Self::start(&[api.address], settings, move |key| of.has(key))
    }

    async fn push(&self, reading: Reading) {
        let recipient = Rc::clone(&self.sender) as Rc<dyn Recipient>;
        self.delivery.push(Parcel::new(reading, Instant::now(), recipient)).await;
    }

    async fn push_all(&self, readings: impl IntoIterator<Item = Reading>) {
        for reading in readings {
            self.push(reading).await;
        }
    }

    /// Waits until so many are settled: their sequences, in order. None was too early.
    async fn settled(&self, count: usize) -> Vec<u32> {
        let enough = async {
            while self.sender.settled.borrow().len() < count {
                self.sender.changed.notified().await;
            }
        };
        let outcome = timeout(PATIENCE, enough).await;
        assert!(outcome.is_ok(), "only {} are settled", self.sender.settled.borrow().len());
        assert_eq!(*self.sender.early.borrow(), []);
        let mut sequences: Vec<_> =
            self.sender.settled.borrow().iter().map(|reading| reading.sequence).collect();
        sequences.sort_unstable();
        sequences
    }

    /// Waits until so many are forgotten.
    async fn forgotten(&self, count: usize) {
        let enough = async {
            while self.sender.forgotten.borrow().len() < count {
                self.sender.changed.notified().await;
            }
        };
        let outcome = timeout(PATIENCE, enough).await;
        assert!(outcome.is_ok(), "only {} are forgotten", self.sender.forgotten.borrow().len());
    }

    /// The sequences of the dead letters, in order.
    fn dead(&self) -> Vec<u64> {
        let letters = letters_of(&self.letters);
        let mut dead: Vec<_> = letters.iter().map(|letter| key(&letter["reading"]).2).collect();
        dead.sort_unstable();
        dead
    }

    fn counted(&self, of: fn(&Stats) -> &AtomicU64) -> u64 {
        of(&self.stats).load(Ordering::Relaxed)
    }
}

fn letters_of(path: &PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Does what a worker's thread would.
fn on_a_worker(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(tokio::runtime::LocalOptions::default())
        .unwrap()
        .block_on(test);
}

#[test]
fn readings_go_in_batches_by_size_or_by_age() {
    let api = Arc::new(Api::well());
    on_a_worker(async {
        let way = Way::before(&api, "batch = { readings = 10, age = \"200ms\", in_flight = 1 }");
        let began = Instant::now();
        way.push_all((1..=20).map(reading)).await;
        way.settled(20).await;
        assert!(began.elapsed() < Duration::from_millis(200), "full batches wait for nothing");
        way.push_all((21..=23).map(reading)).await;
        assert_eq!(way.settled(23).await, (1..=23).collect::<Vec<_>>());
        assert!(began.elapsed() >= Duration::from_millis(200));
    });
    assert_eq!(api.requests(), [10, 10, 3]);
    assert_eq!(api.violations(), [""; 0]);
}

#[test]
fn whatever_goes_wrong_a_batch_is_tried_until_it_is_stored() {
    let head = "HTTP/1.1 200 OK\r\n";
    for (reply, cause) in [
        (Reply::Say(said(400, "")), "misconfigured"),
        (Reply::Say(said(401, "")), "misconfigured"),
        (Reply::Say(said(404, "<html>")), "misconfigured"),
        (Reply::Say(said(415, "")), "misconfigured"),
        (Reply::Say(said(301, "")), "misconfigured"),
        (Reply::Say(said(408, "")), "server_error"),
        (Reply::Say(said(500, "")), "server_error"),
        (Reply::Say(said(503, "")), "throttled"),
        (Reply::Say(said(429, "")), "throttled"),
        (Reply::Say("nonsense\r\n\r\n".to_owned()), "answer_malformed"),
        (
            Reply::Endless("HTTP/1.1 200 OK\r\nx: ".to_owned() + &"y".repeat(9_000)),
            "answer_malformed",
        ),
        (Reply::Endless(format!("{head}transfer-encoding: chunked\r\n\r\n")), "answer_incomplete"),
        (
            Reply::Say(format!("{head}content-length: 9000000\r\n\r\n{}", "x".repeat(99_999))),
            "answer_malformed",
        ),
        (Reply::Say(format!("{head}content-length: 5\r\n\r\n{{}}")), "answer_timeout"),
        (Reply::Silence, "answer_timeout"),
        (Reply::Close, "answer_incomplete"),
        (Reply::Reset, "answer_incomplete"),
        (Reply::JudgeInSilence, "answer_incomplete"),
    ] {
        let faulty = reply.clone();
        let answer =
            move |number, _: &[Value]| if number < 3 { faulty.clone() } else { Reply::Judge };
        let api = Arc::new(Api::start(answer));
        on_a_worker(async {
            let way = Way::before(&api, "");
            way.push_all((1..=5).map(reading)).await;
            assert_eq!(way.settled(5).await, [1, 2, 3, 4, 5], "{reply:?}");
            assert_eq!(way.dead(), [0; 0], "{reply:?}");
            let causes = way.current.load().members["all"][0].causes(|record| &record.causes);
            assert_eq!(causes[cause], 3, "{reply:?}: {causes:?}");
        });
        assert_eq!(api.violations(), [""; 0], "{reply:?}");
        assert_eq!(api.count(), 5, "{reply:?}");
    }
}

#[test]
fn a_batch_that_fails_at_one_endpoint_is_sent_to_another_at_once() {
    for (reply, again) in [
        (Reply::Say(said(500, "")), true),
        (Reply::Close, true),
        (Reply::Silence, true),
        // Another endpoint of the same API has no more time, and no other settings.
        (Reply::Say(said(429, "")), false),
        (Reply::Say(said(401, "")), false),
    ] {
        let faulty = reply.clone();
        let (first, second) = (Api::start(move |_, _| faulty.clone()), Arc::new(Api::well()));
        let stored = Arc::clone(&second);
        on_a_worker(async {
            let addresses = [first.address, second.address];
            let way = Way::start(&addresses, "", move |key| stored.has(key));
            // One of the two begins at the first, which seems to be quicker as long as it has not answered.
            for sequence in [1, 2] {
                way.push(reading(sequence)).await;
                way.settled(sequence as usize).await;
            }
            assert_eq!(way.counted(|stats| &stats.retries) > 0, again, "{reply:?}");
        });
        assert_eq!(second.count(), 2, "{reply:?}");
    }
}

#[test]
fn the_second_try_at_once_has_a_budget() {
    let api =
        Arc::new(Api::start(
            |number, _| {
                if number < 20 { Reply::Say(said(500, "")) } else { Reply::Judge }
            },
        ));
    on_a_worker(async {
        let way = Way::before(&api, "retry.share = 0.0\nretry.per_second = 0\n");
        way.push(reading(1)).await;
        way.settled(1).await;
        assert_eq!(way.counted(|stats| &stats.retries), 0);
        assert_eq!(way.counted(|stats| &stats.delivery.batches_retried), 20);
    });
}

#[test]
fn an_api_that_is_busy_is_left_alone_for_as_long_as_it_says() {
    for (max_backoff, least, most) in [("5s", 1_000, 5_000), ("100ms", 100, 900)] {
        let busy = "HTTP/1.1 429 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
        let api = Arc::new(Api::start(move |number, _| {
            if number == 0 { Reply::Say(busy.to_owned()) } else { Reply::Judge }
        }));
        on_a_worker(async {
            let settings = format!("retry.backoff = \"1ms\"\nretry.max_backoff = {max_backoff:?}");
            let way = Way::before(&api, &settings);
            let began = Instant::now();
            way.push(reading(1)).await;
            way.settled(1).await;
            let took = began.elapsed().as_millis();
            assert!((least..most).contains(&took), "{took} ms of {max_backoff}");
        });
    }
}

#[test]
fn readings_that_are_named_become_dead_letters_and_the_others_are_stored() {
    for status in [409, 422] {
        let api = Arc::new(Api::start(move |_, _| Reply::Refuse(status, true)));
        on_a_worker(async {
            let way = Way::before(&api, "batch = { readings = 10, age = \"1s\" }");
            let is_bad = |sequence: &u32| [1, 4, 10].contains(sequence);
            way.push_all((1..=10).map(|one| if is_bad(&one) { bad(one) } else { reading(one) }))
                .await;
            assert_eq!(way.settled(10).await, (1..=10).collect::<Vec<_>>());
            assert_eq!(way.dead(), [1, 4, 10]);
            let letters = letters_of(&way.letters);
            let told = ["reason", "status", "code", "detail"].map(|name| &letters[1][name]);
            let expected =
                [json!("refused"), json!(status), json!("refused"), json!("#/readings/3: is bad")];
            assert_eq!(told, expected.each_ref());
            assert_eq!(way.counted(|stats| &stats.delivery.readings_refused), 3);
            assert_eq!(way.counted(|stats| &stats.delivery.readings_stored), 7);
        });
        assert_eq!(api.requests(), [10, 7]);
        assert_eq!(api.violations(), [""; 0]);
    }
}

#[test]
fn halving_finds_what_is_refused_and_not_named() {
    let api = Arc::new(Api::start(|_, _| Reply::Refuse(422, false)));
    on_a_worker(async {
        let way = Way::before(&api, "batch = { readings = 64, age = \"1s\" }");
        way.push_all((1..=64).map(|one| if one == 23 { bad(one) } else { reading(one) })).await;
        assert_eq!(way.settled(64).await, (1..=64).collect::<Vec<_>>());
        assert_eq!(way.dead(), [23]);
        assert_eq!(way.counted(|stats| &stats.delivery.batches_halved), 6);
    });
    assert_eq!((api.count(), api.requests().len()), (63, 13));
}

#[test]
fn what_is_too_large_is_halved_and_a_single_reading_waits() {
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let api = Arc::new(Api::start(move |_, readings| {
        let most = if mended.load(Ordering::Relaxed) { 1_000 } else { 3 };
        let holds_large = readings.iter().any(|reading| reading["sequence"] == 5);
        if readings.len() > most || (holds_large && most == 3) {
            Reply::Say(said(413, ""))
        } else {
            Reply::Judge
        }
    }));
    on_a_worker(async {
        let way = Way::before(&api, "batch = { readings = 16, age = \"1s\" }");
        way.push_all((1..=16).map(reading)).await;
        let others: Vec<_> = (1..=16).filter(|one| *one != 5).collect();
        assert_eq!(way.settled(15).await, others);
        is_mended.store(true, Ordering::Relaxed);
        assert_eq!(way.settled(16).await, (1..=16).collect::<Vec<_>>());
        assert_eq!(way.dead(), [0; 0]);
    });
    assert_eq!(api.violations(), [""; 0]);
}

#[test]
fn what_no_request_can_carry_is_a_dead_letter_without_one() {
    let api = Arc::new(Api::well());
    on_a_worker(async {
        let way = Way::before(&api, "");
        let (early, late) = (Reading { measured_at: 0, ..reading(1) }, reading(3));
        way.push_all([early, Reading { epoch: (1 << 53) + 1, ..reading(2) }, late]).await;
        assert_eq!(way.settled(3).await, [1, 2, 3]);
        assert_eq!(way.dead(), [1, 2]);
    });
    assert_eq!(api.requests(), [1]);
    assert_eq!(api.violations(), [""; 0]);
}

/// An address at which whoever connects is refused until the socket listens.
fn deaf() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

#[test]
fn two_hours_without_an_api_lose_nothing_and_are_no_storm() {
    let (socket, address) = deaf();
    on_a_worker(async {
        let back = Rc::new(RefCell::new(None::<Api>));
        let stored = Rc::clone(&back);
        let has = move |key: &Key| stored.borrow().as_ref().is_some_and(|api| api.has(key));
        let settings = "batch.in_flight = 1\n\
            retry = { share = 0.0, per_second = 0, backoff = \"100ms\", max_backoff = \"30s\" }";
        let way = Way::start(&[address], settings, has);
        tokio::time::pause();
        for sequence in 1..=240 {
            way.push(reading(sequence)).await;
            sleep(Duration::from_secs(30)).await;
        }
        assert_eq!(way.sender.settled.borrow().len(), 0);
        let batches = way.counted(|stats| &stats.delivery.batches_retried);
        // Each waits for 15 s on average. Were there a batch for each reading, it would be 57 600 times.
        assert!((7_200 / 15..20_000).contains(&batches), "{batches} times");
        socket.listen(64).unwrap();
        *back.borrow_mut() = Some(Api::listen(socket.into(), |_, _| Reply::Judge));
        tokio::time::advance(Duration::from_secs(30)).await;
        tokio::time::resume();
        assert_eq!(way.settled(240).await, (1..=240).collect::<Vec<_>>());
    });
}

#[test]
fn an_api_that_comes_back_gets_what_it_missed() {
    let (socket, address) = deaf();
    on_a_worker(async {
        let back = Rc::new(RefCell::new(None::<Api>));
        let stored = Rc::clone(&back);
        let has = move |key: &Key| stored.borrow().as_ref().is_some_and(|api| api.has(key));
        let way = Way::start(&[address], "batch.readings = 10", has);
        way.push_all((1..=95).map(reading)).await;
        sleep(Duration::from_millis(300)).await;
        assert_eq!(way.sender.settled.borrow().len(), 0);
        socket.listen(64).unwrap();
        *back.borrow_mut() = Some(Api::listen(socket.into(), |_, _| Reply::Judge));
        assert_eq!(way.settled(95).await, (1..=95).collect::<Vec<_>>());
    });
}

#[test]
fn no_more_are_held_than_may_be_and_a_batch_that_is_stuck_keeps_no_other() {
    // A request with reading 1 never gets anywhere.
    let api = Arc::new(Api::start(|_, readings| {
        let is_stuck = readings.iter().any(|reading| reading["sequence"] == 1);
        if is_stuck { Reply::Say(said(500, "")) } else { Reply::Judge }
    }));
    on_a_worker(async {
        let settings =
            "limits.queued_readings = 30\nbatch = { readings = 10, age = \"1ms\", in_flight = 1 }";
        let way = Way::before(&api, settings);
        // The batch that is stuck parts, until it is one reading that is stuck.
        way.push_all((1..=200).map(reading)).await;
        assert_eq!(way.settled(199).await, (2..=200).collect::<Vec<_>>());
    });
    let stalled = Arc::new(Api::start(|_, _| Reply::Silence));
    on_a_worker(async {
        let settings = "limits.queued_readings = 30\nbatch = { readings = 10, age = \"1ms\" }";
        let way = Way::before(&stalled, settings);
        way.push_all((1..=30).map(reading)).await;
        let next = timeout(Duration::from_secs(1), way.push(reading(31))).await;
        assert!(next.is_err(), "there was room for one more");
        let queued = way.stats.delivery.readings_queued.load(Ordering::Relaxed);
        assert_eq!(queued, 30);
    });
}

/// Whether a request has one of `bad`.
fn has_bad(readings: &[Value]) -> bool {
    readings.iter().any(|reading| reading["value"].as_f64().unwrap() < 0.0)
}

#[test]
fn a_reading_with_which_a_request_never_ends_well_is_parted_from_the_others() {
    for reply in [
        Reply::Say(said(500, "")),
        Reply::Say(said(400, "")),
        Reply::Say("nonsense\r\n\r\n".to_owned()),
        Reply::Close,
        Reply::Reset,
        Reply::Silence,
    ] {
        let faulty = reply.clone();
        let answer = move |_, readings: &[Value]| {
            if has_bad(readings) { faulty.clone() } else { Reply::Judge }
        };
        let api = Arc::new(Api::start(answer));
        on_a_worker(async {
            let settings = "upstream.response = \"20ms\"\nbatch = { readings = 8, age = \"1ms\" }";
            let way = Way::before(&api, settings);
            way.push_all((1..=8).map(|one| if one == 3 { bad(one) } else { reading(one) })).await;
            let began = Instant::now();
            for sequence in 9.. {
                // Others are stored meanwhile, so it is not the API.
                way.push(reading(sequence)).await;
                sleep(Duration::from_millis(10)).await;
                let settled = way.sender.settled.borrow();
                if (1..=8).all(|one| one == 3 || settled.iter().any(|it| it.sequence == one)) {
                    break;
                }
                assert!(began.elapsed() < PATIENCE, "{reply:?}: {} are settled", settled.len());
            }
            assert_eq!(way.dead(), [0; 0]);
        });
    }
}

#[test]
fn where_every_batch_has_a_reading_that_fails_the_others_are_stored_still() {
    let api = Arc::new(Api::start(|_, readings| {
        if has_bad(readings) { Reply::Say(said(500, "")) } else { Reply::Judge }
    }));
    on_a_worker(async {
        let way = Way::before(&api, "batch = { readings = 10, age = \"60m\" }");
        // At another place in each batch, also as the first and as the last.
        let is_bad = |one: &u32| one % 11 == 1;
        way.push_all((1..=100).map(|one| if is_bad(&one) { bad(one) } else { reading(one) })).await;
        let others: Vec<_> = (1..=100).filter(|one| !is_bad(one)).collect();
        assert_eq!(way.settled(others.len()).await, others);
        assert_eq!(way.dead(), [0; 0]);
    });
}

#[test]
fn while_nothing_is_stored_only_one_batch_parts_at_a_time() {
    let api = Arc::new(Api::start(|_, _| Reply::Say(said(500, ""))));
    on_a_worker(async {
        let settings = "batch = { readings = 64, age = \"60m\" }\n\
            retry = { share = 0.0, per_second = 0, backoff = \"1ms\", max_backoff = \"20s\" }";
        let way = Way::before(&api, settings);
        way.push_all((1..=1_280).map(reading)).await;
        sleep(Duration::from_secs(1)).await;
        // Its pauses grow all the while, so that it takes longer each time.
        let halved = way.counted(|stats| &stats.delivery.batches_halved);
        assert!((1..=4).contains(&halved), "{halved} times");
    });
}

#[test]
fn requests_that_hang_again_and_again_leave_slots_to_others() {
    let seen = Arc::new(AtomicU64::new(0));
    let asked = Arc::clone(&seen);
    let api = Arc::new(Api::start(move |_, readings| {
        if !has_bad(readings) {
            return Reply::Judge;
        }
        asked.fetch_add(1, Ordering::Relaxed);
        Reply::Silence
    }));
    on_a_worker(async {
        let settings = "upstream.response = \"1s\"\nbatch = { readings = 1, in_flight = 2 }\n\
            retry = { share = 0.0, per_second = 0, backoff = \"1ms\", max_backoff = \"1ms\" }";
        let way = Way::before(&api, settings);
        way.push_all((1..=3).map(bad)).await;
        // Each of them, and then two tries again.
        while seen.load(Ordering::Relaxed) < 5 {
            sleep(Duration::from_millis(1)).await;
        }
        let began = Instant::now();
        for sequence in 4..=9 {
            way.push(reading(sequence)).await;
            way.settled(sequence as usize - 3).await;
        }
        // Each would wait for one of two tries that take a second.
        assert!(began.elapsed() < Duration::from_millis(2_500), "after {:?}", began.elapsed());
    });
}

#[test]
fn readings_that_always_fail_delay_no_others() {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let asked = Arc::clone(&seen);
    let api = Arc::new(Api::start(move |_, readings| {
        asked.lock().unwrap().extend(readings.iter().map(|reading| key(reading).2));
        if has_bad(readings) { Reply::Say(said(500, "")) } else { Reply::Judge }
    }));
    on_a_worker(async {
        let settings = "retry.backoff = \"1ms\"\nretry.max_backoff = \"1s\"\nbatch.age = \"1ms\"";
        let way = Way::before(&api, settings);
        // As many new batches as there may be requests fail, and nothing else is under way.
        for sequence in 1..=5 {
            way.push(bad(sequence)).await;
            while !seen.lock().unwrap().contains(&u64::from(sequence)) {
                sleep(Duration::from_millis(1)).await;
            }
        }
        let began = Instant::now();
        way.push(reading(6)).await;
        assert_eq!(way.settled(1).await, [6]);
        assert!(began.elapsed() < Duration::from_secs(2), "after {:?}", began.elapsed());
        // In one batch with one that fails.
        way.push_all((7..=50).map(|one| if one == 23 { bad(one) } else { reading(one) })).await;
        for sequence in 51.. {
            // Others are stored meanwhile, so it is not the API.
            way.push(reading(sequence)).await;
            sleep(Duration::from_millis(10)).await;
            let settled = way.sender.settled.borrow();
            if (7..=50).all(|one| one == 23 || settled.iter().any(|it| it.sequence == one)) {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{} are settled", settled.len());
        }
        assert_eq!(way.dead(), [0; 0]);
    });
}

#[test]
fn an_api_that_asks_for_a_pause_is_asked_nothing_meanwhile() {
    let busy = "HTTP/1.1 503 Busy\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";
    let api =
        Arc::new(Api::start(
            move |number, _| {
                if number == 0 { Reply::Say(busy.to_owned()) } else { Reply::Judge }
            },
        ));
    on_a_worker(async {
        let settings = "batch.readings = 1\nretry = { backoff = \"1ms\", max_backoff = \"5s\" }";
        let way = Way::before(&api, settings);
        way.push(reading(1)).await;
        while way.counted(|stats| &stats.delivery.batches_retried) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        let began = Instant::now();
        way.push_all((2..=20).map(reading)).await;
        sleep(Duration::from_millis(500)).await;
        assert_eq!(api.requests().len(), 1);
        way.settled(20).await;
        assert!(began.elapsed() > Duration::from_millis(900));
    });
}

/// An answer that asks for a pause of so many seconds.
fn busy(seconds: u32) -> Reply {
    Reply::Say(format!("HTTP/1.1 503 Busy\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n"))
}

#[test]
fn an_endpoint_that_asks_for_a_pause_keeps_nothing_from_the_others() {
    let well = Arc::new(Api::well());
    let others = [Api::start(|_, _| busy(20)), Api::start(|_, _| busy(20))];
    let stored = Arc::clone(&well);
    on_a_worker(async {
        let addresses = [others[0].address, well.address, others[1].address];
        let settings = "batch = { readings = 1, in_flight = 1 }\n\
            retry = { backoff = \"1ms\", max_backoff = \"20s\" }";
        let way = Way::start(&addresses, settings, move |key| stored.has(key));
        let began = Instant::now();
        way.push_all((1..=100).map(reading)).await;
        way.settled(100).await;
        assert!(began.elapsed() < Duration::from_secs(10), "after {:?}", began.elapsed());
    });
    // Neither has answered with anything else, so each seems to be the quickest.
    let asked = others.each_ref().map(|other| other.requests().len());
    assert_eq!(asked, [1, 1]);
}

#[test]
fn when_all_endpoints_ask_for_a_pause_the_first_that_ends_does() {
    let patient = |seconds| {
        Arc::new(Api::start(
            move |number, _| if number == 0 { busy(seconds) } else { Reply::Judge },
        ))
    };
    let (soon, late) = (patient(1), patient(20));
    let stored = Arc::clone(&soon);
    on_a_worker(async {
        let addresses = [late.address, soon.address];
        let settings = "batch = { readings = 1, in_flight = 1 }\n\
            retry = { backoff = \"1ms\", max_backoff = \"20s\" }";
        let way = Way::start(&addresses, settings, move |key| stored.has(key));
        let began = Instant::now();
        way.push_all((1..=20).map(reading)).await;
        way.settled(20).await;
        let took = began.elapsed();
        assert!((1.0..10.0).contains(&took.as_secs_f64()), "after {took:?}");
    });
    assert_eq!((late.requests().len(), soon.requests().len()), (1, 21));
}

#[test]
fn a_drain_waits_for_no_batch_to_fill() {
    let api = Arc::new(Api::well());
    on_a_worker(async {
        let way = Way::before(&api, "batch.age = \"60m\"");
        way.push_all((1..=3).map(reading)).await;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(api.requests(), [0; 0]);
        way.switch.turn_to(Phase::Closing(PATIENCE));
        way.settled(3).await;
    });
}

#[test]
fn after_a_batch_that_was_too_large_others_are_not() {
    let api = Arc::new(Api::start(|_, readings| {
        if readings.len() > 6 { Reply::Say(said(413, "")) } else { Reply::Judge }
    }));
    on_a_worker(async {
        let way = Way::before(&api, "batch = { readings = 20, age = \"20ms\", in_flight = 1 }");
        way.push_all((1..=200).map(reading)).await;
        way.settled(200).await;
        // 20 to 10 and each of these to 5, while one more of 10 was sent: not the ten batches of 20 that there
        // would be.
        let halved = way.counted(|stats| &stats.delivery.batches_halved);
        assert!((3..=6).contains(&halved), "{halved} times");
        // They are as large again after a while, however long.
        tokio::time::pause();
        tokio::time::advance(Duration::from_hours(100)).await;
        tokio::time::resume();
        way.push_all((201..=220).map(reading)).await;
        way.settled(220).await;
        assert!(way.counted(|stats| &stats.delivery.batches_halved) > halved);
    });
}

#[test]
fn a_single_reading_that_is_too_large_is_not_sent_again_at_once() {
    let api = Arc::new(Api::start(|_, _| Reply::Say(said(413, ""))));
    on_a_worker(async {
        let way = Way::before(&api, "retry.backoff = \"1ms\"\nretry.max_backoff = \"20s\"");
        way.push(reading(1)).await;
        sleep(Duration::from_secs(1)).await;
    });
    assert_eq!(api.requests(), [1]);
}

#[test]
fn dead_letters_that_wait_keep_no_good_reading_out() {
    let api = Arc::new(Api::well());
    on_a_worker(async {
        let way = Way::before(&api, "limits.queued_readings = 10\ndead_letter.bytes = 100");
        way.push_all((1..=1_030).map(|one| Reading { measured_at: 0, ..reading(one) })).await;
        // Of those 1 024 wait, and the others are to come again.
        way.forgotten(6).await;
        let mut forgotten: Vec<_> =
            way.sender.forgotten.borrow().iter().map(|reading| reading.sequence).collect();
        forgotten.sort_unstable();
        assert_eq!(forgotten, (1_025..=1_030).collect::<Vec<_>>());
        // It is known by now that the file is full.
        let began = Instant::now();
        way.push(Reading { measured_at: 0, ..reading(1_031) }).await;
        assert_eq!(way.sender.forgotten.borrow().len(), 7, "after {:?}", began.elapsed());
        way.push_all((2_001..=2_100).map(reading)).await;
        assert_eq!(way.settled(100).await, (2_001..=2_100).collect::<Vec<_>>());
    });
}

#[test]
fn more_dead_letters_than_may_wait_at_once_are_kept_where_the_disk_is_well() {
    let api = Arc::new(Api::well());
    on_a_worker(async {
        // The file is read once only, when all are in it.
        let way = Way::start(&[api.address], "", |_| true);
        way.push_all((1..=1_100).map(|one| Reading { measured_at: 0, ..reading(one) })).await;
        assert_eq!(way.settled(1_100).await, (1..=1_100).collect::<Vec<_>>());
        assert_eq!(way.dead(), (1..=1_100).collect::<Vec<_>>());
        assert_eq!(*way.sender.forgotten.borrow(), []);
    });
}

/// What an API may do with its first requests.
fn replies() -> impl Strategy<Value = Vec<Reply>> {
    let say = |status| Reply::Say(said(status, ""));
    let named = r##"{"errors":[{"pointer":"#/readings/0"},{"pointer":"#/readings/999"}]}"##;
    prop::collection::vec(
        select(vec![
            Reply::Judge,
            Reply::JudgeInSilence,
            Reply::Refuse(422, true),
            Reply::Refuse(409, false),
            Reply::Close,
            Reply::Reset,
            Reply::Say("rubbish\r\n\r\n".to_owned()),
            Reply::Say(said(422, named)),
            Reply::Say(said(422, "<html>")),
            say(200),
            say(404),
            say(413),
            say(429),
            say(500),
        ]),
        0..30,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_reading_is_settled_once_and_when_it_is_durable(
        replies in replies(),
        bad_ones in prop::collection::btree_set(1..=40_u32, 0..4),
        most in 1..12_usize,
        in_flight in 1..4_usize,
    ) {
        // What this API has answered with 2xx it has stored, whatever it did to come to it.
        let said_stored = Arc::new(Mutex::new(BTreeSet::new()));
        let stored = Arc::clone(&said_stored);
        let api = Arc::new(Api::start(move |number, readings| {
            let reply = replies.get(number).cloned().unwrap_or(Reply::Refuse(422, true));
            if matches!(&reply, Reply::Say(text) if text.starts_with("HTTP/1.1 200 Status")) {
                stored.lock().unwrap().extend(readings.iter().map(key));
            }
            reply
        }));
        let of = Arc::clone(&api);
        let has = move |key: &Key| of.has(key) || said_stored.lock().unwrap().contains(key);
        on_a_worker(async {
            let settings = format!(
                "batch = {{ readings = {most}, age = \"1ms\", in_flight = {in_flight} }}\n\
                retry.max_backoff = \"5ms\"\nretry.backoff = \"1ms\""
            );
            let way = Way::start(&[api.address], &settings, has);
            for sequence in 1..=40 {
                let is_bad = bad_ones.contains(&sequence);
                way.push(if is_bad { bad(sequence) } else { reading(sequence) }).await;
            }
            assert_eq!(way.settled(40).await, (1..=40).collect::<Vec<_>>());
            assert_eq!(way.stats.delivery.readings_queued.load(Ordering::Relaxed), 0);
        });
        assert_eq!(api.violations(), [""; 0]);
    }
}
