//! What happens to a request on its way, over real sockets.

mod support;

use std::collections::BTreeSet;
use std::io::ErrorKind;

use support::{
    Client, OK, Reply, Service, Upstream, ask, closed_port, get, is_idle, metric, routed_to, start,
    start_before, until,
};

#[test]
fn without_routes_two_built_in_upstreams_answer() {
    let service = start("");
    let ports: BTreeSet<_> = (0..40)
        .filter_map(|_| get(service.address, "/").header("x-upstream")?.parse::<u16>().ok())
        .collect();
    assert_eq!(ports.len(), 2);
    let echo =
        ask(service.address, "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!((echo.status, echo.body.as_str()), (200, "hello"));
}

#[test]
fn connections_to_an_upstream_are_used_again() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    for _ in 0..10 {
        assert_eq!(get(service.address, "/").status, 200);
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (10, 1));
}

#[test]
fn what_is_for_one_hop_is_dropped_and_the_rest_passes() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    let request = "GET /a?b=c HTTP/1.1\r\nhost: test\r\nconnection: x-one\r\nconnection: x-two, close\r\n\
        x-one: 1\r\nx-two: 2\r\nx-three: 3\r\nte: trailers\r\nkeep-alive: timeout=5\r\n\
        proxy-authorization: Basic eA==\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n\
        traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n";
    assert_eq!(ask(service.address, request).status, 200);
    let received = upstream.requests().remove(0);
    let names: BTreeSet<_> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "host",
        "traceparent",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-request-id",
        "x-three",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    assert_eq!(received.line, "GET /a?b=c HTTP/1.1");
    assert!(received.header("via").is_some_and(|via| via.starts_with("1.1 ")));
}

#[test]
fn an_upstream_may_not_have_dropped_what_the_client_relies_on() {
    let upstream = Upstream::start(|_| {
        Reply::Keep(
            "HTTP/1.1 200 OK\r\nconnection: content-length\r\ncontent-length: 2\r\n\r\nok".into(),
        )
    });
    let service = start_before(&[&upstream], "");
    assert_eq!(get(service.address, "/").status, 502);
}

#[test]
fn fields_for_one_hop_of_an_answer_are_dropped() {
    let upstream = Upstream::start(|_| {
        let hop =
            "connection: x-one\r\nx-one: 1\r\nkeep-alive: timeout=5\r\nproxy-authenticate: Basic";
        Reply::Keep(format!("HTTP/1.1 200 OK\r\n{hop}\r\nx-two: 2\r\ncontent-length: 2\r\n\r\nok"))
    });
    let service = start_before(&[&upstream], "");
    let answer = get(service.address, "/");
    for name in ["connection", "x-one", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(answer.header("x-two"), Some("2"));
}

const CLAIMS: &str = "GET / HTTP/1.1\r\nhost: test\r\nx-forwarded-for: 192.0.2.1\r\n\
    x-forwarded-proto: https\r\nforwarded: for=192.0.2.1\r\nx-request-id: claimed\r\n\r\n";

#[test]
fn a_stranger_is_not_believed() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    ask(service.address, CLAIMS);
    let received = upstream.requests().remove(0);
    assert_eq!(received.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.header("x-forwarded-proto"), Some("http"));
    assert_eq!(received.header("forwarded"), None);
    assert_ne!(received.header("x-request-id"), Some("claimed"));
}

#[test]
fn a_trusted_proxy_is_believed() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "trusted_proxies = [\"127.0.0.0/8\"]");
    ask(service.address, CLAIMS);
    let received = upstream.requests().remove(0);
    assert_eq!(received.header("x-forwarded-for"), Some("192.0.2.1, 127.0.0.1"));
    assert_eq!(received.header("x-forwarded-proto"), Some("https"));
    assert_eq!(received.header("x-request-id"), Some("claimed"));
}

#[test]
fn an_id_that_is_none_is_replaced_and_the_trace_passes() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "trusted_proxies = [\"127.0.0.0/8\"]");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for id in ["two words", &"x".repeat(65), ""] {
        let fields = format!("x-request-id: {id}\r\ntraceparent: {trace}");
        ask(service.address, format!("GET / HTTP/1.1\r\nhost: test\r\n{fields}\r\n\r\n"));
        let received = upstream.requests().pop().unwrap();
        let own = received.header("x-request-id").unwrap_or_default();
        assert!(own.len() == 16 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{own}");
        assert_eq!(received.header("traceparent"), Some(trace));
    }
}

#[test]
fn host_is_kept_or_replaced_as_set() {
    let upstream = Upstream::ok();
    for (settings, host) in
        [("", "test".to_owned()), ("preserve_host = false", upstream.address.to_string())]
    {
        let service = start_before(&[&upstream], settings);
        get(service.address, "/");
        assert_eq!(
            upstream.requests().pop().and_then(|last| last.header("host").map(ToOwned::to_owned)),
            Some(host)
        );
    }
}

#[test]
fn an_absolute_target_is_forwarded_in_origin_form() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    let answer = ask(service.address, "GET http://test/a?b HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.requests()[0].line, "GET /a?b HTTP/1.1");
    let answer = ask(service.address, "OPTIONS * HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(answer.status, 200);
    assert_eq!(upstream.requests()[1].line, "OPTIONS * HTTP/1.1");
}

#[test]
fn a_body_without_a_length_passes_both_ways() {
    let upstream = Upstream::start(|request| {
        let body = String::from_utf8_lossy(&request.body);
        Reply::Close(format!("HTTP/1.0 200 OK\r\n\r\n{body}"))
    });
    let service = start_before(&[&upstream], "");
    let chunks = "4\r\nwide\r\n5;ext=1\r\n open\r\n0\r\nx-trailer: 1\r\n\r\n";
    let head = "/ HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n";
    for method in ["PUT", "GET"] {
        let answer = ask(service.address, format!("{method} {head}{chunks}"));
        assert_eq!((answer.status, answer.body.as_str()), (200, "wide open"));
        assert_eq!(upstream.requests().pop().unwrap().body, b"wide open");
    }
}

#[test]
fn a_client_that_expects_it_is_told_to_continue() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    client
        .send("POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 100);
    client.send("hello");
    assert_eq!(client.answer().unwrap().status, 200);
    assert_eq!(upstream.requests()[0].body, b"hello");
}

#[test]
fn nobody_is_told_to_continue_before_an_upstream_is_chosen() {
    let routes = routed_to(&[closed_port()]).replace("\"/\"", "\"/refused\"");
    let service = start(&routes);
    let expect = "HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    for (path, status) in [("/nothing", 404), ("/refused", 502)] {
        assert_eq!(ask(service.address, format!("POST {path} {expect}")).status, status);
    }
}

/// An upstream that misbehaves as the path says.
fn faulty() -> Upstream {
    Upstream::start(|request| {
        let text = match request.path() {
            "/cut" => "",
            "/garbage" => "nonsense\r\n\r\n",
            "/status" => "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n",
            "/lengths" => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!",
            "/both" => {
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n\
                5\r\nhello\r\n0\r\n\r\n"
            }
            "/coding" => "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
            "/switch" => {
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
            }
            "/hop" => {
                "HTTP/1.1 200 OK\r\nconnection: a,b,c,d,e,f,g,h,i\r\ncontent-length: 0\r\n\r\n"
            }
            "/short" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
            "/size" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n",
            "/chunk" => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
            "/head" => {
                let large = "x".repeat(65_536);
                return Reply::Close(format!("HTTP/1.1 200 OK\r\nx-large: {large}\r\n\r\n"));
            }
            "/many" => {
                let lines = "x-one: 1\r\n".repeat(101);
                return Reply::Close(format!(
                    "HTTP/1.1 200 OK\r\n{lines}content-length: 0\r\n\r\n"
                ));
            }
            _ => OK,
        };
        Reply::Close(text.to_owned())
    })
}

/// Checks an answer of the gateway's own, and that it was counted.
fn check_error(service: &Service, request: &str, (status, error, cause): (u16, &str, &str)) {
    let counter = format!("errors_total{{cause=\"{cause}\"}}");
    let before = metric(service, &counter);
    let answer = ask(service.address, request);
    assert_eq!(answer.status, status, "{request}");
    let told = answer.header("proxy-status").unwrap_or_default();
    assert!(told.starts_with(&format!("edge; error={error}")), "{request}: {told}");
    assert!(answer.header("x-request-id").is_some(), "{request}");
    assert!(answer.body.starts_with(&format!("{status} ")), "{request}");
    assert_eq!(metric(service, &counter), before + 1, "{request}");
}

#[test]
fn errors_are_answered_as_the_table_says() {
    let upstream = Upstream::ok();
    let elsewhere = "[[route]]\npath_prefix = \"/refused\"\ncluster = \"refused\"\n";
    let refused = format!("[cluster.refused]\nendpoints = [\"{}\"]\n", closed_port());
    let settings = "name = \"edge\"\nlimits.body_bytes = 100\n";
    let routes = routed_to(&[upstream.address]).replace("\"/\"", "\"/web\"");
    let service = start(&format!("{settings}{elsewhere}{refused}{routes}"));
    let large = format!("content-length: 101\r\n\r\n{}", "x".repeat(101));
    let chunks =
        format!("transfer-encoding: chunked\r\n\r\n65\r\n{}\r\n0\r\n\r\n", "x".repeat(101));
    for (line, rest, row) in [
        ("GET /web", "connection: host\r\n\r\n", (400, "http_request_error", "refused")),
        ("GET /nothing", "\r\n", (404, "destination_not_found", "no_route")),
        ("GET /web", "via: 1.0 a, 1.1 edge\r\n\r\n", (508, "proxy_loop_detected", "loop")),
        ("TRACE /web", "\r\n", (405, "http_request_error", "trace")),
        ("CONNECT test:443", "\r\n", (501, "http_request_error", "connect")),
        ("POST /web", large.as_str(), (413, "http_request_error", "body_too_large")),
        ("POST /web", chunks.as_str(), (413, "http_request_error", "body_too_large")),
        ("GET /refused", "\r\n", (502, "connection_refused", "connect_refused")),
    ] {
        check_error(&service, &format!("{line} HTTP/1.1\r\nhost: test\r\n{rest}"), row);
    }
    assert_eq!(metric(&service, "requests_total{route=\"none\",status=\"404\"}"), 1);
}

#[test]
fn a_refusal_reaches_a_client_that_sends_on_before_it_reads() {
    const LENGTH: usize = 16 << 20;
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "limits.body_bytes = 100");
    let head = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {LENGTH}\r\n\r\n");
    for (head, status) in [(head.as_str(), 413), ("POST /\r\n\r\n", 400)] {
        let mut client = Client::connect(service.address);
        client.send(head);
        client.send("x".repeat(LENGTH));
        assert_eq!(client.answer().unwrap().status, status);
    }
    until(|| is_idle(&service));
}

#[test]
fn a_body_that_its_client_breaks_off_is_an_error_of_the_client() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "outlier.failures = 1\noutlier.max_ejected = 1.0");
    let mut client = Client::connect(service.address);
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhe");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = client.rest();
    until(|| metric(&service, "errors_total{cause=\"body_incomplete\"}") == 1);
    assert_eq!(metric(&service, "upstream_ejections_total"), 0);
}

#[test]
fn what_an_upstream_does_wrong_is_answered_as_the_table_says() {
    let upstream = faulty();
    let service = start_before(&[&upstream], "name = \"edge\"\noutlier.failures = 100");
    let malformed = (502, "http_protocol_error", "answer_malformed");
    for (path, row) in [
        ("/both", malformed),
        ("/coding", malformed),
        ("/cut", (502, "http_response_incomplete", "answer_incomplete")),
        ("/garbage", malformed),
        ("/status", malformed),
        ("/lengths", malformed),
        ("/switch", malformed),
        ("/head", malformed),
        ("/many", malformed),
        ("/hop", malformed),
    ] {
        check_error(&service, &format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"), row);
    }
    // No body follows, so the parser does not look at its length.
    let mut client = Client::connect(service.address);
    client.send("HEAD /lengths HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    assert!(client.rest().unwrap().starts_with(b"HTTP/1.1 502 "));
}

#[test]
fn lengths_of_an_answer_that_agree_become_one() {
    let twice = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Upstream::start(move |_| Reply::Keep(twice.to_owned()));
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    let answer = String::from_utf8(client.rest().unwrap()).unwrap();
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    assert_eq!(answer.matches("content-length").count(), 1, "{answer}");
}

#[test]
fn what_follows_an_answer_is_no_answer_to_the_next_request() {
    let upstream = Upstream::start(|_| Reply::Keep(format!("{OK}HTTP/1.1 404 Not Found\r\n\r\n")));
    let service = start_before(&[&upstream], "");
    for connections in 1..5 {
        assert_eq!(get(service.address, "/").status, 200);
        assert_eq!(upstream.connections(), connections);
    }
}

#[test]
fn an_endpoint_is_blamed_for_an_answer_that_is_none_to_the_request() {
    let (wrong, right) = (
        Upstream::start(|_| {
            let change = "connection: upgrade\r\nupgrade: x";
            Reply::Close(format!("HTTP/1.1 101 Switching Protocols\r\n{change}\r\n\r\n"))
        }),
        Upstream::ok(),
    );
    let routes = routed_to(&[wrong.address, right.address]);
    let service = start(&format!("outlier.failures = 3\n{routes}balance = \"round_robin\"\n"));
    let failed = (0..100).filter(|_| get(service.address, "/").status == 502).count();
    assert_eq!((failed, metric(&service, "upstream_ejections_total")), (3, 1));
}

#[test]
fn an_answer_that_is_cut_short_ends_in_a_reset() {
    let upstream = faulty();
    let service = start_before(&[&upstream], "");
    for path in ["/short", "/chunk", "/size"] {
        let mut client = Client::connect(service.address);
        client.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n"));
        let error = client.rest().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{path}");
    }
}

#[test]
fn a_request_too_many_is_shed() {
    let upstream = Upstream::start(|request| match request.path() {
        "/held" => Reply::Silence,
        _ => Reply::Keep(OK.to_owned()),
    });
    let service = start_before(&[&upstream], "name = \"edge\"\nlimits.in_flight = 1");
    let mut held = Client::connect(service.address);
    held.send("GET /held HTTP/1.1\r\nhost: test\r\n\r\n");
    until(|| !upstream.requests().is_empty());
    let row = (503, "connection_limit_reached", "overloaded");
    check_error(&service, "GET / HTTP/1.1\r\nhost: test\r\n\r\n", row);
    assert_eq!(get(service.address, "/").header("retry-after"), Some("1"));
    drop(held);
}

#[test]
fn a_tunnel_counts_as_a_request() {
    let upstream = Upstream::start(|request| match request.path() {
        "/echo" => {
            let change = "connection: upgrade\r\nupgrade: echo";
            Reply::Echo(format!("HTTP/1.1 101 Switching Protocols\r\n{change}\r\n\r\n"))
        }
        _ => Reply::Keep(OK.to_owned()),
    });
    let service = start_before(&[&upstream], "limits.in_flight = 1");
    let mut client = Client::connect(service.address);
    client.send("GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 101);
    assert_eq!(get(service.address, "/").status, 503);
    drop(client);
    until(|| get(service.address, "/").status == 200);
}

#[test]
fn a_full_endpoint_gets_no_more() {
    let upstream = Upstream::start(|_| Reply::Silence);
    let service = start_before(&[&upstream], "upstream.max_in_flight = 1");
    let mut held = Client::connect(service.address);
    held.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    until(|| !upstream.requests().is_empty());
    assert_eq!(get(service.address, "/").status, 503);
}

#[test]
fn heads_over_the_limits_are_refused() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    let large = format!("x-large: {}\r\n", "x".repeat(20_000));
    let many = "x-one: 1\r\n".repeat(101);
    for lines in [large, many] {
        let answer = ask(service.address, format!("GET / HTTP/1.1\r\nhost: test\r\n{lines}\r\n"));
        assert_eq!(answer.status, 431);
    }
    assert!(upstream.requests().is_empty());
    until(|| metric(&service, "refused_by_parser_total") == 2);
}

#[test]
fn a_protocol_is_changed_only_when_both_sides_want_it() {
    let upstream = Upstream::start(|request| {
        let protocol = request.path().trim_start_matches('/');
        if protocol == "no" {
            return Reply::Keep(OK.to_owned());
        }
        let change = format!("connection: upgrade\r\nupgrade: {protocol}");
        Reply::Echo(format!("HTTP/1.1 101 Switching Protocols\r\n{change}\r\n\r\n"))
    });
    let service = start_before(&[&upstream], "");
    let wish = "HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n";
    let mut client = Client::connect(service.address);
    client.send(format!("GET /echo {wish}\r\n"));
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("echo")));
    client.send("hello");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest().unwrap(), b"hello");

    // Neither side of what was a tunnel is for another request.
    until(|| upstream.ended() == 1);
    let old = ask(service.address, format!("GET /no {}\r\n", wish.replace("1.1", "1.0")));
    assert_eq!((old.status, old.header("upgrade")), (200, None));
    assert_eq!(upstream.requests().pop().unwrap().header("upgrade"), None);

    let several = wish.replace("echo", "other, echo");
    let answer = ask(service.address, format!("GET /echo {several}\r\n"));
    assert_eq!((answer.status, answer.header("upgrade")), (101, Some("echo")));
    assert_eq!(ask(service.address, format!("GET /no {wish}\r\n")).status, 200);
    assert_eq!(ask(service.address, format!("GET /other {wish}\r\n")).status, 502);
    let plain = wish.replace("echo", "echo, h2c");
    assert_eq!(ask(service.address, format!("GET /no {plain}\r\n")).status, 200);
    assert_eq!(upstream.requests().pop().unwrap().header("upgrade"), None);
    let body = format!("POST /echo {wish}content-length: 5\r\n\r\nhello");
    assert_eq!(ask(service.address, body).status, 400);
}

#[test]
fn clients_that_go_away_leave_nothing_behind() {
    let upstream = Upstream::start(|_| Reply::Silence);
    let service = start_before(&[&upstream], "");
    for request in [
        "GET / HTTP/1.1\r\nhost: test\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nhe",
    ] {
        Client::connect(service.address).send(request);
    }
    until(|| {
        metric(&service, "connections_accepted_total") == 2
            && metric(&service, "connections") == 0
            && metric(&service, "in_flight") == 0
    });
}

#[test]
fn connections_over_the_limit_wait_for_their_turn() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "limits.connections = 1");
    let mut first = Client::connect(service.address);
    first.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    first.answer().unwrap();
    let mut second = Client::connect(service.address);
    second.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(metric(&service, "connections_accepted_total"), 1);
    drop(first);
    assert_eq!(second.answer().unwrap().status, 200);
}

#[test]
fn the_admin_listener_tells_and_is_told() {
    let service = start("name = \"edge\"");
    for path in ["/livez", "/readyz", "/metrics", "/upstreams", "/version", "/log-level", "/config"]
    {
        assert_eq!(get(service.admin, path).status, 200, "{path}");
    }
    assert!(get(service.admin, "/config").body.contains("\"edge\""));
    assert!(get(service.admin, "/metrics").body.ends_with("# EOF\n"));
    assert_eq!(get(service.admin, "/nothing").status, 404);
    let post = ask(service.admin, "POST /livez HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")));
    let level = "PUT /log-level HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nloud";
    assert_eq!(ask(service.admin, level).status, 400);
}
