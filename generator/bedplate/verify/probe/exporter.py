"""What an exporter promises: each scrape has its answer in time, and tells what came of asking the target."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from bedplate.verify.probe.devices import LATEST_SECONDS, Target, faults, pages
from bedplate.verify.probe.drain import CLIENTS, SlowRequest, Times, try_drain
from bedplate.verify.probe.hostile import Limits, try_hostile
from bedplate.verify.probe.lifecycle import try_bad_configuration, try_start
from bedplate.verify.probe.metrics import Samples, parse, total
from bedplate.verify.probe.platform import Instance, Platform, readiness
from bedplate.verify.probe.signals import try_signals
from bedplate.verify.probe.tracing import Traced, Tracing, try_tracing
from bedplate.verify.probe.trial import Trials, expect, expect_same, wait_until
from bedplate.verify.probe.wire import render, request

READY_MS: Final = 50
MANY: Final = 10_000
"""Devices; the bound that is its default as well."""
CPU_MS: Final = 250
MEMORY_MIB: Final = 60
"""What a scrape of so many may cost."""
_SCRAPES: Final = 6
_GIVEN: Final = 2.0
"""Seconds that Prometheus waits, as it says itself."""
_WEB: Final = "/config/web.yml"
# The hash is one of the tests of Prometheus' exporter-toolkit, of "fakepassword".
_USERS: Final = b"basic_auth_users:\n  probe: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n"
_KNOWN: Final = ("Authorization", "Basic cHJvYmU6ZmFrZXBhc3N3b3Jk")
_LEVEL: Final = render("PUT", "/log-level", body=b"INFO")
_METRICS: Final = render("GET", "/metrics")


_SCRAPED: Final = """
cat >prometheus.yml <<END
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: probe
    static_configs:
      - targets: ["$1"]
END
prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:9091 2>log &
for attempt in $(seq 150); do
  curl --silent --get --data-urlencode "query=$2" http://127.0.0.1:9091/api/v1/query >answer
  grep '"value"' answer && exit
  sleep 0.2
done
cat answer log
exit 1
"""
"""Has Prometheus scrape the address $1 until there is an answer to the query $2."""
_QUERY: Final = (
    'NAME_up == 1 and on (instance) up{job="probe"} == 1'
    " and on (instance) count by (instance) (NAME_device_readings_total) == 3"
)


@dataclass(frozen=True)
class Exporter:
    """What the project is called, how its metrics begin, and whether it traces."""

    name: str
    prefix: str
    tracing: bool


def try_exporter(
    trials: Trials, platform: Platform, times: Times, exporter: Exporter, tester: str | None
) -> None:
    """All that is promised. `tester` is an image with Prometheus, promtool and curl."""
    labels = platform.client.images.get(platform.image).labels
    if not try_start(trials, platform, labels, READY_MS):
        trials.skip("everything else", "the service never became ready")
        return
    wrong = {"ADMIN_ADDR": "nowhere", "TARGET_URL": "nowhere"}
    try_bad_configuration(trials, platform, tuple(wrong), environment=wrong)
    _try_demonstration(trials, platform, exporter, tester)
    _try_password(trials, platform, exporter)
    if platform.direct:
        _try_targets(trials, platform, exporter)
        _try_cost(trials, platform, exporter)
    else:
        trials.skip("exporter: targets of ours", "the engine runs elsewhere and can't reach this machine")
    if exporter.tracing:
        scrape = Traced("GET", "/metrics", "GET /metrics")
        try_tracing(trials, platform, exporter.name, Tracing((scrape,), line="scrape"))
    try_hostile(trials, platform, Limits(5, 16 << 10, frozenset({501, 503, 505}), (_METRICS, _LEVEL)))
    slow = SlowRequest(_LEVEL[:-2], _LEVEL[-2:], "PUT")
    many = {"MAX_SCRAPES": str(2 * CLIENTS)}
    try_drain(trials, platform, times, (_METRICS, render("GET", "/livez")), slow, environment=many)
    hurried = {"environment": {"DRAIN_DELAY": "0s", "DRAIN_TIMEOUT": "1s"}}
    try_signals(trials, platform, times, slow, hurried)


def scrape(instance: Instance) -> Samples:
    """What Prometheus would be told; raises `Unmet` when that takes longer than it waits."""
    begun = time.monotonic()
    header = ("X-Prometheus-Scrape-Timeout-Seconds", f"{_GIVEN:g}")
    answer = request(instance.admin, "GET", "/metrics", [header])
    took = time.monotonic() - begun
    expect_same("status of /metrics", 200, answer.status)
    expect(took < _GIVEN, f"expected an answer within {_GIVEN:g} s, it took {took:.2f} s")
    return parse(answer.body.decode())


@contextmanager
def _exporting(platform: Platform, target: Target) -> Iterator[Instance]:
    with platform.start(environment={"TARGET_URL": target.url}) as instance:
        instance.wait_until_ready()
        yield instance


def _try_demonstration(trials: Trials, platform: Platform, exporter: Exporter, tester: str | None) -> None:
    with trials.part("exporter: it runs with nothing"), platform.start() as instance:
        instance.wait_until_ready()
        with trials.check("exporter: without a target it exposes a demonstration"):
            samples = scrape(instance)
            seen = [total(samples, f"{exporter.prefix}_{name}") for name in ("up", "devices")]
            expect_same("up and devices", [1, 3], seen)
        if tester is None:
            why = "the image of linters comes with a checkout of the template, which is not here"
            trials.skip("exporter: what Prometheus makes of it", why)
            return
        address = f"{platform.inside(instance)}:{platform.ports.admin}"
        with trials.check("exporter: promtool finds nothing wrong with its metrics"):
            linting = f"curl --silent --fail http://{address}/metrics | promtool check metrics"
            code, said = platform.beside(tester, ["sh", "-c", linting], directory="/", within=30)
            expect(code == 0 and not said.strip(), f"expected nothing, got {code}: {said}")
        with trials.check("exporter: Prometheus scrapes it"):
            scraping = ["sh", "-c", _SCRAPED, "sh", address, _QUERY.replace("NAME", exporter.prefix)]
            code, said = platform.beside(tester, scraping, directory="/opt", within=60)
            expect(code == 0, f"expected an answer with a value, got {code}: {said}")


def _try_password(trials: Trials, platform: Platform, exporter: Exporter) -> None:
    with (
        trials.check("exporter: with a web configuration file it asks for a password, and is healthy"),
        platform.start(environment={"WEB_CONFIG_FILE": _WEB}, files={_WEB: _USERS}) as instance,
    ):
        wait_until("an answer", lambda: readiness(instance.admin) is not None, 15, 0.01)
        statuses = [
            request(instance.admin, "GET", "/metrics", headers).status
            for headers in ([], [("Authorization", "Basic cHJvYmU6bm8=")], [_KNOWN])
        ]
        expect_same("statuses without, with a wrong and with the right password", [401, 401, 200], statuses)
        code, _ = instance.container.exec_run([f"/{exporter.name}", "healthcheck"])
        expect_same("exit code of healthcheck", 0, code)
    with (
        trials.check("start: a web configuration that can't be read ends it with exit code 78"),
        platform.start(environment={"WEB_CONFIG_FILE": _WEB}, files={_WEB: b"users: {}"}) as instance,
    ):
        expect_same("exit code", 78, instance.exit_code(10))


def _try_targets(trials: Trials, platform: Platform, exporter: Exporter) -> None:
    elsewhere, target = (Target(platform.gateway, pages(2)) for _ in range(2))
    gone = target.url
    with (
        elsewhere,
        target,
        trials.part("exporter: it serves"),
        _exporting(platform, target) as instance,
    ):
        with trials.check("exporter: what the target says is exposed"):
            _expect_two(scrape(instance), exporter.prefix)
        for name, behaviour in faults(elsewhere.url).items():
            with trials.check(f"exporter: a target that {name} makes up 0, in time"):
                target.behaviour = behaviour
                _expect_down(scrape(instance), exporter.prefix)
        with trials.check("exporter: a redirect is not followed"):
            expect_same("requests elsewhere", 0, elsewhere.asked)
        with trials.check("exporter: it lives on, and shows a target that has recovered"):
            target.behaviour = pages(2)
            _expect_two(scrape(instance), exporter.prefix)
            expect(instance.is_running(), f"expected it to run; log:\n{instance.last_words()}")
    with (
        trials.check("exporter: a target that is down makes up 0, in time"),
        platform.start(environment={"TARGET_URL": gone}) as instance,
    ):
        instance.wait_until_ready()
        _expect_down(scrape(instance), exporter.prefix)


def _expect_down(samples: Samples, prefix: str) -> None:
    expect((f"{prefix}_up", frozenset()) in samples, "expected up to be there, it is not")
    expect_same("up", 0, total(samples, f"{prefix}_up"))
    kept = [name for name, _ in samples if name.startswith(f"{prefix}_device")]
    expect(not kept, f"expected no devices, got {kept[:3]}")


def _expect_two(samples: Samples, prefix: str) -> None:
    expected = {
        (f"{prefix}_up", ""): 1.0,
        (f"{prefix}_devices", ""): 2.0,
        (f"{prefix}_devices_truncated", ""): 0.0,
        (f"{prefix}_device_readings_total", "00000000"): 1.0,
        (f"{prefix}_device_readings_total", "00000001"): 2.0,
        (f"{prefix}_device_last_seen_timestamp_seconds", "00000000"): LATEST_SECONDS,
    }
    for (name, device), value in expected.items():
        labels = {"device": device} if device else {}
        expect_same(f"{name} {device}", value, total(samples, name, **labels))


def _try_cost(trials: Trials, platform: Platform, exporter: Exporter) -> None:
    with Target(platform.gateway, pages(MANY)) as target, _exporting(platform, target) as instance:
        with trials.check(f"exporter: a scrape of {MANY} devices costs what it may"):
            busy, held = [], []
            for _ in range(_SCRAPES):
                samples = scrape(instance)
                expect_same("devices", MANY, total(samples, f"{exporter.prefix}_devices"))
                busy.append(total(samples, "process_cpu_seconds_total"))
                held.append(total(samples, "process_resident_memory_bytes") / (1 << 20))
            cost = 1000 * (busy[-1] - busy[0]) / (_SCRAPES - 1)
            trials.figure(f"CPU of a scrape of {MANY} devices", round(cost), "ms", CPU_MS)
            trials.figure(f"memory at scrapes of {MANY} devices", round(max(held), 1), "MiB", MEMORY_MIB)
        with trials.check(f"exporter: of a target without an end, {MANY} devices are exposed"):
            target.behaviour = pages(None)
            samples = scrape(instance)
            seen = [total(samples, f"{exporter.prefix}_{name}") for name in ("devices", "devices_truncated")]
            expect_same("devices, and whether they are truncated", [MANY, 1], seen)
