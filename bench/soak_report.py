"""The soak's findings as text."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest

from .soak_checks import Evidence, Rule
from .soak_world import Level

LONGEST_EXAMPLE = 500
LEVELS: Mapping[str, Callable[[Level], float]] = {
    "open files": lambda level: level.files,
    "threads": lambda level: len(level.threads),
    "tasks": lambda level: len(level.tasks),
    "database connections": lambda level: level.connections,
    "memory, MB": lambda level: level.memory,
}


def counts(evidence: Evidence) -> Iterator[str]:
    asks = evidence.diary.asks
    yield from lines("requests for an answer", Counter(ask.kind + ", with a key" * bool(ask.key) for ask in asks))
    yield from lines("and how they ended", Counter(f"{ask.end} {ask.status or ''}".strip() for ask in asks))
    stops = sum(map(len, evidence.diary.stops.values()))
    yield from lines("other requests", {"history": evidence.diary.histories, "stop": stops})
    answers = [row for row in evidence.rows if row.role == "assistant"]
    yield from lines("answers stored", Counter(row.status for row in answers))
    yield from lines("strikes", Counter(strike.kind for strike in evidence.strikes))
    yield from lines("calls of the provider", evidence.provider.kinds)
    yield from most(evidence)
    yield from levels(evidence)


def most(evidence: Evidence) -> Iterator[str]:
    yield "the most that was seen at any time"
    exits = [strike.seconds_to_exit for strike in evidence.strikes]
    for name, figure in (
        ("seconds from a signal to the server's exit", max(exits, default=0)),
        ("seconds since the last sign of life of a streaming answer", evidence.seen.heartbeat_age),
        ("seconds that a transaction was left open", evidence.seen.idle_in_transaction),
        ("database connections", evidence.seen.connections),
    ):
        yield f"  {name:<60}{figure:>8,.1f}"


def levels(evidence: Evidence) -> Iterator[str]:
    yield f"{'held when idle':<54}{'started':>8}{'burst':>8}{'soaked':>8}"
    for name, figure in LEVELS.items():
        figures = [figure(level) for level in (evidence.started, evidence.fresh, evidence.last)]
        yield f"  {name:<52}" + "".join(f"{each:>8,.0f}" for each in figures)


def examples(rules: Mapping[str, Rule]) -> Iterator[str]:
    """One of each broken promise, then the next of each."""
    for round_ in zip_longest(*(rule.broken for rule in rules.values())):
        yield from (
            f"{name}: {example:.{LONGEST_EXAMPLE}}" for name, example in zip(rules, round_, strict=True) if example
        )


def lines(title: str, figures: Mapping[str, int]) -> Iterator[str]:
    yield f"{title:<62}{sum(figures.values()):>8,}"
    for name, figure in sorted(figures.items(), key=lambda item: -item[1]):
        yield f"  {name:<60}{figure:>8,}"


def table(rules: Mapping[str, Rule]) -> Iterator[str]:
    yield f"{'promises':<62}{'checked':>8}{'broken':>8}"
    for name, rule in rules.items():
        yield f"  {name:<60}{rule.checked:>8,}{len(rule.broken):>8,}"
