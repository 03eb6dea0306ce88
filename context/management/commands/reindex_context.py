import sys
import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from tqdm import tqdm

from ccagent.management.database_command import DatabaseCommand
from context.embeddings.configuration import chosen
from context.embeddings.errors import NotConfigured
from context.embeddings.filling import Filler
from context.embeddings.vectors import progress
from context.ingest import reindex
from context.models import Chunk

# After so many failures in a row the backend has a bad day.
_MOST_FAILURES = 4
_LONGEST_PAUSE = 60.0


class Command(DatabaseCommand):
    help = "Rebuilds the search index, and makes the vectors that are missing; takes up a pgvector that is new."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--embeddings", action="store_true", help="only the vectors")

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if not options["embeddings"]:
            self.stdout.write(f"{self._words_indexed():,} chunks indexed by their words.")
        try:
            is_on = chosen(settings.ENV) is not None
        except NotConfigured as problem:
            raise CommandError(problem.sentence) from problem
        self.stdout.write(self._vectors_made() if is_on else "Embeddings are off: there are no vectors to make.")

    def _words_indexed(self) -> int:
        chunks = Chunk.objects.count()
        with self._bar("words", chunks) as bar:

            def done(some: int) -> None:
                bar.update(some)

            reindex(done)
        return chunks

    def _vectors_made(self) -> str:
        if not Chunk.objects.exists():
            return "There are no documents yet."
        filler = Filler(take_over=True)
        with self._bar("vectors") as bar:
            while not filler.passes:
                pause = filler.step()
                if filler.index and filler.made and not bar.total:
                    before = progress(filler.index)
                    bar.reset(total=before.chunks - before.made + filler.made)
                bar.update(filler.made - bar.n)
                if filler.problem and (isinstance(filler.problem, NotConfigured) or filler.failures == _MOST_FAILURES):
                    raise CommandError(f"{filler.problem.sentence} {filler.problem.detail}".strip())
                time.sleep(0 if filler.passes else min(pause, _LONGEST_PAUSE))
        assert filler.index
        done = progress(filler.index)
        left = f"; {done.put_off} texts were refused" if done.put_off else ""
        return f"{filler.made:,} vectors by {filler.index}; {done.made:,} of {done.chunks:,} chunks have one{left}."

    def _bar(self, what: str, total: int | None = None) -> "tqdm[Any]":
        """Shows itself on a terminal only."""
        return tqdm(desc=what, total=total, unit="", file=sys.stderr, disable=None)
