"""Entry point of `bedplate` and of `python -m bedplate`."""

from __future__ import annotations

import signal
import sys

from bedplate.errors import Interrupted

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def main() -> None:
    """Run the command line; ends the process with the exit code of the command."""
    # Before anything that takes time is imported: Python's own answer to Ctrl-C is a traceback.
    for signum in _SIGNALS:
        if signum == signal.SIGINT or signal.getsignal(signum) != signal.SIG_IGN:  # nohup has its way
            signal.signal(signum, _interrupt)
    try:
        from bedplate.cli import app

        app(prog_name="bedplate")
    except Interrupted as interruption:
        sys.stderr.write("bedplate: interrupted\n")
        raise SystemExit(interruption.exit_code) from None


def _interrupt(signum: int, _frame: object) -> None:
    # One is enough: another must not cut short what the first sets off, which is cleaning up.
    for ignored in _SIGNALS:
        signal.signal(ignored, signal.SIG_IGN)
    raise Interrupted(signum)


if __name__ == "__main__":
    main()
