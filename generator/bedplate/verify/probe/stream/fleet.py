"""Many devices at once, on a thread of their own: they connect again and go on whatever happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from bedplate.verify.probe.aside import Aside
from bedplate.verify.probe.stream.api import Key, Reading
from bedplate.verify.probe.stream.device import Device, Manner, Seen
from bedplate.verify.probe.trial import expect, wait_until
from bedplate.verify.probe.wire import Address

_TURN: Final = 0.02
PATIENCE: Final = 30.0


class Fleet(Aside):
    """Devices that send readings for the time of a with block.

    `durable` says whether a reading may be acknowledged, `first` is the number of the first device, and
    `patience` how many seconds to wait for what has to come.
    """

    def __init__(
        self,
        address: Address,
        durable: Callable[[Reading], bool],
        count: int,
        manner: Manner,
        first: int = 1,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(PATIENCE)
        self.address = address
        self.patience = patience
        self.sampling = True
        self.seen = Seen(durable)
        self._devices = [Device(number, manner, self.seen) for number in range(first, first + count)]
        self._connecting: set[asyncio.Task[None]] = set()

    @property
    def acknowledged(self) -> int:
        """How many readings were, of all devices."""
        return len(self.seen.acknowledged)

    def await_more(self, count: int) -> None:
        """Wait for so many more acknowledged readings, none of which may be so too soon."""
        enough = self.acknowledged + count
        wait_until(
            f"{count} more acknowledged readings",
            lambda: self.acknowledged >= enough or bool(self.seen.wrong),
            self.patience,
            _TURN,
        )
        self.expect_nothing_wrong()

    def settle(self) -> None:
        """Measure nothing more, and wait until all that was is acknowledged."""
        self.sampling = False
        wait_until(
            "an acknowledgement of every reading",
            lambda: len(self.seen.acknowledged) == len(self.seen.sent) or bool(self.seen.wrong),
            self.patience,
            _TURN,
        )
        self.expect_nothing_wrong()

    def expect_nothing_wrong(self) -> None:
        """Raise `Unmet` when anything came that must not."""
        wrong = self.seen.wrong
        expect(not wrong, f"{len(wrong)} times something is wrong: {wrong[:3]}")

    def expect_stored(
        self, stored: dict[Key, Reading], refused: Callable[[Key], bool] = lambda _: False
    ) -> None:
        """Raise `Unmet` unless exactly what was sent is stored, but for what was refused."""
        sent = {key: reading for key, reading in self.seen.sent.items() if not refused(key)}
        boots = {key[:2] for key in self.seen.sent}
        kept = {key: reading for key, reading in stored.items() if key[:2] in boots}
        missing, more = sent.keys() - kept.keys(), kept.keys() - sent.keys()
        expect(not missing and not more, f"missing {sorted(missing)[:3]}, too many {sorted(more)[:3]}")
        other = [(sent[key], kept[key]) for key in sent if sent[key] != kept[key]]
        expect(not other, f"sent and stored are not the same: {other[:2]}")

    def _work(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        while not self._over.is_set():
            now = asyncio.get_running_loop().time()
            for device in self._devices:
                if device.connected:
                    device.tick(now, sampling=self.sampling)
            if not self._connecting:
                away = [device for device in self._devices if not device.connected]
                self._connecting = {asyncio.create_task(self._connect(device)) for device in away}
            self._connecting = {task for task in self._connecting if not task.done()}
            await asyncio.sleep(_TURN)
        for task in self._connecting:
            task.cancel()
        for device in self._devices:
            device.hang_up()

    async def _connect(self, device: Device) -> None:
        try:
            async with asyncio.timeout(1.0):
                await asyncio.get_running_loop().create_connection(lambda: device, *self.address)
        except OSError:
            await asyncio.sleep(_TURN)  # It is not there, or not yet; the next turn tries again.
