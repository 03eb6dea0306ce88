"""Questions put into groups by the words that they share, each counted by its rarity."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from context.words import searchable

_ALIKE = 0.5
"""Least cosine between a question and the first of a group. Found by trying: half of the weight is in common words."""
_STEM = 6
"""So many letters of a stem count, for languages that nobody took the stem of: most bend their words at the end."""
_COMMON = 200
"""Words that so many groups have say little; they are not looked up, which bounds the work."""


def grouped(texts: Sequence[str], stems_of: Callable[[Iterable[str]], Mapping[str, str]]) -> list[list[int]]:
    """The places of the texts, those of like ones together; a text is compared with the first of each group.

    ``stems_of`` is asked once, for the stems of all words; an empty one is that of a word that says nothing.
    """
    words = [searchable(text).split() for text in texts]
    stems = stems_of({word for each in words for word in each}) if words else {}
    known = [frozenset(_short(stems[word]) for word in each if stems[word]) or frozenset(each) for each in words]
    rarity = _rarity(known)
    return _groups([{stem: rarity[stem] for stem in each} for each in known])


def _short(stem: str) -> str:
    # Numbers, and names that have some, do not bend.
    return stem[:_STEM] if stem.isalpha() else stem


def _rarity(stems: Sequence[frozenset[str]]) -> dict[str, float]:
    counts = Counter(stem for each in stems for stem in each)
    return {stem: math.log(2 + len(stems) / count) for stem, count in counts.items()}


def _groups(weights: Sequence[dict[str, float]]) -> list[list[int]]:
    groups: list[list[int]] = []
    having: dict[str, list[int]] = defaultdict(list)
    lengths = [math.sqrt(sum(weight**2 for weight in each.values())) for each in weights]
    for place, each in enumerate(weights):
        shared: dict[int, float] = defaultdict(float)
        for stem, weight in each.items():
            if len(having[stem]) <= _COMMON:
                for group in having[stem]:
                    shared[group] += weight**2
        best = max(shared, key=lambda group: shared[group] / lengths[groups[group][0]], default=None)
        if best is not None and shared[best] >= _ALIKE * lengths[place] * lengths[groups[best][0]]:
            groups[best].append(place)
            continue
        groups.append([place])
        for stem in each:
            having[stem].append(len(groups) - 1)
    return groups
