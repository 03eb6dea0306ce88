"""The rows of the benchmark. Each asks the provider directly, then through the server, and compares."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from tests.fake_provider.metronome import Pace

from .answers import Job
from .load import Outcome
from .processes import ROOT, Provider, Server, run_job

D20 = Pace(tokens=200, pause=0.02)
SPREAD_SECONDS = 4.0
# What a turn stores after its last token belongs to its cost.
SETTLE_SECONDS = 0.5


@dataclass(frozen=True)
class Line:
    """One figure of a row; `compare` says how direct and through relate, where both are there."""

    row: str
    measure: str
    direct: float | None
    through: float
    compare: Literal["added", "ratio"] | None = None

    @property
    def comparison(self) -> float | None:
        if self.direct is None or self.compare is None:
            return None
        return self.through - self.direct if self.compare == "added" else self.through / self.direct


@dataclass(frozen=True)
class Pair:
    """The same job by both ways; the server's CPU time in seconds."""

    job: Job
    direct: Outcome
    through: Outcome
    cpu: float


@dataclass
class Bench:
    provider: Provider
    server: Server
    faults: list[str] = field(default_factory=list)

    def run(self, job: Job) -> Outcome:
        outcome = run_job(job)
        self.faults += [f"{job.row}, {job.target}, {job.kind}: {fault}" for fault in outcome.faults]
        return outcome

    def both(self, job: Job, pace: Pace) -> Pair:
        self.provider.set_pace(pace)
        direct = self.run(replace(job, url=self.provider.base_url, target="provider"))
        before = self.server.cpu_seconds()
        through = self.run(replace(job, url=self.server.url, target="server"))
        time.sleep(SETTLE_SECONDS)
        return Pair(job, direct, through, self.server.cpu_seconds() - before)


Row = Callable[[Bench], Iterator[Line]]


def streams(row: str, people: int, pace: Pace, *, rounds: int = 1, spread: float = 0.0) -> Job:
    return Job("", "provider", "stream", row, pace.tokens, people, rounds, spread)


def milliseconds(outcome: Outcome, quantile: float) -> float:
    times = outcome.first_text or [float("nan")]
    return times[min(len(times) - 1, int(len(times) * quantile))] * 1000


def first_text_lines(row: str, pair: Pair) -> Iterator[Line]:
    for name, quantile in (("median", 0.5), ("p95", 0.95)):
        times = milliseconds(pair.direct, quantile), milliseconds(pair.through, quantile)
        yield Line(row, f"first token, {name}, ms", *times, "added")


def rate_line(row: str, measure: str, count: int, pair: Pair) -> Line:
    return Line(row, measure, count / pair.direct.seconds, count / pair.through.seconds, "ratio")


def one_stream(bench: Bench) -> Iterator[Line]:
    """Short answers, because only their beginning counts here."""
    pace = Pace(tokens=20, pause=0.02)
    pair = bench.both(streams("one", 1, pace, rounds=20), pace)
    yield from first_text_lines("1 stream d20, 20 in a row", pair)


def paced_streams(name: str, people: int, spread: float = 0.0) -> Row:
    def row(bench: Bench) -> Iterator[Line]:
        title = f"{people} streams d20, " + (f"begun over {spread:.0f} s" if spread else "at once")
        pair = bench.both(streams(name, people, D20, spread=spread), D20)
        yield from first_text_lines(title, pair)
        yield rate_line(title, "tokens/s", people * D20.tokens, pair)
        yield Line(title, "server's CPU per stream, ms", None, pair.cpu / people * 1000)

    return row


def load(bench: Bench) -> Iterator[Line]:
    """The row that must not lose a token: every answer and every history is read in full."""
    title, people = "300 streams d20, at once", 300
    before, faults_before = bench.server.memory(), len(bench.faults)
    yield from paced_streams("load", people)(bench)
    job = replace(streams("load", people, D20, spread=SPREAD_SECONDS), url=bench.server.url, target="server")
    wrong_answers = len(bench.faults) - faults_before
    bench.run(replace(job, kind="history"))
    wrong_histories = len(bench.faults) - faults_before - wrong_answers
    yield Line(title, "answers whole and in order", None, people - wrong_answers)
    yield Line(title, "histories right", None, people - wrong_histories)
    yield Line(title, "server's memory before, MB", None, before)
    yield Line(title, "server's memory after, MB", None, bench.server.memory())


def flood(bench: Bench) -> Iterator[Line]:
    pace = Pace(tokens=200, pause=0.0)
    pair = bench.both(streams("flood", 50, pace, rounds=5), pace)
    title = "50 streams without pauses"
    yield rate_line(title, "tokens/s", 50 * 5 * pace.tokens, pair)
    yield Line(title, "server's CPU per stream, ms", None, pair.cpu / (50 * 5) * 1000)


def plain(bench: Bench) -> Iterator[Line]:
    pace = Pace(tokens=200, pause=0.0)
    pair = bench.both(replace(streams("plain", 20, pace, rounds=20), kind="plain"), pace)
    title = "plain messages, 20 at once"
    yield rate_line(title, "answers/s", 20 * 20, pair)
    yield Line(title, "server's CPU per answer, ms", None, pair.cpu / (20 * 20) * 1000)


def prompts(_: Bench) -> Iterator[Line]:
    """In a process and a database of their own, because a turn's prompt is built inside the server."""
    command = [sys.executable, "-m", "bench.prompts", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, text=True, check=True)
    for figure in json.loads(done.stdout):
        title = f"prompt, {figure['turns']:,} turns deep, {figure['budget']:,} tokens"
        yield Line(title, "built in, median, ms", None, figure["median"])
        yield Line(title, "queries", None, figure["queries"])


ROWS: Mapping[str, Row] = {
    "one": one_stream,
    "flood": flood,
    "100": paced_streams("100", 100),
    "100-spread": paced_streams("100-spread", 100, SPREAD_SECONDS),
    "load": load,
    "500": paced_streams("500", 500),
    "500-spread": paced_streams("500-spread", 500, SPREAD_SECONDS),
    "plain": plain,
    "prompt": prompts,
}


def warm_up(bench: Bench) -> None:
    """A few answers of both kinds, so that no row pays for what happens only once."""
    bench.provider.set_pace(Pace(tokens=5, pause=0.0))
    job = replace(streams("warm", 5, Pace(5, 0.0)), url=bench.server.url, target="server")
    bench.run(job)
    # Another row name means other people, so that each history has one question only.
    bench.run(replace(job, kind="plain", row="warm-plain"))


def measure(names: list[str]) -> tuple[list[Line], list[str]]:
    """The lines of these rows, measured on one server, and everything that was wrong with an answer."""
    with Provider() as provider, Server(provider.base_url) as server:
        bench = Bench(provider, server)
        idle = server.memory()
        warm_up(bench)
        lines = [line for name in names for line in ROWS[name](bench)]
        lines.append(Line("server's memory (database aside)", "idle, MB", None, idle))
        lines.append(Line("server's memory (database aside)", "after all this, MB", None, server.memory()))
        return lines, bench.faults
