import json
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ccagent.management.database_command import DatabaseCommand
from ccagent.text import clean
from context.catalogue import counted, standing
from context.inputs import printable
from context.models import Document

if TYPE_CHECKING:
    from context.catalogue import CountedDocument

_ROW = "{id:>7}  {title:40}  {source:50}  {status:8}  {chunks:>7}  {characters:>10}  {added:10}"
_ROWS_AT_ONCE = 1000


class Command(DatabaseCommand):
    help = "Lists the documents of the context, the newest first."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--source", default="", help="only documents with an address that begins with this")
        parser.add_argument("--failed", action="store_true", help="only documents that failed")
        parser.add_argument("--disabled", action="store_true", help="only documents that search may not find")
        parser.add_argument("--json", action="store_true", help="a list in JSON, one document a line")

    def handle(self, source: str, failed: bool, disabled: bool, **options: Any) -> None:
        documents = Document.objects.all()
        if source:
            documents = documents.filter(sources__address__startswith=clean(source)).distinct()
        if failed:
            documents = documents.filter(status=Document.Status.FAILED)
        if disabled:
            documents = documents.filter(enabled=False)
        found = counted(documents).prefetch_related("sources").iterator(_ROWS_AT_ONCE)
        if options["json"]:
            self._write_json(found)
        else:
            self._write_table(found)

    def _write_json(self, documents: "Iterator[CountedDocument]") -> None:
        separator = "["
        for document in documents:
            sources = [source.address for source in document.sources.all()]
            row = _facts(document) | {"sources": sources, "added": document.created_at.isoformat()}
            self.stdout.write(f"{separator}\n{json.dumps(row, ensure_ascii=False)}", ending="")
            separator = ","
        self.stdout.write("[]" if separator == "[" else "\n]")

    def _write_table(self, documents: "Iterator[CountedDocument]") -> None:
        count = 0
        for count, document in enumerate(documents, 1):
            if count == 1:
                names = ("id", "title", "source", "status", "chunks", "characters", "added")
                self.stdout.write(_ROW.format(**{name: name for name in names}).rstrip())
            row = _facts(document)
            row["title"] = _shortened(row["title"], 40)
            # What tells addresses apart stands at their end.
            row["source"] = _shortened(row["source"][::-1], 50)[::-1]
            self.stdout.write(_ROW.format(**row).rstrip())
        self.stdout.write(f"{count:,} documents." if count != 1 else "1 document.")


def _facts(document: "CountedDocument") -> dict[str, Any]:
    return {
        "id": document.pk,
        "title": document.title,
        "source": document.source,
        "status": standing(document),
        "language": document.language,
        "chunks": document.chunk_count,
        "characters": document.characters,
        "added": f"{document.created_at:%Y-%m-%d}",
    }


def _shortened(text: str, length: int) -> str:
    text = printable(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"
