"""Which files of a folder hold something to know."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from django.conf import settings

from context.readable import names_text

_LEFT_OUT = {"node_modules", "__pycache__", "venv"}


@dataclass
class Listing:
    """``files`` are to be read, in order; ``others`` are files of other kinds.

    ``skipped`` counts the others and what is hidden, a folder as one; ``closed`` are folders nobody lets us look into.
    """

    files: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    skipped: int = 0
    closed: list[Path] = field(default_factory=list)


def files_below(folder: Path, patterns: Sequence[str] = ()) -> Listing:
    """With ``patterns`` only files of which one fits the name or, where it has a slash, the path from the folder.

    Links count as what they lead to, if that is a file inside the folder: others could bring in anything.
    """
    listing = Listing()
    # A pattern like *.org asks for a kind of file that we would not look for.
    suffixes = {Path(pattern).suffix.lower() for pattern in patterns}
    inside = folder.resolve()
    for parent, folders, names in os.walk(folder, onerror=lambda error: listing.closed.append(Path(error.filename))):
        seen = len(folders) + len(names)
        folders[:] = [name for name in sorted(folders) if _is_looked_into(Path(parent, name))]
        paths = [Path(parent, name) for name in sorted(names) if name[0] != "."]
        files = [path for path in paths if _is_file(path, inside)]
        wanted = [path for path in files if _is_wanted(path.relative_to(folder), patterns, suffixes)]
        listing.files += wanted
        listing.others += set(files).difference(wanted)
        listing.skipped += seen - len(folders) - len(wanted)
    return listing


def _is_looked_into(folder: Path) -> bool:
    if folder.name.startswith(".") or folder.name in _LEFT_OUT or folder.is_symlink():
        return False
    # Not into the agent's own data.
    return folder.resolve() != settings.STORAGE_DIR.resolve()


def _is_file(path: Path, inside: Path) -> bool:
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            return path.resolve().is_relative_to(inside) and path.is_file()
        return stat.S_ISREG(mode)
    except PermissionError:
        # To be read, so that its failure is told.
        return True
    except (OSError, RuntimeError):
        # It went meanwhile, or links lead in a circle.
        return False


def _is_wanted(path: Path, patterns: Sequence[str], suffixes: set[str]) -> bool:
    known = not path.suffix or names_text(path.name) or path.suffix.lower() in suffixes
    return known and (not patterns or any(_fits(path, pattern) for pattern in patterns))


def _fits(path: Path, pattern: str) -> bool:
    if "/" not in pattern:
        return fnmatch(path.name, pattern)
    # An asterisk of fnmatch's crosses folders, so that two of them need no more than to stand for none as well.
    return fnmatch(str(path), pattern) or fnmatch(str(path), pattern.replace("**/", ""))
