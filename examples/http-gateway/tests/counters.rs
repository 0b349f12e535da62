//! What is counted of requests.

mod support;

use support::{OK, Reply, Upstream, get, metric, start};

#[test]
fn requests_are_counted_by_route_and_endpoint() {
    let upstream = Upstream::start(|request| match request.path() {
        "/web/cut" => Reply::Close(String::new()),
        _ => Reply::Keep(OK.to_owned()),
    });
    let address = upstream.address;
    let route = |host: &str, prefix: &str| {
        format!("[[route]]\n{host}path_prefix = \"{prefix}\"\ncluster = \"web\"\n")
    };
    let routes = [route("", "/web"), route("host = \"test\"\n", "/api")].concat();
    let service = start(&format!("{routes}[cluster.web]\nendpoints = [\"{address}\"]\n"));
    for (path, times) in [("/web", 3), ("/api/a", 2), ("/nothing", 1), ("/web/cut", 1)] {
        (0..times).for_each(|_| drop(get(service.address, path)));
    }
    for (route, status, count) in
        [("/web", 200, 3), ("/web", 502, 1), ("test/api", 200, 2), ("none", 404, 1)]
    {
        let series = format!("requests_total{{route=\"{route}\",status=\"{status}\"}}");
        assert_eq!(metric(&service, &series), count, "{series}");
    }
    let durations = "request_duration_seconds_count{route=\"/web\"}";
    assert_eq!(metric(&service, durations), 4);
    let of = |name: &str, more: &str| {
        metric(
            &service,
            &format!("upstream_{name}{{cluster=\"web\",endpoint=\"{address}\"{more}}}"),
        )
    };
    // One that came to nothing was sent twice: over the connection that there was, and over a new one.
    assert_eq!((of("requests_total", ""), of("answers_total", "")), (7, 5));
    let lost = of("failures_total", ",cause=\"connection_lost\"");
    let incomplete = of("failures_total", ",cause=\"answer_incomplete\"");
    assert_eq!((lost, incomplete), (1, 1));
    assert_eq!(of("connects_total", ""), upstream.connections() as u64);
    assert_eq!((of("up", ""), of("ejected", ""), of("in_flight", "")), (1, 0, 0));
}
