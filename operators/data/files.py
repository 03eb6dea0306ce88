"""Exports as files of an operator's."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import CommandError

from operators.data.formats import FORMATS, Format


def by_ending(path: Path) -> Format:
    """The format that a file's name asks for; raises ``CommandError``."""
    found: Format | None = next((form for form in FORMATS if path.suffix.lower() == f".{form}"), None)
    if not found:
        raise CommandError(f"The file's name must end with .{', .'.join(FORMATS)}.")
    return found


def save(path: Path, pieces: Iterable[str]) -> None:
    """Writes a file that only its owner may read, whole or not at all. Raises ``CommandError``."""
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(unfinished, "x", encoding="utf-8", newline="", opener=_private) as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
