"""A PostgreSQL beside a service that is probed: started, emptied, killed, and asked what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, cast

from bedplate.verify.probe.companion import Companion
from bedplate.verify.probe.trial import Unmet

NAME: Final = "telemetry"
"""Its user, password and database."""
PORT: Final = 5432


class Database(Companion):
    """A PostgreSQL in the network of the platform, for the time of its with block."""

    name = "the database"
    ready_within = 60.0
    environment: ClassVar[Mapping[str, str]] = {
        f"POSTGRES_{part}": NAME for part in ("USER", "PASSWORD", "DB")
    }

    @property
    def url(self) -> str:
        """What the service is given as DATABASE_URL."""
        return self.url_with(NAME)

    def url_with(self, password: str, database: str = NAME) -> str:
        """The same with another password or database."""
        return f"postgres://{NAME}:{password}@{self.container.name}:{PORT}/{database}"

    def answers(self) -> bool:
        """Whether it does over TCP."""
        return self._run("pg_isready", "--quiet", "--host=127.0.0.1", f"--username={NAME}")[0] == 0

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
