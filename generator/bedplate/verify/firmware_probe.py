"""The black-box probe of level run for firmware: its release, booted in QEMU and spoken to over its UART."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import docker

from bedplate.render import checkout
from bedplate.verify.client import execute
from bedplate.verify.findings import Findings
from bedplate.verify.probe.chip import Chip
from bedplate.verify.probe.crashes import try_crashes
from bedplate.verify.probe.delivery import try_delivery
from bedplate.verify.probe.emulator import Emulator
from bedplate.verify.probe.greeting import try_greeting
from bedplate.verify.probe.link import load, try_link
from bedplate.verify.probe.node import Node
from bedplate.verify.probe.release import try_release
from bedplate.verify.probe.trial import Trials, Unmet, expect

DEVICE: Final = 1
"""The number of a device whose build was not given another one."""
BOOTS: Final = 30
_HELLOS: Final = 2
_HELLO_BYTES: Final = 30
"""A hello on the wire: 28 bytes, one of COBS, the delimiter."""
_BOOTS_WITHIN: Final = 60.0
_BUILD_WITHIN: Final = 2_400.0
_STAGE: Final = "check"
"""The stage of the Dockerfile that has the emulator, since the project's own tests run there."""

PLACES: Final[Mapping[str, str]] = {
    "release": "xtask/src/dist.rs and budgets.toml",
    "boot": "firmware/src/main.rs",
    "greeting": "app/src/node.rs and app/src/report.rs",
    "delivery": "app/src/outbox.rs and app/src/node.rs",
    "link": "app/src/cobs.rs, app/src/wire.rs and firmware/src/uart.rs",
    "crash": "firmware/src/fault.rs, firmware/src/watchdog.rs and app/src/epitaph.rs",
}


def probe(
    client: docker.DockerClient,
    tree: Path,
    *,
    run_id: str,
    build_flags: Sequence[str],
    docker: str,
    answers: Mapping[str, Any],
) -> Findings:
    """Hold a firmware to the contract, by the files that `make image` left in `tree`.

    `build_flags` and `docker`, the path of a client with buildx, give the image that has the emulator.
    Where a chip has a twin, the files are looked at for the chip, and the twin is booted.
    Every container and image carries the label bedplate.run=`run_id`; containers are gone afterwards.
    `answers` are all values of the questionnaire, computed ones too.

    Raises:
        docker.errors.DockerException: when the engine does not do what it is asked.
    """
    trials = Trials(PLACES)
    budget, protected = answers["budgets"]["flash"], answers["hardening_mpu"]
    twin = "twin" in answers["chip"]
    booted = Chip.read(answers["emulated"], budget, protected=protected)
    chip = Chip.read({**answers["emulated"], **answers["chip"]}, budget, protected=protected)
    if twin:
        trials.note(f"QEMU lacks {answers['board']}: what was booted is its twin, {answers['chip']['twin']}")
    elf = try_release(trials, tree / "dist", answers["project_name"], chip, twin=twin)
    image = ""
    with trials.check("boot: the project's own builder image has the board's emulator"):
        image = emulator_image(docker, tree, build_flags, run_id)
    if not (image and elf.is_file()):
        trials.skip("boot: on the emulated board", "there is no emulator or no ELF file")
        return trials.findings()
    emulator = Emulator(client, image, run_id, answers["emulated"]["machine"], elf)
    with trials.check(f"boot: {BOOTS} boots say the same, byte for byte"):
        digests = emulator.first_bytes(BOOTS, _HELLOS * _HELLO_BYTES, _BOOTS_WITHIN)
        expect(len(digests) == BOOTS, f"expected {BOOTS} boots, got {len(digests)}")
        expect(len(set(digests)) == 1, f"expected one beginning, got {len(set(digests))} different ones")
    try_board(trials, emulator, booted)
    return trials.findings()


def try_board(trials: Trials, emulator: Emulator, chip: Chip) -> None:
    """One board from power-on to its last crash."""
    with trials.check("boot: the board speaks on its UART"), emulator.boot() as board:  # noqa: SIM117
        with Node(board.uart, DEVICE, haste=chip.haste) as node:
            try_greeting(trials, node)
            try_delivery(trials, node)
            _try_link(trials, node)
            try_crashes(trials, node, board.debugger, chip)


def _try_link(trials: Trials, node: Node) -> None:
    template = checkout()
    if template is None:
        trials.skip(
            "link: malformed blocks", "vectors come with a checkout of the template, which is not here"
        )
    else:
        try_link(trials, node, load(template / "contract" / "frames.json"))


def emulator_image(docker: str, tree: Path, flags: Sequence[str], run_id: str) -> str:
    """Name the stage that has QEMU; level build has built it, so this is quick."""
    tag = f"bedplate-run-{run_id}:{tree.name}-emulator"
    command = (docker, "buildx", "build", *flags, f"--target={_STAGE}", f"--tag={tag}", "--load", ".")
    built = execute(command, timeout=_BUILD_WITHIN, directory=tree)
    if built.returncode:
        raise Unmet(f"expected stage {_STAGE} to be built, it ends with:\n{built.stderr[-2_000:]}")
    return tag
