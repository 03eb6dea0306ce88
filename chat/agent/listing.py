"""A provider's list of its models, in the several shapes that vendors give it."""

import json
from dataclasses import dataclass
from typing import Any

from ccagent.text import clean
from chat.agent.errors import BrokenAnswer

MAX_BYTES = 8 * 1024 * 1024
_NEXT_PAGE = ("has_more", "next_page_token", "nextPageToken")


@dataclass(frozen=True)
class Listing:
    """``is_whole`` is false where the vendor has more than it told at once."""

    names: tuple[str, ...]
    is_whole: bool

    def __contains__(self, model: str) -> bool:
        """Some list a model under a folder, which may be left out when it is asked."""
        return any(name == model or name.endswith(f"/{model}") for name in self.names)


def read(answer: bytes) -> Listing:
    """Raises ``BrokenAnswer``."""
    try:
        found = json.loads(answer)
        if isinstance(found, dict):
            entries, is_whole = found.get("data") or found.get("models") or [], not any(map(found.get, _NEXT_PAGE))
        else:
            entries, is_whole = found, True
        names = tuple(clean(name) for entry in entries if (name := _name(entry)))
    except (ValueError, TypeError, RecursionError) as error:
        raise BrokenAnswer(f"{type(error).__name__}: {answer[:500]!r}") from error
    if not names:
        raise BrokenAnswer(f"a list without models: {answer[:500]!r}")
    return Listing(names, is_whole)


def _name(entry: Any) -> str:
    if not isinstance(entry, dict):
        return entry if isinstance(entry, str) else ""
    found = (entry.get(name) for name in ("id", "name", "model"))
    return next((name for name in found if isinstance(name, str) and name), "")
