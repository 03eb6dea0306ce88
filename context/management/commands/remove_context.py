import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from ccagent.management.database_command import DatabaseCommand
from ccagent.text import clean
from context.fetch import FetchRefused
from context.ingest import forget
from context.inputs import printable, web_address
from context.models import Document, Source


class Command(DatabaseCommand):
    help = "Removes documents from the context, by id, by source, or by the beginning of their sources."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("targets", nargs="*", metavar="ID|SOURCE", help="as list_context shows them")
        parser.add_argument("--prefix", action="append", default=[], help="every source that begins with this")
        parser.add_argument("--yes", action="store_true", help="remove what a --prefix finds without asking")

    def handle(self, targets: list[str], prefix: list[str], yes: bool, **_: Any) -> None:
        if not all(prefix) or not (targets or prefix):
            raise CommandError("Say what to remove: an id, a source, or --prefix with the beginning of sources.")
        below = {beginning: _sources_below(clean(beginning)) for beginning in prefix}
        if any(below.values()) and not yes:
            self._ask(sum(map(len, below.values())))
        before = _documents_of(targets, below)
        missing = [target for target in targets if not _remove(target)]
        missing += [beginning for beginning, addresses in below.items() if not addresses]
        for addresses in below.values():
            for address in addresses:
                forget(address)
        left = Document.objects.filter(pk__in=before).count()
        for target in missing:
            self.stderr.write(f"{printable(target)}: There is no such document or source.")
        kept = f"; {left:,} are kept for their other sources" if left else ""
        self.stdout.write(f"Documents removed: {len(before) - left:,}{kept}.")
        if missing:
            sys.exit(1)

    def _ask(self, count: int) -> None:
        if not sys.stdin.isatty():
            raise CommandError(f"This would remove {count:,} sources: say --yes to do so.")
        if input(f"Remove {count:,} sources? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was removed.")


def _remove(target: str) -> bool:
    """Whether there was such a document or source."""
    if target.isdecimal():
        return bool(Document.objects.filter(pk=int(target)).delete()[0])
    return forget(_address(target))


def _documents_of(targets: list[str], below: dict[str, list[str]]) -> set[int]:
    """The documents that may go."""
    ids = [int(target) for target in targets if target.isdecimal()]
    addresses = [_address(target) for target in targets] + [address for part in below.values() for address in part]
    held = Source.objects.filter(address__in=addresses).values_list("document", flat=True)
    return {*Document.objects.filter(pk__in=ids).values_list("pk", flat=True), *held}


def _address(target: str) -> str:
    """An address of the web in the form in which it is stored."""
    try:
        return web_address(target)
    except FetchRefused:
        return clean(target)


def _sources_below(beginning: str) -> list[str]:
    return list(Source.objects.filter(address__startswith=beginning).values_list("address", flat=True))
