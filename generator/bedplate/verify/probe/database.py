"""A PostgreSQL beside a service that is probed: started, emptied, killed, and asked what it holds."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, Self, cast

from docker.models.containers import Container

from bedplate.verify.probe.platform import Platform
from bedplate.verify.probe.trial import Unmet, expect

NAME: Final = "telemetry"
"""Its user, password and database."""
PORT: Final = 5432
READY_WITHIN: Final = 60.0
_POLL: Final = 0.1


class Database:
    """A server in the network of the platform, for the time of its with block."""

    def __init__(self, platform: Platform, image: str) -> None:
        self._platform = platform
        self._image = image
        self._container: Container | None = None

    def __enter__(self) -> Self:
        settings = {f"POSTGRES_{name}": NAME for name in ("USER", "PASSWORD", "DB")}
        self._container = self._platform.accompany(self._image, settings)
        try:
            self.wait_until_ready()
        except BaseException:
            self._container.remove(force=True, v=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.container.remove(force=True, v=True)

    @property
    def container(self) -> Container:
        """The container that it runs in."""
        if self._container is None:
            raise RuntimeError("a database is used before it was started")
        return self._container

    @property
    def url(self) -> str:
        """What the service is given as DATABASE_URL."""
        return self.url_with(NAME)

    def url_with(self, password: str, database: str = NAME) -> str:
        """The same with another password or database."""
        return f"postgres://{NAME}:{password}@{self.container.name}:{PORT}/{database}"

    def wait_until_ready(self) -> None:
        """Wait until it answers over TCP; raises `Unmet` when it does not in time."""
        deadline = time.monotonic() + READY_WITHIN
        while self._run("pg_isready", "--quiet", "--host=127.0.0.1", f"--username={NAME}")[0] != 0:
            expect(time.monotonic() < deadline, f"no database within {READY_WITHIN:.0f} s")
            time.sleep(_POLL)

    def kill(self) -> None:
        """End its processes as a machine that loses power would."""
        self.container.kill(signal="SIGKILL")

    def restart(self) -> None:
        """Start it again on what it had written."""
        self.container.start()
        self.wait_until_ready()

    def empty(self) -> None:
        """Remove all that is stored."""
        self.ask("TRUNCATE readings, devices")

    def ask(self, statement: str) -> str:
        """What psql prints of a statement: rows, with | between their columns.

        Raises:
            Unmet: when the statement fails.
        """
        command = ("psql", f"--username={NAME}", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align")
        code, said = self._run(*command, f"--command={statement}", NAME)
        if code:
            raise Unmet(f"{statement}: {said}")
        return said.strip()

    def _run(self, *command: str) -> tuple[int, str]:
        self.container.reload()
        if self.container.status != "running":
            return 1, f"the database has ended: {self.container.logs(tail=5).decode(errors='replace')}"
        code, said = cast(tuple[int, bytes], self.container.exec_run(list(command)))
        return code, said.decode(errors="replace")
