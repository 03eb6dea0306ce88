import json
import sys
from argparse import ArgumentParser
from typing import Any, get_args

from django.core.management.base import CommandError

from ccagent.management.database_command import DatabaseCommand
from ccagent.text import clean
from context import embeddings
from context.search import MAX_CHUNKS, FoundChunk, Mode, search

_SHOWN_CHARS = 300


class Command(DatabaseCommand):
    help = "Shows what would be found in the context for a question, best first, with scores and sources."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question", help="a question; - reads one a line and answers each with a line of JSON")
        parser.add_argument("--limit", type=int, default=MAX_CHUNKS, help=f"most passages (default {MAX_CHUNKS})")
        parser.add_argument("--mode", choices=get_args(Mode), help="default: hybrid where there are embeddings")
        parser.add_argument("--json", action="store_true", help="one line of JSON")

    def handle(self, question: str, limit: int, mode: Mode | None, **options: Any) -> None:
        if limit < 1:
            raise CommandError("--limit must be 1 or more.")
        if mode in ("hybrid", "dense") and not embeddings.active():
            self.stderr.write("There are no embeddings to search by; this is found by words alone.")
        if question == "-":
            # As bytes: a line that is no UTF-8 is a question with strange characters, not the end of all.
            for line in sys.stdin.buffer:
                self._write_json(line.decode(errors="replace").strip(), limit, mode)
        elif options["json"]:
            self._write_json(question, limit, mode)
        else:
            self._write(search(clean(question), limit, mode))

    def _write_json(self, question: str, limit: int, mode: Mode | None) -> None:
        question = clean(question)
        chunks = [
            {name: getattr(hit, name) for name in ("text", "score", "title", "source", "document")}
            for hit in search(question, limit, mode)
        ]
        self.stdout.write(json.dumps({"question": question, "chunks": chunks}, ensure_ascii=False))
        self.stdout.flush()

    def _write(self, found: list[FoundChunk]) -> None:
        for rank, hit in enumerate(found, 1):
            place = " · ".join(part for part in (hit.title, hit.heading, hit.source) if part)
            text = " ".join(hit.text.split())
            self.stdout.write(f"{rank}. {place}")
            self.stdout.write(f"   score {hit.score:.3f}, {hit.coverage:.0%} of the words, document {hit.document}")
            self.stdout.write(f"   {text[:_SHOWN_CHARS]}{'…' if len(text) > _SHOWN_CHARS else ''}\n")
        if not found:
            self.stdout.write("Nothing was found.")
