"""What a node must not do: each defect breaks one promise of the contract, and the probe names that one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest
from bedplate.verify.probe import frames
from bedplate.verify.probe.chip import Chip, Memory
from bedplate.verify.probe.crashes import crashes, try_crashes
from bedplate.verify.probe.delivery import try_delivery
from bedplate.verify.probe.greeting import EPOCH, try_greeting
from bedplate.verify.probe.link import Malformed, try_link
from bedplate.verify.probe.node import Node
from bedplate.verify.probe.trial import Trials
from frail_images import told
from simulated_node import DEVICE, RAM, SimulatedNode

# All nodes live at the same time, in one process: most of the time they wait.
pytestmark = pytest.mark.xdist_group("nodes")

MALFORMED = [Malformed("noise", b"\x05\x01\x02"), Malformed("one byte", b"\x01")]
CHIP = Chip(Memory(0, 0x400000), Memory(RAM, 0x400000), flash_budget=3_584, bus_faults=True)
PATIENCE = 5.0
"""Seconds until what a defect keeps back is given up."""
GREETING = {
    "begins with a status": "greeting: the first frame",
    "answers once it is welcomed": "greeting: commands are answered",
    "takes a welcome of epoch 0": "greeting: a welcome of epoch 0",
    "takes a welcome for others": "greeting: a welcome of epoch 0",
    "says hello every second": "greeting: hello comes",
    "samples once it is welcomed": "greeting: readings taken before",
    "sends a wrong check": "all of it",
}
DELIVERY = {
    "takes any period": "delivery: a period can be set",
    "has a window of 17": "delivery: 16 readings are on the way",
    "sends nothing again": "delivery: 16 readings are on the way",
    "sends again too soon": "delivery: 16 readings are on the way",
    "changes what it sends again": "delivery: 16 readings are on the way",
    "takes acks of another epoch": "delivery: acknowledgements of another epoch",
    "takes acks of the future": "delivery: acknowledgements of another epoch",
    "frees one too few": "delivery: an acknowledgement moves",
    "takes each welcome": "delivery: only the first welcome counts",
    "forgets at stop": "delivery: after stop",
    "drops the newest": "delivery: above 64 readings",
    "does not count what it drops": "delivery: above 64 readings",
}
LINK = {
    "counts no bad blocks": "link: each of 2 malformed",
    "counts empty blocks": "link: empty blocks",
    "answers for others": "link: empty blocks",
    "loses bytes": "link: of 250 bursts",
    "reboots at noise": "link: 200 random streams",
}
CRASH = {
    "tells no cause": "crash: an undefined instruction",
    "tells no epitaph": "crash: an undefined instruction",
    "tells another pc": "crash: an undefined instruction",
    "tells no fault status": "crash: a division by zero",
    "notices an overflow late": "crash: a stack that overflows",
    "tells registers of a watchdog": "crash: a loop without end",
    "counts no boots": "crash: a division by zero",
    "tells the epitaph once": "crash: the epitaph follows each hello",
    "remembers the epitaph for ever": "crash: the welcome clears",
    "is cut off": "",  # by its resets, and that is no defect
}
BASELINE = {
    "": "crash: an undefined instruction",  # a fault status, from a core that has none
    "tells no fault status": "",
}


def greet(trials: Trials, simulated: SimulatedNode, link: Node) -> None:
    try_greeting(trials, link)


def deliver(trials: Trials, simulated: SimulatedNode, link: Node) -> None:
    try_greeting(Trials(), link)
    try_delivery(trials, link)


def disturb(trials: Trials, simulated: SimulatedNode, link: Node) -> None:
    link.command(frames.STOP)
    try_link(trials, link, MALFORMED)


def crash(trials: Trials, simulated: SimulatedNode, link: Node) -> None:
    link.expect(frames.HELLO)
    link.send(frames.WELCOME, epoch=EPOCH)
    try_crashes(trials, link, simulated.debugger, CHIP)


def crash_baseline(trials: Trials, simulated: SimulatedNode, link: Node) -> None:
    link.expect(frames.HELLO)
    link.send(frames.WELCOME, epoch=EPOCH)
    try_crashes(trials, link, simulated.debugger, replace(CHIP, mainline=False))


Part = Callable[[Trials, SimulatedNode, Node], None]
PARTS: list[tuple[Part, dict[str, str]]] = [
    (greet, GREETING),
    (deliver, DELIVERY),
    (disturb, LINK),
    (crash, CRASH),
    (crash_baseline, BASELINE),
]
CASES = [(part, defect, claim) for part, defects in PARTS for defect, claim in {"": "", **defects}.items()]


@pytest.fixture(scope="module")
def verdicts() -> Iterator[dict[tuple[Part, str], Future[dict[str, str]]]]:
    """What the probe says of each node, once it is through with it."""
    with ThreadPoolExecutor(8) as pool:
        yield {(part, defect): pool.submit(verdict, part, defect) for part, defect, _ in CASES}


def verdict(part: Part, defect: str) -> dict[str, str]:
    def probe(trials: Trials) -> None:
        with (
            trials.part("all of it"),
            SimulatedNode(defect) as simulated,
            Node(simulated.uart, DEVICE, PATIENCE) as link,
        ):
            part(trials, simulated, link)

    return told(probe)


@pytest.mark.parametrize(
    ("part", "defect", "claim"),
    CASES,
    ids=[f"{part.__name__}-{defect or 'faultless'}" for part, defect, _ in CASES],
)
def test_probe_names_what_is_wrong_with_a_node(
    verdicts: dict[tuple[Part, str], Future[dict[str, str]]], part: Part, defect: str, claim: str
) -> None:
    wrong = verdicts[part, defect].result(timeout=120)
    if not claim:
        assert wrong == {}
    else:
        assert [check for check in wrong if check.startswith(claim)], wrong


MEMORY = {"origin": 0x2000_0000, "length": 0x4000}
ENTRY = {"flash": MEMORY, "ram": MEMORY, "priority_bits": 2, "bus_faults": False}


def test_a_core_of_armv6_m_is_held_to_no_fault_status() -> None:
    baseline, mainline = (
        crashes(Chip.read({**ENTRY, "target": target}, 4_096))
        for target in ("thumbv6m-none-eabi", "thumbv7m-none-eabi")
    )
    assert {crash.cfsr for crash in baseline} == {0}
    assert {crash.name for crash in mainline} - {crash.name for crash in baseline} == {"a division by zero"}


def test_where_memory_is_protected_no_bus_is_needed_to_refuse_a_read() -> None:
    plain, protected = (
        next(
            crash
            for crash in crashes(
                Chip.read({**ENTRY, "target": "thumbv7m-none-eabi"}, 4_096, protected=protected)
            )
            if crash.name == "a read where there is nothing"
        )
        for protected in (False, True)
    )
    assert (plain.cfsr, plain.of_the_bus) == (0x200, True)
    assert (protected.cfsr, protected.of_the_bus) == (0x82, False)
