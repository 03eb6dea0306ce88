import sys
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from ccagent.text import clean
from context.fetch import FetchRefused
from context.inputs import from_stream, printable
from context.management.seeding_command import PACE, SeedingCommand, seconds
from context.places import Plan, is_folder
from context.seeding import Item
from context.sitemaps import Manners

MAX_PAGES = 500


class Command(SeedingCommand):
    help = "Takes files, folders, pages of the web, sitemaps or standard input into the context."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("targets", nargs="+", metavar="PATH|URL|-", help="- is standard input")
        parser.add_argument("--title", default="", help="the title of the one file, page or text that is given")
        parser.add_argument("--glob", action="append", default=[], help="only such files of folders, like *.md")
        parser.add_argument("--base", type=Path, default=settings.BASE_DIR, help="folder at which names of files begin")
        parser.add_argument("--sitemap", action="store_true", help="the addresses are those of sitemaps")
        parser.add_argument("--max-pages", type=_natural, default=MAX_PAGES, help=f"of a sitemap (default {MAX_PAGES})")
        parser.add_argument("--pace", type=seconds, default=PACE, help="seconds between calls of a site (default 1)")
        parser.add_argument("--prune", action="store_true", help="remove what a folder or sitemap no longer has")
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")

    def handle(self, targets: list[str], title: str, prune: bool, dry_run: bool, **options: Any) -> None:
        if title and (len(targets) > 1 or options["sitemap"] or is_folder(Path(targets[0]))):
            raise CommandError("--title is for one file, one page or standard input.")
        plan = self._plan(targets, options)
        for problem in plan.problems:
            self.tell(problem)
        self.take(plan.items, title=clean(title).strip()[:500], dry_run=dry_run)
        if prune and not self.stop.is_set():
            self.remove([address for gone in plan.gone for address in gone()], dry_run)
        self.end(
            ("added", "changed", "unchanged", "failed", *(["removed"] if prune else [])),
            f"{plan.skipped + self.counts['skipped']:,} others skipped",
            f"{plan.left:,} pages left for another run" if plan.left else "",
            dry_run=dry_run,
        )

    def _plan(self, targets: list[str], options: dict[str, Any]) -> Plan:
        plan = Plan()
        manners = Manners(options["pace"], self.stop)
        for target in targets:
            try:
                if target == "-":
                    plan.items.append(Item("", lambda _: from_stream(sys.stdin.buffer)))
                elif options["sitemap"]:
                    plan.add_sitemap(target, manners, options["max_pages"])
                elif "://" in target:
                    plan.add_page(target)
                else:
                    plan.add_path(Path(target), options["base"], options["glob"])
            except FetchRefused as problem:
                plan.fail(printable(target), str(problem))
        return plan


def _natural(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ArgumentTypeError("must be a number from 1 on.")
    return int(text)
