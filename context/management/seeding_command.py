import signal
import sys
import threading
from argparse import ArgumentTypeError
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ccagent.management.database_command import DatabaseCommand
from context.ingest import forget
from context.seeding import Item, Seeded, seed

PACE = 1.0
"""Seconds between two calls of a site."""
INTERRUPTED = 130
"""The exit code of what was ended by Ctrl-C."""


class SeedingCommand(DatabaseCommand):
    """A command that takes things in, says what went wrong, and ends with a summary, also at Ctrl-C."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        self.counts: Counter[str] = Counter()
        self.stop = threading.Event()
        self.is_told_all = options["verbosity"] > 1 or options.get("dry_run", False)
        with self._interruptible():
            return super().execute(*args, **options)

    def take(self, items: Sequence[Item], **options: Any) -> None:
        # Not Django's wrapper of it, which would end every state of the bar with a new line.
        with logging_redirect_tqdm(), tqdm(total=len(items), unit="", file=sys.stderr, disable=None) as bar:
            for seeded in seed(items, stop=self.stop, **options):
                self.tell(seeded)
                bar.update()

    def tell(self, seeded: Seeded) -> None:
        self.counts["gone" if seeded.is_gone else seeded.outcome] += 1
        address = seeded.address or "standard input"
        if seeded.reason:
            with tqdm.external_write_mode(file=sys.stderr):
                self.stderr.write(f"{address}: {seeded.reason}")
        elif self.is_told_all and seeded.outcome in ("added", "changed"):
            with tqdm.external_write_mode(file=sys.stderr):
                self.stdout.write(f"{seeded.outcome} {address}")

    def remove(self, addresses: list[str], dry_run: bool = False) -> None:
        for address in addresses:
            if dry_run or forget(address):
                self.counts["removed"] += 1
            if self.is_told_all:
                self.stdout.write(f"removed {address}")

    def end(self, shown: Sequence[str], *others: str, dry_run: bool = False) -> None:
        """The summary, and an exit code other than 0 unless all went well."""
        summary = ", ".join([*(f"{self.counts[outcome]:,} {outcome}" for outcome in shown), *filter(None, others)])
        prefix = "Interrupted: " if self.stop.is_set() else "Dry run, nothing was touched: " if dry_run else ""
        self.stdout.write(f"{prefix}{summary}.")
        if self.stop.is_set():
            sys.exit(INTERRUPTED)
        if self.counts["failed"] or self.counts["gone"]:
            sys.exit(1)

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first Ctrl-C lets what is begun be ended, the second one does not."""

        def interrupt(*_: Any) -> None:
            self.stop.set()
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        finally:
            signal.signal(signal.SIGINT, before)


def seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 3600:
        raise ArgumentTypeError("must be a number of seconds, 0 to 3600.")
    return seconds
