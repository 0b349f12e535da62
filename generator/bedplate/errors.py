"""Every way in which a command ends without having done its work, with the exit code of each.

| code | meaning |
|---|---|
| 0 | done |
| 1 | found something: a failed verification, drift, conflicts |
| 2 | bad usage or bad answers |
| 3 | a tool or an engine is missing |
| 4 | refused: the destination is in use, the tree is dirty |
| 130 | interrupted (128 + the signal's number) |
"""

from __future__ import annotations

from typing import ClassVar, Final

_SHOWN: Final = 100
"""Characters of what somebody typed that a message repeats."""


def shown(text: str, most: int = _SHOWN) -> str:
    """What somebody typed, for a message: on one line, escapes for what can't be seen, and cut where long."""
    line = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )
    return line if len(line) <= most else f"{line[: most - 1]}…"


class BedplateError(Exception):
    """A failure that the user can do something about. Each message is one line that says what."""

    exit_code: ClassVar[int] = 1

    def __init__(self, *messages: str) -> None:
        super().__init__(*messages)
        self.messages = messages

    def __str__(self) -> str:
        return "\n".join(self.messages)


class BadInput(BedplateError):
    """An option, an answer or a template source that can't be used."""

    exit_code = 2


class MissingTool(BedplateError):
    """A program or a service that the command needs is not there."""

    exit_code = 3


class Refused(BedplateError):
    """What was asked would destroy or mix up something that is already there."""

    exit_code = 4


class Interrupted(BaseException):
    """A signal asked the process to end. Not an `Exception`, so that nothing takes it for a failure."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.exit_code = 128 + signum
