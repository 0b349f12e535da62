"""One contender in one round: how fast it starts, what a request costs it, how much memory it has."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from programs import OURS, Program

CONNECTIONS = 64
TICKS = os.sysconf("SC_CLK_TCK")
CORES = sorted(os.sched_getaffinity(0))
SERVER, LOAD = CORES[: max(1, len(CORES) // 2)], CORES[len(CORES) // 2 :]


@dataclass(frozen=True)
class Round:
    """What one contender did in one round. CPU in microseconds a request, memory in MiB, start in ms."""

    start: float
    idle: float
    get_rate: float
    get_cpu: float
    post_rate: float
    post_cpu: float
    memory: float


def measured(program: Program, load: Path, place: Path, seconds: float) -> Round:
    """Start a contender, ask it for one device, then send it batches of ten readings."""
    port, other = free_port(), free_port()
    began = time.perf_counter()
    with serving(program, port, other) as process:
        first_answer(port)
        start = (time.perf_counter() - began) * 1000
        body = place / "batch.json"
        body.write_text(json.dumps({"readings": [reading(number) for number in range(1, 11)]}))
        post(port, body.read_bytes())
        idle = memory(process.pid)
        base = f"http://127.0.0.1:{port}"
        batch = ("-m", "POST", "-H", "Content-Type: application/json", "-f", str(body), f"{base}/v1/readings")
        get_rate, get_cpu = loaded(process.pid, load, seconds, (f"{base}/v1/devices/0000002a",))
        post_rate, post_cpu = loaded(process.pid, load, seconds, batch)
        return Round(start, idle, get_rate, get_cpu, post_rate, post_cpu, memory(process.pid))


@contextmanager
def serving(program: Program, port: int, other: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run a contender on its half of the processors, its log thrown away."""
    arguments = [f"127.0.0.1:{port}", str(other)]
    if program.name == OURS:
        arguments = ["-http-addr", arguments[0], "-admin-addr", f"127.0.0.1:{other}", "-drain-delay", "0s"]
    command = [*on(SERVER), program.binary, *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()


def loaded(pid: int, load: Path, seconds: float, request: tuple[str, ...]) -> tuple[float, float]:
    """Requests a second, and the server's CPU microseconds for each; a second of warming up comes before."""
    shot(load, 1, request)
    before = cpu_seconds(pid)
    result = shot(load, seconds, request)
    requests = result["req2xx"]
    wrong = {key: result[key] for key in ("req1xx", "req3xx", "req4xx", "req5xx", "others") if result[key]}
    if wrong:
        sys.exit(f"answers that are none: {wrong}")
    return requests / result["timeTakenSeconds"], (cpu_seconds(pid) - before) / requests * 1e6


def shot(load: Path, seconds: float, request: tuple[str, ...]) -> dict[str, float]:
    """Keep all connections busy for some seconds."""
    options = ("-c", str(CONNECTIONS), "-d", f"{seconds:g}s", "-o", "json", "-p", "r")
    command = [*on(LOAD), load, *options, *request]
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    result: dict[str, float] = json.loads(out)["result"]
    return result


def on(cores: list[int]) -> tuple[str, ...]:
    """What a command begins with to stay on these processors."""
    return ("taskset", "--cpu-list", ",".join(map(str, cores)))


def reading(number: int) -> dict[str, object]:
    """One reading of the batch that is sent."""
    return {
        "device": "0000002a",
        "epoch": 1795000000123,
        "sequence": number,
        "measured_at": "2026-11-18T11:06:41.250Z",
        "value": 21.875,
    }


def post(port: int, body: bytes) -> None:
    """Send a batch, which has to be taken."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("POST", "/v1/readings", body, {"Content-Type": "application/json"})
    status = connection.getresponse().status
    if status != http.client.OK:
        sys.exit(f"a batch was answered with {status}")


def first_answer(port: int) -> None:
    """Wait until the contender answers, whatever it says."""
    for _ in range(5000):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/v1/devices/none")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.001)
        else:
            return
    sys.exit("a contender does not answer")


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, from fields 14 and 15 of proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> float:
    """Resident memory in MiB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if "VmRSS" in line)
    return int(line.split()[1]) / 1024
