//! The file of dead letters: on the disk before anybody is told, never above its bound, and nothing lost of it.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use support::api::{Api, Reply};
use support::delivery::dead_letter::DeadLetters;
use support::device::{Device, frame};
use support::{PATIENCE, Stats, block_on, config, forwarding, metric, run, until};

/// Where nothing is yet.
fn path(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dead-{name}.jsonl"));
    let _ = fs::remove_file(&path);
    path
}

struct Letters {
    letters: DeadLetters,
    stats: Arc<Stats>,
}

impl Letters {
    fn start(path: &Path, bytes: u64) -> Self {
        let mut settings = config("").dead_letter;
        path.clone_into(&mut settings.path);
        settings.bytes = bytes;
        let stats = Arc::<Stats>::default();
        let letters = DeadLetters::start(&settings, &[Arc::clone(&stats)]).unwrap();
        Self { letters, stats }
    }

    /// Whether a line is kept within this time.
    async fn keeps(&self, line: &str, time: Duration) -> bool {
        timeout(time, self.letters.keep(format!("{line}\n"))).await.is_ok()
    }

    fn is_full(&self) -> bool {
        self.stats.delivery.dead_letter_full.load(Ordering::Relaxed) == 1
    }

    fn bytes(&self) -> i64 {
        self.stats.delivery.dead_letter_bytes.load(Ordering::Relaxed)
    }
}

const SHORTLY: Duration = Duration::from_millis(300);

#[test]
fn letters_are_appended_to_what_is_there_and_a_torn_line_is_ended() {
    let path = path("torn");
    fs::write(&path, "whole\nto").unwrap();
    let letters = Letters::start(&path, 1_000);
    assert_eq!(letters.bytes(), 9);
    block_on(async {
        for line in ["one", "two"] {
            assert!(letters.keeps(line, PATIENCE).await);
        }
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), "whole\nto\none\ntwo\n");
    assert_eq!(letters.bytes(), 17);
}

#[test]
fn many_who_wait_are_all_told() {
    let path = path("many");
    let letters = Letters::start(&path, 1 << 20);
    block_on(async {
        let mut all = JoinSet::new();
        for number in 0..2_000 {
            let letters = letters.letters.clone();
            all.spawn(async move { letters.keep(format!("{number}\n")).await });
        }
        timeout(PATIENCE, all.join_all()).await.unwrap();
    });
    let text = fs::read_to_string(&path).unwrap();
    let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..2_000).collect::<Vec<_>>());
}

#[test]
fn at_its_bound_nobody_is_told_until_the_file_is_moved_away() {
    let (path, moved) = (path("bound"), path("moved"));
    let letters = Letters::start(&path, 10);
    block_on(async {
        assert!(letters.keeps("123456", PATIENCE).await);
        assert!(!letters.keeps("three", SHORTLY).await, "there is no room for six bytes more");
        assert!(letters.is_full());
        assert_eq!(letters.bytes(), 7);
        let waiting = letters.letters.clone();
        let (kept, ()) =
            tokio::join!(timeout(PATIENCE, waiting.keep("later\n".to_owned())), async {
                fs::rename(&path, &moved).unwrap();
            });
        kept.unwrap();
    });
    assert!(!letters.is_full());
    assert_eq!(fs::read_to_string(&moved).unwrap(), "123456\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "later\n");
}

#[test]
fn a_file_that_is_moved_away_while_it_is_written_is_not_begun_again_without_a_pause() {
    let (path, aside) = (path("hurried"), path("hurried-away"));
    let letters = Letters::start(&path, 1_000);
    let (from, is_over) = (path.clone(), Arc::new(AtomicBool::new(false)));
    let ends = Arc::clone(&is_over);
    // How often there was a file to move.
    let mover = std::thread::spawn(move || {
        let mut count = 0;
        while !ends.load(Ordering::Relaxed) {
            count += u32::from(fs::rename(&from, &aside).is_ok());
        }
        count
    });
    let began = Instant::now();
    block_on(letters.keeps("hurried", SHORTLY));
    is_over.store(true, Ordering::Relaxed);
    let (count, took) = (mover.join().unwrap(), began.elapsed());
    // That of the start, one without a pause, and one after each pause of 50 ms or more.
    let most = 2 + took.as_millis() / 50;
    assert!(u128::from(count) <= most, "{count} times in {took:?}");
}

#[test]
fn what_fits_is_kept_though_what_follows_does_not() {
    let path = path("fits");
    let letters = Letters::start(&path, 10);
    block_on(async {
        assert!(!letters.keeps("too long to be kept", SHORTLY).await);
        assert!(letters.keeps("fits", PATIENCE).await, "whoever waited in vain has gone");
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), "fits\n");
}

#[test]
fn on_a_full_disk_nobody_is_told_until_there_is_room() {
    let path = path("full");
    symlink("/dev/full", &path).unwrap();
    let letters = Letters::start(&path, 1_000);
    block_on(async {
        assert!(!letters.keeps("lost", SHORTLY).await);
        assert!(letters.is_full());
        fs::remove_file(&path).unwrap();
        assert!(letters.keeps("kept", PATIENCE).await);
    });
    assert!(!letters.is_full());
    assert_eq!(fs::read_to_string(&path).unwrap(), "kept\n");
}

#[test]
fn a_second_process_waits_until_the_first_has_gone() {
    let path = path("shared");
    let first = Letters::start(&path, 1_000);
    let second = Letters::start(&path, 1_000);
    block_on(async {
        assert!(first.keeps("first", PATIENCE).await);
        assert!(!second.keeps("early", SHORTLY).await);
        drop(first);
        assert!(second.keeps("second", PATIENCE).await);
    });
    assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n");
}

#[test]
fn a_path_that_can_not_be_opened_is_told_at_the_start() {
    let mut settings = config("").dead_letter;
    settings.path = "/nowhere/letters.jsonl".into();
    let error = DeadLetters::start(&settings, &[]).err().unwrap();
    let text = error.to_string();
    assert!(text.starts_with("dead_letter.path /nowhere/letters.jsonl: "), "{text}");
}

#[test]
fn a_refused_reading_is_not_acknowledged_while_the_disk_is_full_and_others_are() {
    let path = path("device");
    symlink("/dev/full", &path).unwrap();
    let api = Api::start(|_, _| Reply::Refuse(422, true));
    let mut settings = config(&forwarding(&[api.address], ""));
    settings.dead_letter.path.clone_from(&path);
    let service = run(settings, false).unwrap();
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    let send = |device: &mut Device, sequence: u32, value: i32| {
        let body = [&[0; 8][..], &value.to_le_bytes(), &1_u32.to_le_bytes()].concat();
        device.send(&frame(1, 0x02, 42, epoch, sequence, &body));
    };
    send(&mut device, 1, 1);
    send(&mut device, 2, -1);
    send(&mut device, 3, 1);
    until(|| api.count() == 2 && metric(&service, "dead_letter_full") == 1);
    // The third is durable, but the device holds the second still.
    assert_eq!(device.acknowledged(epoch), 1);
    assert!(device.is_quiet(SHORTLY));
    fs::remove_file(&path).unwrap();
    assert_eq!(device.acknowledged(epoch), 3);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1);
    assert_eq!(metric(&service, "dead_letter_full"), 0);
    assert_eq!(metric(&service, "readings_refused_total"), 1);
    assert_eq!(api.violations(), [""; 0]);
}
