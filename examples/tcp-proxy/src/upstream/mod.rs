//! Clusters, their endpoints, and which of them the next connection goes to. Each worker has its own.

pub mod budget;
pub mod chance;
pub mod clock;
pub mod member;
pub mod report;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::chance::Chance;
use self::clock::Clock;
use self::member::{Member, Record};
use crate::config::{Balance, Cluster as Config, Outlier};
use crate::settings::Settings;

pub struct Cluster {
    pub endpoints: Vec<Rc<Endpoint>>,
    balance: Balance,
    chance: Chance,
    turn: Cell<usize>,
    clock: Clock,
    /// How many may be ejected.
    most_ejected: usize,
    /// With fewer than these available, all are used.
    least_available: usize,
}

/// A worker's way to an endpoint.
pub struct Endpoint {
    pub member: Arc<Member>,
    pub record: Arc<Record>,
}

/// Why there is nowhere to go.
#[derive(Debug, PartialEq)]
pub enum Nowhere {
    Unhealthy,
    Full,
}

impl Cluster {
    /// What the worker of this number needs for the cluster of this name.
    pub fn new(name: &str, config: &Config, settings: &Settings, worker: usize, seed: u64) -> Self {
        let members = settings.members.get(name).into_iter().flatten();
        let endpoints: Vec<_> =
            members.filter_map(|member| Endpoint::new(member, worker)).map(Rc::new).collect();
        let Outlier { max_ejected, panic_threshold, .. } = settings.config.outlier;
        let count = u32::try_from(endpoints.len()).unwrap_or(u32::MAX);
        let share = |share: f64| share * f64::from(count);
        let (most, least) = (share(max_ejected), share(panic_threshold));
        Self {
            balance: config.balance,
            chance: Chance::new(seed),
            turn: Cell::default(),
            clock: settings.clock,
            most_ejected: (1..=count).filter(|number| f64::from(*number) <= most).count(),
            least_available: (0..count).filter(|number| f64::from(*number) < least).count(),
            endpoints,
        }
    }

    /// The endpoint for the next try; another than `tried` where there is one.
    pub fn pick(&self, tried: Option<&Rc<Endpoint>>, most: usize) -> Result<Rc<Endpoint>, Nowhere> {
        let now = self.clock.now();
        let is_other =
            |endpoint: &Rc<Endpoint>| tried.is_none_or(|tried| !Rc::ptr_eq(tried, endpoint));
        let mut candidates: Vec<_> = self.endpoints.iter().collect();
        candidates.retain(|endpoint| endpoint.is_available(now));
        if candidates.len() < self.least_available {
            // So many at once are hardly unwell: what is wrong is how they are seen from here.
            candidates = self.endpoints.iter().collect();
        }
        if candidates.is_empty() {
            return Err(Nowhere::Unhealthy);
        }
        candidates.retain(|endpoint| endpoint.record.in_flight() < most);
        if candidates.iter().any(|endpoint| is_other(endpoint)) {
            candidates.retain(|endpoint| is_other(endpoint));
        }
        self.choose(&candidates, now).cloned().ok_or(Nowhere::Full)
    }

    fn choose<'a>(&self, candidates: &[&'a Rc<Endpoint>], now: u64) -> Option<&'a Rc<Endpoint>> {
        let count = candidates.len();
        let at = |index: usize| candidates.get(index % count.max(1)).copied();
        match self.balance {
            Balance::RoundRobin => {
                let turn = self.turn.get();
                self.turn.set(turn.wrapping_add(1));
                at(turn)
            }
            Balance::LeastRequest => {
                let load = |endpoint: &&&Rc<Endpoint>| endpoint.record.in_flight();
                candidates.iter().min_by_key(load).copied()
            }
            Balance::P2cEwma => {
                let first = self.chance.below(count);
                let second = first + 1 + self.chance.below(count.saturating_sub(1));
                let (first, second) = (at(first)?, at(second)?);
                Some(if second.record.cost(now) < first.record.cost(now) { second } else { first })
            }
        }
    }

    /// One more failure of an endpoint, after `took`. It is left alone when there were too many; true when
    /// that is new.
    pub fn failed(
        &self,
        endpoint: &Endpoint,
        took: Duration,
        cause: &str,
        settings: &Outlier,
    ) -> bool {
        let now = self.clock.now();
        let too_often = endpoint.record.failed(now, took, settings);
        let is_ejected = |endpoint: &Endpoint| endpoint.record.is_ejected(now);
        let ejected = self.endpoints.iter().filter(|endpoint| is_ejected(endpoint)).count();
        let eject = too_often && !is_ejected(endpoint) && ejected < self.most_ejected;
        if eject {
            let seconds = endpoint.record.eject(now, settings).as_secs();
            tracing::warn!(endpoint = &**endpoint.address(), cause, seconds, "endpoint ejected");
        }
        eject
    }

    /// An endpoint answered after `took`.
    pub fn answered(&self, endpoint: &Endpoint, now: Instant, took: Duration) {
        endpoint.record.answered(self.clock.at(now), took);
    }
}

impl Endpoint {
    fn new(member: &Arc<Member>, worker: usize) -> Option<Self> {
        let record = Arc::clone(member.records.get(worker)?);
        Some(Self { member: Arc::clone(member), record })
    }

    pub fn address(&self) -> &Arc<str> {
        &self.member.address
    }

    fn is_available(&self, now: u64) -> bool {
        !self.member.is_down() && !self.record.is_ejected(now)
    }
}

/// Counts a connection at an endpoint for as long as it lives.
pub struct Slot(Rc<Endpoint>);

impl Slot {
    pub fn new(endpoint: Rc<Endpoint>) -> Self {
        endpoint.record.begin();
        Self(endpoint)
    }

    pub fn endpoint(&self) -> &Rc<Endpoint> {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.record.end();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    fn cluster_with(count: usize, balance: &str, outlier: &str) -> Cluster {
        let endpoints: Vec<_> = (0..count).map(|index| format!("127.0.0.1:{index}")).collect();
        let text = format!(
            "[outlier]\n{outlier}\n[cluster.all]\nendpoints = {endpoints:?}\nbalance = {balance:?}"
        );
        let settings = Settings::new(crate::config::Config::parse(&text).unwrap(), 1);
        Cluster::new("all", &settings.config.clusters["all"], &settings, 0, 7)
    }

    fn cluster(count: usize, balance: &str) -> Cluster {
        cluster_with(count, balance, "")
    }

    fn outlier() -> Outlier {
        crate::config::Config::parse("").unwrap().outlier
    }

    /// So many failures, and whether any of them ejected the endpoint.
    fn fail(cluster: &Cluster, index: usize, times: usize) -> bool {
        let endpoint = &cluster.endpoints[index];
        let ejects = |_: &usize| cluster.failed(endpoint, Duration::ZERO, "test", &outlier());
        (0..times).filter(ejects).count() > 0
    }

    fn turn_down(endpoint: &Endpoint) {
        let settings = crate::config::Config::parse("").unwrap().health;
        while !endpoint.member.checked(false, &settings) {}
    }

    /// The numbers of the endpoints that are picked.
    fn picks(cluster: &Cluster, times: usize) -> Vec<usize> {
        let pick = || cluster.pick(None, 1_024).unwrap();
        let number = |picked| cluster.endpoints.iter().position(|other| Rc::ptr_eq(&picked, other));
        std::iter::repeat_with(pick).take(times).filter_map(number).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn round_robin_goes_around() {
        let around = picks(&cluster(3, "round_robin"), 4);
        assert_eq!(around, [0, 1, 2, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn least_request_avoids_the_busy_one() {
        let cluster = cluster(2, "least_request");
        let _busy = Slot::new(Rc::clone(&cluster.endpoints[0]));
        assert_eq!(picks(&cluster, 3), [1; 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_endpoint_gets_less() {
        let cluster = cluster(3, "p2c_ewma");
        for (endpoint, millis) in cluster.endpoints.iter().zip([1, 100, 1]) {
            cluster.answered(endpoint, Instant::now(), Duration::from_millis(millis));
        }
        let slow = picks(&cluster, 300).iter().filter(|number| **number == 1).count();
        assert!(slow < 50, "{slow} of 300");
    }

    /// Of 100 requests in each of 60 seconds, how many go to one endpoint of three that never answers, while
    /// the others take a millisecond: it fails after this time, or the client gives up before.
    async fn asked_in_vain(patience: Duration, fails: bool) -> usize {
        let cluster = cluster_with(3, "p2c_ewma", "max_ejected = 0.0");
        let dead = &cluster.endpoints[0];
        let (mut waiting, mut asked) = (VecDeque::new(), 0);
        for _ in 0..6_000 {
            let now = Instant::now();
            while waiting.front().is_some_and(|(until, _)| *until <= now) {
                waiting.pop_front();
                if fails {
                    cluster.failed(dead, patience, "test", &outlier());
                } else {
                    dead.record.unanswered(cluster.clock.now(), patience);
                }
            }
            let picked = cluster.pick(None, 1_024).unwrap();
            if Rc::ptr_eq(&picked, dead) {
                asked += 1;
                waiting.push_back((now + patience, Slot::new(picked)));
            } else {
                cluster.answered(&picked, now, Duration::from_millis(1));
            }
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        asked
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_never_answers_is_hardly_asked() {
        for (millis, fails) in [(0, true), (1_000, true), (30_000, true), (2_000, false)] {
            let asked = asked_in_vain(Duration::from_millis(millis), fails).await;
            assert!(asked < 60, "{asked} of 6 000, after {millis} ms each");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_has_failed_gets_its_share_back() {
        let cluster = cluster(2, "p2c_ewma");
        fail(&cluster, 0, 1);
        cluster.answered(&cluster.endpoints[1], Instant::now(), Duration::from_millis(1));
        assert_eq!(picks(&cluster, 9), [1; 9]);
        tokio::time::advance(Duration::from_secs(100)).await;
        cluster.answered(&cluster.endpoints[1], Instant::now(), Duration::from_millis(1));
        assert_eq!(picks(&cluster, 9), [0; 9]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_try_goes_elsewhere() {
        for balance in ["p2c_ewma", "least_request", "round_robin"] {
            let cluster = cluster(2, balance);
            let first = cluster.pick(None, 1).unwrap();
            let second = cluster.pick(Some(&first), 1).unwrap();
            assert_ne!(first.address(), second.address());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_only_endpoint_is_tried_again() {
        let cluster = cluster(1, "p2c_ewma");
        let first = cluster.pick(None, 1).unwrap();
        assert!(cluster.pick(Some(&first), 1).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_endpoint_is_passed_over() {
        for balance in ["p2c_ewma", "least_request", "round_robin"] {
            let cluster = cluster(2, balance);
            let _full = Slot::new(Rc::clone(&cluster.endpoints[1]));
            let other =
                || cluster.pick(None, 1).is_ok_and(|it| Rc::ptr_eq(&it, &cluster.endpoints[0]));
            assert!((0..4).all(|_| other()), "{balance}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_cluster_has_no_room() {
        let cluster = cluster(1, "p2c_ewma");
        let _only = Slot::new(cluster.pick(None, 1).unwrap());
        assert_eq!(cluster.pick(None, 1).err(), Some(Nowhere::Full));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_endpoint_is_ejected_and_comes_back_later_each_time() {
        let cluster = cluster(2, "round_robin");
        assert!(!fail(&cluster, 0, 4), "too early");
        for pause in [30, 60, 120, 240, 300, 300] {
            assert!(fail(&cluster, 0, 1), "before {pause} s");
            tokio::time::advance(Duration::from_secs(pause - 1)).await;
            assert_eq!(picks(&cluster, 3), [1; 3], "after {pause} s");
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(picks(&cluster, 2).contains(&0), "after {pause} s");
        }
        cluster.answered(&cluster.endpoints[0], Instant::now(), Duration::from_millis(1));
        assert!(!fail(&cluster, 0, 4), "an answer makes failures forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_than_the_share_that_is_set_is_ejected() {
        for (share, count, most) in
            [(0.5, 3, 1), (0.5, 1, 0), (0.5, 4, 2), (0.2, 10, 2), (1.0, 3, 3)]
        {
            let cluster = cluster_with(count, "round_robin", &format!("max_ejected = {share}"));
            let ejected = (0..count).filter(|index| fail(&cluster, *index, 10)).count();
            assert_eq!(ejected, most, "{share} of {count}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_is_down_gets_nothing_until_too_many_are() {
        let cluster = cluster(4, "round_robin");
        turn_down(&cluster.endpoints[0]);
        assert!(!picks(&cluster, 8).contains(&0));
        assert!(fail(&cluster, 1, 5));
        assert!(picks(&cluster, 8).iter().all(|number| *number > 1));
        turn_down(&cluster.endpoints[2]);
        let mut all = picks(&cluster, 4);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_threshold_there_may_be_nowhere_to_go() {
        let cluster = cluster_with(2, "p2c_ewma", "max_ejected = 1.0\npanic_threshold = 0.0");
        turn_down(&cluster.endpoints[0]);
        assert_eq!(picks(&cluster, 4), [1; 4]);
        assert!(fail(&cluster, 1, 5));
        assert_eq!(cluster.pick(None, 1).err(), Some(Nowhere::Unhealthy));
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(picks(&cluster, 4), [1; 4]);
    }

    #[tokio::test(start_paused = true)]
    async fn over_two_hours_a_dead_endpoint_costs_little_and_gets_its_share_back() {
        let cluster = cluster(3, "round_robin");
        let began = cluster.clock.now();
        let mut got = [0, 0];
        // Ten a second; one endpoint of three is dead for the first hour.
        for _ in 0..2 * 3_600 * 10 {
            let hour = usize::from(cluster.clock.now() - began >= 3_600_000_000);
            let picked = cluster.pick(None, 1_024).unwrap();
            let is_first = Rc::ptr_eq(&picked, &cluster.endpoints[0]);
            got[hour] += usize::from(is_first);
            if is_first && hour == 0 {
                cluster.failed(&picked, Duration::ZERO, "test", &outlier());
            } else {
                cluster.answered(&picked, Instant::now(), Duration::from_millis(1));
            }
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        // Five failures, and one after 30, 60, 120 and 240 s and every 300 s of the 3 150 s that are left.
        assert_eq!(got[0], 5 + 4 + 10);
        // A third of all, but for those of the last pause of 300 s at most.
        assert!((11_000..=12_001).contains(&got[1]), "{} of 36 000", got[1]);
    }
}
