"""Questions put into groups by the words that they share, each counted by its rarity."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from context.words import searchable

_ALIKE = 0.5
"""Least cosine between a question and the first of a group. Found by trying: half of the weight is in common words."""
_STEM = 6
"""Beginnings of words stand for their stems: "refund" and "refunds" are one, in any language that bends its endings."""
_COMMON = 200
"""Words that so many groups have say little; they are not looked up, which bounds the work."""


def grouped(texts: Sequence[str], stop_words: Callable[[Iterable[str]], set[str]]) -> list[list[int]]:
    """The places of the texts, those of like ones together; a text is compared with the first of each group.

    ``stop_words`` is asked once, which of all words are some.
    """
    words = [searchable(text).split() for text in texts]
    stopped = stop_words({word for each in words for word in each}) if words else set()
    stems = [_stems(each, stopped) for each in words]
    rarity = _rarity(stems)
    return _groups([{stem: rarity[stem] for stem in each} for each in stems])


def _stems(words: Sequence[str], stopped: set[str]) -> frozenset[str]:
    """What a text is known by; all its words, where it has none but stop words."""
    return frozenset(_stem(word) for word in words if word not in stopped) or frozenset(words)


def _stem(word: str) -> str:
    # Numbers, and names that have some, do not bend.
    return word[:_STEM] if word.isalpha() else word


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
