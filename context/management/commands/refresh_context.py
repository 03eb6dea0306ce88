import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from ccagent.text import clean
from context.management.seeding_command import PACE, SeedingCommand, seconds
from context.places import pages_to_refresh
from context.seeding import Seeded
from context.sitemaps import Manners

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Command(SeedingCommand):
    help = "Looks at the context's pages of the web again, and takes in what has changed."

    gone: list[str]

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("prefix", nargs="?", default="", help="only addresses that begin with this")
        parser.add_argument("--older-than", type=_age, metavar="7d", help="only pages not looked at for so long")
        parser.add_argument("--pace", type=seconds, default=PACE, help="seconds between calls of a site (default 1)")
        parser.add_argument("--remove-gone", action="store_true", help="remove pages of which their site says so")

    def handle(self, prefix: str, older_than: timedelta | None, pace: float, **options: Any) -> None:
        self.gone = []
        self.take(pages_to_refresh(Manners(pace, self.stop), older_than, clean(prefix)))
        if options["remove_gone"]:
            self.counts["gone"] = 0
            self.remove(self.gone)
        self.end(("changed", "unchanged", "failed", "removed" if options["remove_gone"] else "gone"))

    def tell(self, seeded: Seeded) -> None:
        super().tell(seeded)
        if seeded.is_gone:
            self.gone.append(seeded.address)


def _age(text: str) -> timedelta:
    match = re.fullmatch(r"([0-9]{1,5})([mhdw])", text)
    if not match:
        raise ArgumentTypeError("must look like 30m, 12h, 7d or 2w.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
