from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from ccagent.management.database_command import DatabaseCommand
from operators.audit import Action, record
from operators.data import retention


class Command(DatabaseCommand):
    help = "Removes messages that are older than so many days, and what is left empty by that."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--older-than", type=int, metavar="DAYS", help="default: RETENTION_DAYS")
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def handle(self, older_than: int | None, dry_run: bool, **_: Any) -> None:
        days = settings.ENV.retention_days if older_than is None else older_than
        if days is None:
            raise CommandError("Say how old: --older-than 90, or set RETENTION_DAYS.")
        if not 1 <= days <= retention.MOST_DAYS:
            raise CommandError(f"--older-than must be 1 to {retention.MOST_DAYS:,}.")
        purged = retention.purge(timedelta(days=days), dry_run=dry_run)
        if purged is None:
            raise CommandError("Another process is removing old messages at this moment: try again later.")
        if dry_run:
            self.stdout.write(f"Dry run, nothing was touched. Older than {days} days: {purged}.")
            return
        record("manage.py purge_history", Action.DELETED, whom=f"older than {days} days", details=str(purged))
        self.stdout.write(f"Removed: {purged}.")
