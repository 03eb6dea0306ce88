import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from ccagent.management.database_command import DatabaseCommand
from chat.models import Conversation
from operators.audit import Action, record
from operators.data import forgetting
from operators.data.files import by_ending, save
from operators.data.formats import export
from operators.data.people import known_as

_NAME = "manage.py forget_person"


class Command(DatabaseCommand):
    help = "Deletes all that is stored of a person and keeps a proof of that, without the content."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--export", type=Path, metavar="FILE", help="first write it: .json, .html, .jsonl or .csv")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, email: str, export: Path | None, yes: bool, **_: Any) -> None:
        email = known_as(email)
        held = forgetting.held(email)
        if not any(held.values()):
            raise CommandError(f"Nothing is stored of {email}.")
        self.stdout.write(f"Stored of {email}: {_told(held)}.")
        if export:
            self._export(email, export)
        if not yes:
            self._ask()
        proof = forgetting.forget(email, _NAME)
        self.stdout.write(f"Gone: {_told(proof.counts)}. Proof {proof.pk} of {proof.at:%Y-%m-%d %H:%M} UTC is kept.")

    def _export(self, email: str, output: Path) -> None:
        form = by_ending(output)
        record(_NAME, Action.EXPORTED, whom=email, details=form)
        save(output, export(Conversation.objects.filter(email=email), form))
        self.stdout.write(f"Exported to {output}.")

    def _ask(self) -> None:
        if not sys.stdin.isatty():
            raise CommandError("This would delete it for good: say --yes to do so.")
        if input("Delete it for good? [y/N] ").strip().lower() not in ("y", "yes"):
            raise CommandError("Nothing was deleted.")


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
