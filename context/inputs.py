"""Reads a thing from somewhere: a file, an address of the web, an upload, a stream; and hands it to `ingest`."""

import asyncio
import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from context.fetch import FetchRefused, fetch
from context.ingest import Stored, Taken, ingest, replace
from context.models import Document
from context.prepare import Unreadable, prepare
from context.web_url import WebURL

REFUSALS = (FetchRefused, Unreadable, Taken)
"""What reading, `Content.add` and `Content.put_into` raise; the message is a sentence for whoever gave the thing."""

_UPLOAD = "upload:"


@dataclass(frozen=True)
class Content:
    """What was read. ``address`` is what it is known by when it comes again, empty for a text that has none.

    ``name`` tells the kind of content: a file's name, or where redirects led to.
    """

    data: bytes | str
    name: str = ""
    address: str = ""
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""

    @property
    def hash(self) -> str:
        """As `Source.content_hash`."""
        return hashlib.sha256(self.data if isinstance(self.data, bytes) else self.data.encode()).hexdigest()

    def add(self, *, title: str = "", added_by: str = "", found_in: str = "") -> Stored:
        """Raises `Unreadable`."""
        return ingest(
            self.data,
            name=self.name,
            content_type=self.content_type,
            title=title,
            source=self.address,
            added_by=added_by,
            etag=self.etag,
            last_modified=self.last_modified,
            found_in=found_in,
        )

    def put_into(self, document: int, *, title: str = "") -> Document:
        """In the place of what the document held. Raises `Unreadable`, and what `ingest.replace` does."""
        prepared = prepare(self.data, name=self.name, content_type=self.content_type)
        return replace(
            document,
            prepared,
            title=title,
            source=self.address,
            content_hash=self.hash,
            etag=self.etag,
            last_modified=self.last_modified,
        )


def is_file_address(address: str) -> bool:
    """Whether it is the path of a file, which never holds two slashes in a row."""
    return bool(address) and "://" not in address and not address.startswith(_UPLOAD)


def printable(path: str | Path) -> str:
    """A path as text: bytes that are no UTF-8, and what could be a command to a terminal, become escapes."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def file_address(path: Path, base: Path) -> str:
    """The path relative to ``base`` where it is below it, else the absolute one; both without following links."""
    path, base = Path(os.path.normpath(path.absolute())), Path(os.path.normpath(base.absolute()))
    return printable(path.relative_to(base) if path.is_relative_to(base) else path).strip()


def web_address(url: str) -> str:
    """The address in its one form; raises `FetchRefused`."""
    try:
        return str(WebURL.parse(url))
    except ValueError as error:
        raise FetchRefused(f"The address {error}") from None


def from_file(path: Path, address: str) -> Content:
    """Raises `Unreadable`, also for what is no regular file: opening a pipe or a device may wait for ever."""
    try:
        _check_regular(path.stat().st_mode)
        # It may have become a pipe since.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            _check_regular(os.fstat(file.fileno()).st_mode)
            return Content(_limited(file), printable(path.name), address)
    except FileNotFoundError:
        raise Unreadable("There is no such file.") from None
    except PermissionError:
        raise Unreadable("The permissions of the file do not let it be read.") from None
    except OSError as error:
        raise Unreadable(f"The file cannot be read: {error.strerror}.") from None


def from_stream(stream: IO[bytes]) -> Content:
    """A text without an address, as from standard input. Raises `Unreadable`."""
    return Content(_limited(stream))


def from_upload(upload: UploadedFile[Any]) -> Content:
    """A file of that name again will replace it. Raises `Unreadable`."""
    name = upload.name or ""
    return Content(_limited(upload), name, f"{_UPLOAD}{name}", upload.content_type or "")


def from_web(url: str, *, etag: str = "", last_modified: str = "") -> Content | None:
    """None when it is still that of ``etag`` or ``last_modified``. Raises `FetchRefused`. Not for the event loop."""
    address = web_address(url)
    fetched = asyncio.run(fetch(address, etag=etag, last_modified=last_modified))
    if fetched is None:
        return None
    return Content(fetched.content, fetched.url, address, fetched.content_type, fetched.etag, fetched.last_modified)


def _check_regular(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise Unreadable("This is neither a file nor a folder.")


def _limited(stream: IO[bytes] | UploadedFile[Any]) -> bytes:
    most = settings.ENV.context_max_bytes
    data: bytes = stream.read(most + 1)
    if len(data) > most:
        raise Unreadable(f"It is larger than the limit of {most / 1e6:g} MB (CONTEXT_MAX_BYTES).")
    return data
