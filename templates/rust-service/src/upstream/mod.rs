//! Clusters, their endpoints, and which of them the next request goes to. Each worker has its own.

pub mod budget;
pub mod chance;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use self::chance::Chance;
use crate::config::{Balance, Cluster as Settings, Outlier};
use crate::pool::Pool;

/// After this time a measured latency counts for 1/e.
const DECAY: Duration = Duration::from_secs(10);

pub struct Cluster {
    pub endpoints: Vec<Rc<Endpoint>>,
    balance: Balance,
    chance: Chance,
    turn: Cell<usize>,
}

pub struct Endpoint {
    pub address: Arc<str>,
    pub pool: Pool,
    in_flight: Cell<usize>,
    /// Seconds, and when they were measured last.
    latency: Cell<Option<(f64, Instant)>>,
    health: Cell<Health>,
}

#[derive(Clone, Copy, Default)]
struct Health {
    failures: u32,
    ejections: u32,
    until: Option<Instant>,
}

/// Why there is nowhere to go.
#[derive(Debug, PartialEq)]
pub enum Nowhere {
    Unhealthy,
    Full,
}

impl Cluster {
    pub fn new(settings: &Settings, seed: u64) -> Self {
        let endpoints = settings.endpoints.iter().map(|text| Rc::new(Endpoint::new(text)));
        Self {
            endpoints: endpoints.collect(),
            balance: settings.balance,
            chance: Chance::new(seed),
            turn: Cell::default(),
        }
    }

    /// The endpoint for the next try; another than `tried` where there is one.
    pub fn pick(&self, tried: Option<&Rc<Endpoint>>, most: usize) -> Result<Rc<Endpoint>, Nowhere> {
        let now = Instant::now();
        let is_other =
            |endpoint: &Rc<Endpoint>| tried.is_none_or(|tried| !Rc::ptr_eq(tried, endpoint));
        let mut candidates: Vec<_> = self.endpoints.iter().collect();
        candidates.retain(|endpoint| !endpoint.is_ejected(now));
        if candidates.is_empty() {
            return Err(Nowhere::Unhealthy);
        }
        candidates.retain(|endpoint| endpoint.in_flight.get() < most);
        if candidates.iter().any(|endpoint| is_other(endpoint)) {
            candidates.retain(|endpoint| is_other(endpoint));
        }
        self.choose(&candidates, now).cloned().ok_or(Nowhere::Full)
    }

    fn choose<'a>(
        &self,
        candidates: &[&'a Rc<Endpoint>],
        now: Instant,
    ) -> Option<&'a Rc<Endpoint>> {
        let count = candidates.len();
        let at = |index: usize| candidates.get(index % count.max(1)).copied();
        match self.balance {
            Balance::RoundRobin => {
                let turn = self.turn.get();
                self.turn.set(turn.wrapping_add(1));
                at(turn)
            }
            Balance::LeastRequest => {
                let load = |endpoint: &&&Rc<Endpoint>| endpoint.in_flight.get();
                candidates.iter().min_by_key(load).copied()
            }
            Balance::P2cEwma => {
                let first = self.chance.below(count);
                let second = first + 1 + self.chance.below(count.saturating_sub(1));
                let (first, second) = (at(first)?, at(second)?);
                Some(if second.cost(now) < first.cost(now) { second } else { first })
            }
        }
    }

    /// One more failure of an endpoint; true when it is left alone from now on.
    pub fn failed(&self, endpoint: &Endpoint, settings: &Outlier) -> bool {
        let now = Instant::now();
        let mut health = endpoint.health.get();
        health.failures = health.failures.saturating_add(1);
        let ejected = self.endpoints.iter().filter(|endpoint| endpoint.is_ejected(now)).count();
        let eject = health.failures >= settings.failures
            && !endpoint.is_ejected(now)
            && 2 * (ejected + 1) <= self.endpoints.len();
        if eject {
            let factor = 1_u32.checked_shl(health.ejections).unwrap_or(u32::MAX);
            let pause = settings.ejection.saturating_mul(factor).min(settings.max_ejection);
            health.until = now.checked_add(pause);
            health.ejections = health.ejections.saturating_add(1);
            health.failures = 0;
        }
        endpoint.health.set(health);
        eject
    }
}

impl Endpoint {
    fn new(address: &str) -> Self {
        Self {
            address: address.into(),
            pool: Pool::default(),
            in_flight: Cell::default(),
            latency: Cell::default(),
            health: Cell::default(),
        }
    }

    fn is_ejected(&self, now: Instant) -> bool {
        self.health.get().until.is_some_and(|until| now < until)
    }

    /// What waiting here would come to. One that has not answered yet is worth a try.
    fn cost(&self, now: Instant) -> f64 {
        let latency = self.latency.get().map_or(0.0, |(seconds, at)| {
            let age = now.duration_since(at).as_secs_f64();
            seconds * (-age / DECAY.as_secs_f64()).exp()
        });
        #[expect(clippy::cast_precision_loss, reason = "requests under way are far below 2^52")]
        let queue = (self.in_flight.get() + 1) as f64;
        latency.max(1e-6) * queue
    }

    /// It answered after `took`.
    pub fn answered(&self, took: Duration) {
        let now = Instant::now();
        let seconds = took.as_secs_f64();
        let average = match self.latency.get() {
            Some((old, at)) if old > seconds => {
                let age = now.duration_since(at).as_secs_f64();
                let weight = (-age / DECAY.as_secs_f64()).exp();
                old * weight + seconds * (1.0 - weight)
            }
            // A peak counts at once.
            _ => seconds,
        };
        self.latency.set(Some((average, now)));
        // Each answer makes up for one ejection.
        let ejections = self.health.get().ejections.saturating_sub(1);
        self.health.set(Health { ejections, ..Health::default() });
    }
}

/// Counts a request at an endpoint for as long as it lives.
pub struct Slot(Rc<Endpoint>);

impl Slot {
    pub fn new(endpoint: Rc<Endpoint>) -> Self {
        endpoint.in_flight.update(|count| count + 1);
        Self(endpoint)
    }

    pub fn endpoint(&self) -> &Rc<Endpoint> {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.in_flight.update(|count| count.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(count: usize, balance: Balance) -> Cluster {
        let endpoints = (0..count).map(|index| format!("127.0.0.1:{index}")).collect();
        Cluster::new(&Settings { endpoints, balance }, 7)
    }

    fn outlier() -> Outlier {
        crate::config::Config::parse("").unwrap().outlier
    }

    fn picks(cluster: &Cluster, times: usize) -> Vec<String> {
        let pick = || cluster.pick(None, 1_024).unwrap().address.to_string();
        std::iter::repeat_with(pick).take(times).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn round_robin_goes_around() {
        let around = picks(&cluster(3, Balance::RoundRobin), 4);
        assert_eq!(around, ["127.0.0.1:0", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:0"]);
    }

    #[tokio::test(start_paused = true)]
    async fn least_request_avoids_the_busy_one() {
        let cluster = cluster(2, Balance::LeastRequest);
        let _busy = Slot::new(Rc::clone(&cluster.endpoints[0]));
        assert_eq!(picks(&cluster, 3), ["127.0.0.1:1"; 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_endpoint_gets_less() {
        let cluster = cluster(3, Balance::P2cEwma);
        for (endpoint, millis) in cluster.endpoints.iter().zip([1, 100, 1]) {
            endpoint.answered(Duration::from_millis(millis));
        }
        let slow = picks(&cluster, 300).iter().filter(|address| address.ends_with(":1")).count();
        assert!(slow < 50, "{slow} of 300");
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_try_goes_elsewhere() {
        for balance in [Balance::P2cEwma, Balance::LeastRequest, Balance::RoundRobin] {
            let cluster = cluster(2, balance);
            let first = cluster.pick(None, 1).unwrap();
            let second = cluster.pick(Some(&first), 1).unwrap();
            assert_ne!(first.address, second.address);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_only_endpoint_is_tried_again() {
        let cluster = cluster(1, Balance::P2cEwma);
        let first = cluster.pick(None, 1).unwrap();
        assert!(cluster.pick(Some(&first), 1).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_cluster_has_no_room() {
        let cluster = cluster(1, Balance::P2cEwma);
        let _only = Slot::new(cluster.pick(None, 1).unwrap());
        assert_eq!(cluster.pick(None, 1).err(), Some(Nowhere::Full));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_endpoint_is_ejected_and_comes_back_later_each_time() {
        let cluster = cluster(2, Balance::RoundRobin);
        let dead = Rc::clone(&cluster.endpoints[0]);
        for pause in [30, 60, 120, 240, 300, 300] {
            let ejected: Vec<_> = (0..5).map(|_| cluster.failed(&dead, &outlier())).collect();
            assert_eq!(ejected, [false, false, false, false, true]);
            tokio::time::advance(Duration::from_secs(pause - 1)).await;
            assert_eq!(picks(&cluster, 3), ["127.0.0.1:1"; 3], "after {pause} s");
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(picks(&cluster, 3).contains(&dead.address.to_string()), "after {pause} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn never_more_than_half_is_ejected() {
        let cluster = cluster(3, Balance::RoundRobin);
        for endpoint in &cluster.endpoints {
            (0..10).for_each(|_| _ = cluster.failed(endpoint, &outlier()));
        }
        assert!(picks(&cluster, 4).contains(&"127.0.0.1:1".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_makes_failures_forgotten() {
        let cluster = cluster(2, Balance::RoundRobin);
        let endpoint = &cluster.endpoints[0];
        for _ in 0..3 {
            (0..4).for_each(|_| assert!(!cluster.failed(endpoint, &outlier())));
            endpoint.answered(Duration::from_millis(1));
        }
    }
}
