"""`python -m holdfast.testing.vault`: what `holdfast serve` starts, in another measure of time.

For tests of several real processes: one whose clock is wrong, and a lease that can be waited for. The server, its
settings and all that it does are those of the command.
"""

from __future__ import annotations

import click

from holdfast.cli.serve import serve_one
from holdfast.clock import SystemClock
from holdfast.store.presentations import Terms

TERMS = Terms()


class WrongClock(SystemClock):
    """A machine's clock that is so many seconds ahead of the others'. Durations are what they are everywhere."""

    def __init__(self, ahead: float) -> None:
        self._ahead = round(ahead * 1000)

    def now(self) -> int:
        return super().now() + self._ahead


@click.command(context_settings={"show_default": True})
@click.option("--port", type=click.IntRange(0, 65535), default=8000, help="0 takes a free one.")
@click.option("--ahead", default=0.0, help="Seconds that this machine's clock is ahead of the database's.")
@click.option("--lease", default=TERMS.lease / 1000, help="Seconds; what hangs together with it is shorter likewise.")
@click.option("--patience", default=TERMS.patience / 1000, help="Seconds that a silent node is waited for.")
def main(port: int, ahead: float, lease: float, patience: float) -> None:
    """Serve the vault with a wrong clock, or with shorter terms. For tests."""
    scale = lease * 1000 / TERMS.lease
    terms = Terms(round(lease * 1000), TERMS.beat * scale, round(patience * 1000), TERMS.look * scale)
    serve_one("127.0.0.1", port, clock=WrongClock(ahead), apart=True, terms=terms)


if __name__ == "__main__":
    main()
