//! Whatever becomes of requests and endpoints, in whatever order: who is left alone, who is used, and how
//! often something may be tried again.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod cases;

use std::rc::Rc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestCaseResult;
use tokio::time::{Instant, advance};

use http_gateway::config::{Config, Outlier};
use http_gateway::settings::Settings;
use http_gateway::upstream::budget::Budget;
use http_gateway::upstream::{Cluster, Endpoint, Nowhere, Slot};

use cases::runner;

/// Of one endpoint at once.
const MOST_IN_FLIGHT: usize = 2;
const SETTINGS: &str = "
    outlier.failures = 2
    outlier.ejection = \"1s\"
    outlier.max_ejection = \"5s\"
";

/// Runs a case on a clock that goes on when it is told to.
fn on_own_clock(case: impl Future<Output = TestCaseResult>) -> TestCaseResult {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(case)
}

#[derive(Clone, Debug)]
enum Event {
    Comes,
    /// What is under way is answered, after so many milliseconds.
    IsAnswered(Index, u64),
    /// What is under way comes to nothing after so many milliseconds, and is tried at another endpoint.
    Fails(Index, u64),
    /// The checks of an endpoint turn it down, or up again.
    Turns(Index),
    /// So many milliseconds pass.
    Passes(u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Comes),
        1 => (any::<Index>(), 0..10_000_u64).prop_map(|(which, took)| Event::IsAnswered(which, took)),
        4 => (any::<Index>(), 0..10_000_u64).prop_map(|(which, took)| Event::Fails(which, took)),
        1 => any::<Index>().prop_map(Event::Turns),
        1 => (0..6_000_u64).prop_map(Event::Passes),
    ]
}

/// What follows from the settings and from what has happened, for one endpoint.
#[derive(Clone, Default)]
struct Known {
    down: bool,
    /// In a row.
    failures: u32,
    pauses: u32,
    /// In milliseconds since the beginning.
    alone_until: u64,
    under_way: usize,
}

struct World {
    cluster: Cluster,
    settings: Settings,
    known: Vec<Known>,
    under_way: Vec<(usize, Slot)>,
    now: u64,
}

impl World {
    fn new(endpoints: usize, balance: &str, max_ejected: f64, panic_threshold: f64) -> Self {
        let addresses: Vec<_> = (0..endpoints).map(|number| format!("a:{number}")).collect();
        let text = format!(
            "{SETTINGS}
            outlier.max_ejected = {max_ejected:?}
            outlier.panic_threshold = {panic_threshold:?}
            [cluster.all]
            endpoints = {addresses:?}
            balance = {balance:?}"
        );
        let settings = Settings::new(Config::parse(&text).unwrap(), 1);
        Self {
            cluster: Cluster::new("all", &settings.config.clusters["all"], &settings, 0, 7),
            settings,
            known: vec![Known::default(); endpoints],
            under_way: Vec::new(),
            now: 0,
        }
    }

    fn outlier(&self) -> &Outlier {
        &self.settings.config.outlier
    }

    fn is_alone(&self, endpoint: usize) -> bool {
        self.now < self.known[endpoint].alone_until
    }

    /// This part of all endpoints.
    fn part(&self, share: f64) -> f64 {
        share * f64::from(u32::try_from(self.known.len()).unwrap())
    }

    /// Those that may be used: who is well, or all where hardly anybody is.
    fn usable(&self) -> Vec<usize> {
        let all = 0..self.known.len();
        let is_well = |endpoint: &usize| !self.known[*endpoint].down && !self.is_alone(*endpoint);
        let well: Vec<_> = all.clone().filter(is_well).collect();
        let count = f64::from(u32::try_from(well.len()).unwrap());
        if count < self.part(self.outlier().panic_threshold) { all.collect() } else { well }
    }

    fn number(&self, endpoint: &Rc<Endpoint>) -> usize {
        self.cluster.endpoints.iter().position(|other| Rc::ptr_eq(other, endpoint)).unwrap()
    }

    fn pick(&mut self, tried: Option<&Rc<Endpoint>>) -> TestCaseResult {
        let picked = self.cluster.pick(tried, MOST_IN_FLIGHT);
        let mut usable = self.usable();
        let is_nobody_well = usable.is_empty();
        usable.retain(|endpoint| self.known[*endpoint].under_way < MOST_IN_FLIGHT);
        let tried = tried.map(|endpoint| self.number(endpoint));
        if usable.iter().any(|endpoint| Some(*endpoint) != tried) {
            usable.retain(|endpoint| Some(*endpoint) != tried);
        }
        match picked {
            Ok(endpoint) => {
                let number = self.number(&endpoint);
                prop_assert!(usable.contains(&number), "{number} is none of {usable:?}");
                self.known[number].under_way += 1;
                self.under_way.push((number, Slot::new(endpoint)));
            }
            Err(Nowhere::Unhealthy) => prop_assert!(is_nobody_well),
            Err(Nowhere::Full) => prop_assert!(usable.is_empty() && !is_nobody_well),
        }
        Ok(())
    }

    fn end(&mut self, which: Index) -> Option<(usize, Slot)> {
        (!self.under_way.is_empty()).then(|| {
            let (number, slot) = self.under_way.remove(which.index(self.under_way.len()));
            self.known[number].under_way -= 1;
            (number, slot)
        })
    }

    fn fail(&mut self, which: Index, took: Duration) -> TestCaseResult {
        let Some((number, slot)) = self.end(which) else {
            return Ok(());
        };
        let most = self.part(self.outlier().max_ejected);
        let alone = (0..self.known.len()).filter(|endpoint| self.is_alone(*endpoint));
        let alone = f64::from(u32::try_from(alone.count()).unwrap());
        let is_alone = self.is_alone(number);
        let (now, known) = (self.now, &mut self.known[number]);
        known.failures += 1;
        let expected = known.failures >= 2 && !is_alone && alone + 1.0 <= most;
        if expected {
            known.alone_until = now + (1_000 << known.pauses.min(3)).min(5_000);
            known.pauses += 1;
        }
        let outlier = &self.settings.config.outlier;
        prop_assert_eq!(self.cluster.failed(slot.endpoint(), took, "test", outlier), expected);
        let tried = Rc::clone(slot.endpoint());
        drop(slot);
        self.pick(Some(&tried))
    }

    fn is_answered(&mut self, which: Index, took: u64) {
        if let Some((number, slot)) = self.end(which) {
            let known = &mut self.known[number];
            (known.failures, known.alone_until) = (0, 0);
            known.pauses = known.pauses.saturating_sub(1);
            let took = Duration::from_millis(took);
            self.cluster.answered(slot.endpoint(), Instant::now(), took);
        }
    }

    fn turn(&mut self, which: Index) {
        let number = which.index(self.known.len());
        let known = &mut self.known[number];
        let member = &self.cluster.endpoints[number].member;
        while !member.checked(known.down, &self.settings.config.health) {}
        known.down = !known.down;
    }

    async fn happens(&mut self, event: Event) -> TestCaseResult {
        match event {
            Event::Comes => self.pick(None)?,
            Event::IsAnswered(which, took) => self.is_answered(which, took),
            Event::Fails(which, took) => self.fail(which, Duration::from_millis(took))?,
            Event::Turns(which) => self.turn(which),
            Event::Passes(millis) => {
                advance(Duration::from_millis(millis)).await;
                self.now += millis;
            }
        }
        self.holds()
    }

    /// What is shown of the endpoints is what is known of them.
    fn holds(&self) -> TestCaseResult {
        let now = self.settings.clock.now();
        for (number, (endpoint, known)) in
            self.cluster.endpoints.iter().zip(&self.known).enumerate()
        {
            prop_assert_eq!(endpoint.record.in_flight(), known.under_way);
            prop_assert_eq!(endpoint.member.is_down(), known.down);
            prop_assert_eq!(endpoint.record.is_ejected(now), self.is_alone(number));
            let cost = endpoint.record.cost(now);
            prop_assert!(cost.is_finite() && cost > 0.0, "a cost of {cost}");
        }
        Ok(())
    }
}

#[test]
fn who_is_well_is_used_and_who_fails_is_left_alone_as_long_and_as_often_as_is_set() {
    // Parts that a float has exactly.
    let share = || select(&[0.0, 0.25, 0.5, 0.75, 1.0][..]);
    let balance = select(&["p2c_ewma", "least_request", "round_robin"][..]);
    let cases = (1..=5_usize, balance, share(), share(), vec(event(), 0..200));
    let outcome = runner(256).run(&cases, |(endpoints, balance, most, threshold, events)| {
        on_own_clock(async {
            let mut world = World::new(endpoints, balance, most, threshold);
            for event in events {
                world.happens(event).await?;
            }
            Ok(())
        })
    });
    outcome.unwrap();
}

#[derive(Clone, Debug)]
enum Spending {
    /// So many requests come.
    Come(u32),
    Again,
    /// So many milliseconds pass.
    Passes(u32),
}

fn spending() -> impl Strategy<Value = Spending> {
    prop_oneof![
        1 => (0..30_u32).prop_map(Spending::Come),
        4 => Just(Spending::Again),
        1 => (0..3_000_u32).prop_map(Spending::Passes),
    ]
}

#[test]
fn retries_are_what_has_come_in_and_never_more_than_ten_seconds_bring() {
    let cases = (0..=20_u32, 0..=20_u32, 1..=4_u32, vec(spending(), 0..200));
    let outcome = runner(256).run(&cases, |(twentieths, per_second, workers, events)| {
        on_own_clock(async {
            let share = f64::from(twentieths) / 20.0;
            let settings = format!("retry = {{ share = {share:?}, per_second = {per_second} }}");
            let retry = Config::parse(&settings).unwrap().retry;
            let budget = Budget::new(&retry, workers as usize);
            // In this part of a retry each of them is whole.
            let one = 20_000 * workers;
            let most = 10 * (20_000 * per_second).max(one);
            let mut saved = 20_000 * per_second;
            for event in events {
                match event {
                    Spending::Come(count) => {
                        (0..count).for_each(|_| budget.deposit());
                        saved = most.min(saved + count * twentieths * 1_000 * workers);
                    }
                    Spending::Passes(millis) => {
                        advance(Duration::from_millis(millis.into())).await;
                        saved = most.min(saved + millis * 20 * per_second);
                    }
                    Spending::Again => {
                        let may = budget.withdraw();
                        // Where just one is left, floats may have lost a trace of it.
                        prop_assert!(may == (saved >= one) || saved == one, "{saved} of {one}");
                        saved -= if may { one } else { 0 };
                    }
                }
            }
            Ok(())
        })
    });
    outcome.unwrap();
}
