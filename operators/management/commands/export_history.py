import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from ccagent.management.database_command import DatabaseCommand
from chat.models import Conversation
from operators.audit import Action, record
from operators.data.files import by_ending, save
from operators.data.formats import FORMATS, export
from operators.data.people import known_as


class Command(DatabaseCommand):
    help = "Writes what was said, archived conversations too: for programs, for a spreadsheet, or as a page to read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        whose = parser.add_mutually_exclusive_group(required=True)
        whose.add_argument("--email", action="append", default=[], help="a person; may be repeated")
        whose.add_argument("--all", action="store_true", help="everybody, anonymous calls too")
        parser.add_argument("--output", type=Path, help="a file; default: standard output")
        parser.add_argument(
            "--format", choices=FORMATS, help="default: by the ending of --output, else jsonl: a line for each message"
        )

    def handle(self, email: list[str], output: Path | None, **options: Any) -> None:
        emails = [known_as(each) for each in email]
        conversations = Conversation.objects.all() if options["all"] else Conversation.objects.filter(email__in=emails)
        form = options["format"] or (by_ending(output) if output else "jsonl")
        for each in ["everybody"] if options["all"] else emails:
            record("manage.py export_history", Action.EXPORTED, whom=each, details=form)
        pieces = export(conversations, form)
        if output:
            save(output, pieces)
        else:
            # Not through Django's wrapper, which adds a line's end to each piece.
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
            for piece in pieces:
                sys.stdout.write(piece)
