//! What is sent a second time, and what never is.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};

use support::{
    Client, OK, Reply, Upstream, ask, closed_port, get, metric, routed_to, start, start_before,
};

const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhello";

#[test]
fn an_endpoint_that_is_down_fails_no_request() {
    let upstream = Upstream::ok();
    let settings = "retry.per_second = 1000\noutlier.failures = 3\n";
    let routes = routed_to(&[closed_port(), upstream.address]);
    let service = start(&format!("{settings}{routes}balance = \"round_robin\"\n"));
    for _ in 0..50 {
        assert_eq!(get(service.address, "/").status, 200);
        assert_eq!(ask(service.address, POST).status, 200);
    }
    assert_eq!(metric(&service, "upstream_ejections_total"), 1);
    assert_eq!(metric(&service, "retries_total"), 3);
}

/// Answers the first request of each connection, then closes it without a word.
fn forgetful() -> Upstream {
    Upstream::start(|_| Reply::Close(OK.to_owned()))
}

#[test]
fn connections_that_were_closed_meanwhile_fail_no_request() {
    let upstream = forgetful();
    let service = start_before(&[&upstream], "retry.share = 0.0\nretry.per_second = 1000\n");
    let mut client = Client::connect(service.address);
    for _ in 0..200 {
        client.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
        assert_eq!(client.answer().unwrap().status, 200);
    }
}

/// Closes the connection instead of the first answer.
fn stumbling() -> Upstream {
    let count = AtomicUsize::new(0);
    Upstream::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::Close(String::new()),
        _ => Reply::Keep(OK.to_owned()),
    })
}

#[test]
fn a_request_that_changes_nothing_is_sent_again() {
    let upstream = stumbling();
    let service = start_before(&[&upstream], "");
    assert_eq!(get(service.address, "/").status, 200);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_request_that_may_have_changed_something_is_not() {
    for request in [POST, "PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhello"] {
        let upstream = stumbling();
        let service = start_before(&[&upstream], "");
        assert_eq!(ask(service.address, request).status, 502);
        assert_eq!(upstream.requests().len(), 1);
    }
}

#[test]
fn retries_end_where_their_budget_does() {
    let upstream = Upstream::start(|_| Reply::Close(String::new()));
    let settings = "retry = { share = 0.0, per_second = 0 }\noutlier.failures = 1000\n";
    let service = start_before(&[&upstream], settings);
    for _ in 0..5 {
        assert_eq!(get(service.address, "/").status, 502);
    }
    assert_eq!(upstream.requests().len(), 5);
}

#[test]
fn an_answer_that_is_late_is_not_asked_for_again() {
    let upstream = Upstream::start(|_| Reply::Silence);
    let service = start_before(&[&upstream], "upstream.response = \"200ms\"");
    assert_eq!(get(service.address, "/").status, 504);
    assert_eq!(upstream.requests().len(), 1);
}

/// How a try at an endpoint comes to nothing.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Refuses,
    TakesNobody,
    /// Closes a connection on which it has answered before.
    Forgets,
    HangsUp,
    Babbles,
    Sleeps,
}

/// Status, cause, whether a GET and a POST are tried again, and whether the endpoint is to blame.
type Row = (Fault, u16, &'static str, bool, bool, bool);

const ROWS: [Row; 6] = [
    (Fault::Refuses, 502, "connect_refused", true, true, true),
    (Fault::TakesNobody, 504, "connect_timeout", true, true, true),
    (Fault::Forgets, 502, "connection_lost", true, false, false),
    (Fault::HangsUp, 502, "answer_incomplete", true, false, true),
    (Fault::Babbles, 502, "answer_malformed", false, false, true),
    (Fault::Sleeps, 504, "answer_timeout", false, false, true),
];

/// Fails on the path `/`, and answers others.
fn with(fault: Fault) -> Upstream {
    Upstream::start(move |request| match (request.path(), fault) {
        ("/", Fault::Babbles) => Reply::Close("nonsense\r\n\r\n".to_owned()),
        ("/", Fault::Sleeps) => Reply::Silence,
        ("/", _) => Reply::Close(String::new()),
        _ => Reply::Keep(OK.to_owned()),
    })
}

#[test]
fn each_cause_is_tried_again_and_blamed_as_the_table_says() {
    let (crowded, _sockets) = support::crowded();
    for (fault, status, cause, get_again, post_again, blame) in ROWS {
        for (request, again) in [(GET, get_again), (POST, post_again)] {
            let (faulty, well) = (with(fault), Upstream::ok());
            let address = match fault {
                Fault::Refuses => closed_port(),
                Fault::TakesNobody => crowded,
                _ => faulty.address,
            };
            let settings =
                "upstream = { connect = \"500ms\", response = \"1s\" }\noutlier.failures = 1\n";
            let routes = routed_to(&[address, well.address]);
            let service = start(&format!("{settings}{routes}balance = \"round_robin\"\n"));
            if matches!(fault, Fault::Forgets) {
                // One for each endpoint, so that the next is for the first again.
                (0..2).for_each(|_| assert_eq!(get(service.address, "/warm").status, 200));
            }
            let expected = if again { 200 } else { status };
            assert_eq!(ask(service.address, request).status, expected, "{fault:?}: {request}");
            let of = |name: &str, more: &str| {
                let labels = format!("cluster=\"all\",endpoint=\"{address}\"{more}");
                metric(&service, &format!("upstream_{name}_total{{{labels}}}"))
            };
            let caused = format!(",cause=\"{cause}\"");
            assert_eq!(of("failures", &caused), 1, "{fault:?}: {request}");
            assert_eq!(of("ejections", ""), u64::from(blame), "{fault:?}: {request}");
            assert_eq!(metric(&service, "retries_total"), u64::from(again), "{fault:?}: {request}");
            let answered = format!("errors_total{{cause=\"{cause}\"}}");
            assert_eq!(metric(&service, &answered), u64::from(!again), "{fault:?}: {request}");
        }
    }
}
