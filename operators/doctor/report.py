"""What the doctor says."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True)
class Line:
    """``about`` names what was looked at, ``text`` says how it is, and ``advice`` what to do."""

    about: str
    level: Level
    text: str
    advice: str = ""


def ok(about: str, text: str) -> Line:
    return Line(about, Level.OK, text)


def warning(about: str, text: str, advice: str = "") -> Line:
    return Line(about, Level.WARNING, text, advice)


def failure(about: str, text: str, advice: str = "") -> Line:
    return Line(about, Level.FAILURE, text, advice)
