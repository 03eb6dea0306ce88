"""Which content can become text at all, told by its declared type and its name."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote

_OFFICE = "application/vnd.openxmlformats-officedocument."
_TYPES = {
    "application/json",
    "application/jsonl",
    "application/ndjson",
    "application/x-ndjson",
    "application/xml",
    "application/pdf",
    "application/x-pdf",
    "application/csv",
    "application/markdown",
    "application/x-ipynb",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/sql",
    "application/javascript",
    "application/x-javascript",
    "application/ecmascript",
    "application/typescript",
    "application/x-httpd-php",
    "application/x-python-code",
    "application/x-sh",
    "application/x-tex",
    f"{_OFFICE}wordprocessingml.document",
    f"{_OFFICE}presentationml.presentation",
    f"{_OFFICE}spreadsheetml.sheet",
}
# What servers say that do not know better.
_VAGUE = {"", "application/octet-stream", "binary/octet-stream", "application/zip", "application/x-download"}
_SUFFIXES = set(
    """
    txt text log md markdown rst adoc html htm xhtml pdf docx pptx xlsx csv tsv json jsonl ndjson ipynb xml yaml yml
    toml ini cfg conf tex sql py pyi js mjs cjs ts jsx tsx vue svelte css scss java kt kts scala groovy c h cc cpp
    hpp cs fs go rs rb php pl pm lua r jl swift m hs ml ex exs erl clj dart sh bash zsh fish ps1 bat proto graphql
    """.split()  # noqa: SIM905
)


def media_type(content_type: str) -> str:
    """The type alone out of a ``Content-Type`` header, lower case; empty for what is none."""
    match = re.match(r"\s*([\w.+-]+/[\w.+-]+)\s*(;|,|$)", content_type, re.ASCII)
    return match[1].lower() if match else ""


def names_text(name: str) -> bool:
    """Whether a file's name ends like that of a text or document."""
    return PurePosixPath(name).suffix.lower().removeprefix(".") in _SUFFIXES


def can_be_read(content_type: str, path: str) -> bool:
    """By the type; by the end of the path's name where the type says nothing."""
    kind = media_type(content_type)
    if kind in _VAGUE:
        name = unquote(path.partition("?")[0])
        return names_text(name) or (not kind and not PurePosixPath(name).suffix)
    if kind.startswith(("text/", "application/")) and kind.endswith(("+json", "+xml")):
        return True
    return kind.startswith("text/") or kind in _TYPES
