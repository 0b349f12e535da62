"""Entry point of `bedplate` and of `python -m bedplate`."""

from __future__ import annotations


def main() -> None:
    """Run the command line; ends the process with the exit code of the command."""
    from bedplate.cli import app

    app(prog_name="bedplate")


if __name__ == "__main__":
    main()
