//! Active checks, on the thread of the admin listener: endpoints of clusters with a `health_path` are
//! asked again and again whether they are well.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::Health;
use crate::settings::Current;
use crate::upstream::member::Member;

/// Checks whatever the settings in force say.
pub async fn watch(current: Arc<Current>) {
    loop {
        let settings = Arc::clone(&current.load());
        // Dropped when the settings change, and every check of it with it.
        let mut checks = JoinSet::new();
        for (name, cluster) in &settings.config.clusters {
            for member in settings.members.get(name).into_iter().flatten().map(Arc::clone) {
                let Some(path) = cluster.health_path.clone() else {
                    member.unchecked();
                    continue;
                };
                let config = Arc::clone(&settings.config);
                checks.spawn_local(async move {
                    let is_well = async || is_well(&member.address, &path, &config.name).await;
                    check(&member, &config.health, is_well).await;
                });
            }
        }
        current.changed().await;
    }
}

/// Checks one endpoint for ever. No answer in time is none.
async fn check(member: &Member, settings: &Health, is_well: impl AsyncFn() -> bool) {
    let mut due = interval(settings.interval);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let passed = timeout(settings.timeout, is_well()).await.unwrap_or(false);
        if member.checked(passed, settings) {
            let endpoint = &*member.address;
            if passed {
                tracing::info!(endpoint, "endpoint up: its checks pass again");
            } else {
                tracing::warn!(endpoint, "endpoint down: its checks fail");
            }
        }
    }
}

/// Whether an endpoint answers 2xx, over a connection of its own: one that can't be made is a finding.
async fn is_well(address: &str, path: &str, own_name: &str) -> bool {
    let Ok(stream) = TcpStream::connect(address).await else {
        return false;
    };
    let Ok((mut sender, connection)) = http1::handshake(TokioIo::new(stream)).await else {
        return false;
    };
    spawn_local(connection);
    let request = Request::get(path)
        .header(HOST, address)
        .header(USER_AGENT, own_name)
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new());
    let Ok(request) = request else {
        return false;
    };
    sender.send_request(request).await.is_ok_and(|answer| answer.status().is_success())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use tokio::time::{Instant, sleep, sleep_until};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_goes_down_after_three_checks_and_up_after_two() {
        let (member, settings) =
            (Member::new("a:1", 1), crate::config::Config::parse("").unwrap().health);
        let began = Instant::now();
        let asked = RefCell::new(Vec::new());
        let is_well = async || {
            let second = began.elapsed().as_secs();
            asked.borrow_mut().push(second);
            // Well at first, then dead, then too slow, then well again.
            match second {
                0..15 | 60.. => true,
                15..45 => false,
                _ => {
                    sleep(Duration::from_mins(1)).await;
                    true
                }
            }
        };
        let look = async {
            for (second, down) in [(1, false), (39, false), (41, true), (69, true), (71, false)] {
                sleep_until(began + Duration::from_secs(second)).await;
                assert_eq!(member.is_down(), down, "after {second} s");
            }
        };
        tokio::select! {
            () = check(&member, &settings, is_well) => {}
            () = look => {}
        }
        assert_eq!(*asked.borrow(), [0, 10, 20, 30, 40, 50, 60, 70]);
    }
}
