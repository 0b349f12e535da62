//! One request and its answer, from the head of the one to the end of the other.

use std::rc::Rc;

use http::StatusCode;
use tokio::time::Instant;

use super::line::{Entry, Line};
use super::route::{Route, Routes};
use super::{Client, Gateway};
use crate::stats::Gauge;

/// Counted and logged when it is dropped.
pub struct Served {
    pub gateway: Rc<Gateway>,
    pub client: Rc<Client>,
    pub routes: Rc<Routes>,
    pub route: Option<Rc<Route>>,
    pub entry: Entry,
    pub status: StatusCode,
    pub began: Instant,
    pub in_flight: Gauge,
}

impl Drop for Served {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let Gateway { stats, log, .. } = &*self.gateway;
        let answers = self.route.as_ref().map_or(&self.routes.unrouted, |route| &route.answers);
        answers.count(self.status, took);
        let (status, broken) = (self.status, self.client.exchange.is_broken());
        let line = || Line { entry: self.entry.clone(), status, broken, took };
        log.write(self.entry.is_error(status, broken), line, stats);
        self.client.exchange.end();
    }
}
