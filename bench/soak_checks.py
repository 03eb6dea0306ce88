"""What must be true after the soak, whatever happened."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.fake_provider import Request
from tests.fake_provider.request import text_of

from .soak_chaos import TERM, Seen, Strike
from .soak_people import Ask, Block, Diary
from .soak_provider import MoodyProvider, full_answer, number_of, numbers_in, tag
from .soak_world import DRAIN_SECONDS, POOL_SIZE, Level

SAVE_LAG_SECONDS = 3.0
"""How much of an answer's end may be lost with a killed process: text is stored about once a second."""
LONGEST_ANSWER_SECONDS = 30.0
HEARTBEAT_LOST_SECONDS = 33.0
OUTCOMES = ("complete", "interrupted", "failed", "stopped")
BUGS = re.compile(r"Traceback|by a bug|application failed|never retrieved|was destroyed|not as clean|server failed")


@dataclass(frozen=True)
class Row:
    """A message as it is stored."""

    email: str
    sequence: int
    role: str
    status: str
    text: str
    error: str
    last_sequence: int


@dataclass
class Evidence:
    """All that is known after the soak."""

    diary: Diary
    rows: list[Row]
    histories: dict[str, list[Any]]
    provider: MoodyProvider
    requests: list[Request]
    strikes: list[Strike]
    seen: Seen
    started: Level
    fresh: Level
    last: Level
    end_seconds: float
    log: str
    left_over: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answers: defaultdict[int, list[Row]] = defaultdict(list)
        """The answers' rows of each question; more than one where it was stored more than once."""
        for question, answer in pairwise(self.rows):
            if question.role == "user" and answer.email == question.email:
                self.answers[number_of(question.text)].append(answer)


@dataclass
class Rule:
    checked: int = 0
    broken: list[str] = field(default_factory=list)


Finding = tuple[str, bool, object]
"""The rule, whether it holds here, and an example of how it does not."""
Check = Callable[[Evidence], Iterator[Finding]]


def check(evidence: Evidence) -> dict[str, Rule]:
    rules: defaultdict[str, Rule] = defaultdict(Rule)
    for checks in CHECKS:
        for name, holds, example in checks(evidence):
            rules[name].checked += 1
            if not holds:
                rules[name].broken.append(str(example))
    return rules


def questions(evidence: Evidence) -> Iterator[Finding]:
    keyed = {ask.number for ask in evidence.diary.asks if ask.is_keyed}
    for ask in evidence.diary.asks:
        if not ask.number:
            continue
        found = evidence.answers[ask.number]
        if ask.reuses_key:
            yield "another question under a used key is refused", ask.status != 200 and not found, shown(ask, found)
        if ask.number in keyed:
            # A question that got no text may be asked again under its key.
            found = [row for row in found[:-1] if row.text] + found[-1:]
        if ask.text or ask.status in (200, 500, 502, 504):
            yield "a question that got any answer is in the history exactly once", len(found) == 1, shown(ask, found)
        else:
            yield "a question that got none is in the history at most once", len(found) <= 1, shown(ask, found)
    for number in evidence.answers:
        yield "every question in the history was asked", number in evidence.diary.contents, tag(number)


def answers(evidence: Evidence) -> Iterator[Finding]:
    for ask in evidence.diary.asks:
        if not (found := evidence.answers[ask.number][-1:]):
            continue
        [row] = found
        stopped = row.status == "stopped" and bool(evidence.diary.stops[ask.email])
        if ask.end == "whole":
            holds = row.text == ask.text and (stopped or row.status == "complete")
            yield "an answer heard to its end is stored so, and complete", holds, shown(ask, found)
        elif ask.text:
            holds = row.text.startswith(must_be_stored(evidence, ask, row))
            yield "the text that was heard is stored", holds, shown(ask, found)
        if ask.end == "error event" or ask.status in (500, 502, 504):
            yield "what was told as failed is not complete", row.status != "complete", shown(ask, found)


def must_be_stored(evidence: Evidence, ask: Ask, row: Row) -> str:
    """All the text heard, but for an answer whose process was killed: that may lack what came since the last save."""
    kills = [strike.began for strike in evidence.strikes if strike.kills_server]
    kills = [began for began in kills if -1 < began - ask.began < LONGEST_ANSWER_SECONDS]
    if row.status != "interrupted" or ask.end == "error event" or not kills:
        return ask.text
    horizon = kills[0] - SAVE_LAG_SECONDS
    for strike in reversed(evidence.strikes):
        if strike.hits_postgres and strike.began - 1 <= horizon <= strike.ended + SAVE_LAG_SECONDS:
            horizon = strike.began - SAVE_LAG_SECONDS
    return ask.text[: max((length for at, length in ask.heard if at < horizon), default=0)]


def stored(evidence: Evidence) -> Iterator[Finding]:
    for row in evidence.rows:
        if row.role != "assistant":
            continue
        yield "nothing is left streaming", row.status != "streaming", row
        yield "every answer has an honest status", row.status in OUTCOMES, row
        number = number_of(row.text)
        if row.status == "complete":
            yield "a complete answer is the provider's whole text", row.text == full_answer(number), row
        elif row.text:
            yield "what is stored of others is the beginning of it", full_answer(number).startswith(row.text), row
        if not row.error and row.status in ("interrupted", "failed"):
            # One without text may be a question whose commit went through while its confirmation was lost.
            struck = [strike for strike in evidence.strikes if strike.kills_server or not row.text]
            yield "who broke off without a reason was struck down", bool(struck), row


def conversations(evidence: Evidence) -> Iterator[Finding]:
    by_email: defaultdict[str, list[Row]] = defaultdict(list)
    for row in evidence.rows:
        by_email[row.email].append(row)
    for email, rows in by_email.items():
        sequences = [row.sequence for row in rows]
        holds = sequences == list(range(1, rows[0].last_sequence + 1))
        yield "sequences have no gap and no duplicate", holds, f"{email}: {sequences} of {rows[0].last_sequence}"
        roles = [row.role for row in rows]
        holds = roles == ["user", "assistant"] * (len(rows) // 2)
        yield "each question is followed by its answer", holds, f"{email}: {roles}"
        for question, answer in zip(rows[::2], rows[1::2], strict=False):
            holds = not answer.text or number_of(answer.text) == number_of(question.text)
            yield "each answer is that of its question", holds, f"{email}: {question} {answer}"


def histories(evidence: Evidence) -> Iterator[Finding]:
    """The API shows what the database holds, the questions as they were sent."""
    for email, messages in evidence.histories.items():
        expected = [expectation(evidence, row) for row in evidence.rows if row.email == email]
        got = [(message["role"], message["content"]) for message in messages]
        wrong = [pair for pair in zip(got, [each for each in expected if each], strict=False) if pair[0] != pair[1]]
        yield "the API's history is that of the database", not wrong, f"{email}: {wrong[:1]}"
        yield "its length too", len(got) == sum(map(bool, expected)), f"{email}: {len(got)}"
    for rule, example in evidence.diary.wrong:
        yield rule, False, example
    for _ in range(evidence.diary.histories):
        yield "what was heard to its end is in the history at once", True, ""


def expectation(evidence: Evidence, row: Row) -> tuple[str, list[Block]] | None:
    if row.role == "user":
        return "user", evidence.diary.contents.get(number_of(row.text), [])
    return ("assistant", [{"type": "text", "text": row.text}]) if row.text else None


def connections(evidence: Evidence) -> Iterator[Finding]:
    for ask in evidence.diary.asks:
        found = evidence.answers[ask.number]
        yield "nobody waits a minute for an answer", ask.end != "silence", shown(ask, found)
        if ask.end == "cut" or (ask.end == "no answer" and found):
            kills = [strike for strike in evidence.strikes if strike.kills_server]
            holds = any(ask.began < strike.ended and strike.began < ask.ended for strike in kills)
            yield "without a closing event only killed connections go", holds, shown(ask, found)
        if ask.status and ask.status >= 400:
            yield "no request meets a bug", ask.status in (409, 429, 502, 503, 504), shown(ask, found)
        if ask.status in (429, 503):
            yield "429 and 503 say when to try again", bool(ask.retry_after), shown(ask, found)


def provider(evidence: Evidence) -> Iterator[Finding]:
    chats = [request for request in evidence.requests if request.path.endswith("/chat/completions")]
    refused = len(chats) - evidence.provider.kinds.total()
    yield "the provider was sent no malformed request", not refused, f"{refused} refused"
    yield "no call of the provider is left open", all(request.ended_at for request in chats), ""
    for number, times in evidence.provider.whole.items():
        yield "no question is answered twice", len(times) == 1, f"{tag(number)}: {times}"
        ends = [strike for strike in evidence.strikes if strike.hits_server]
        if any(strike.began - SAVE_LAG_SECONDS < times[-1] < strike.ended for strike in ends):
            continue
        found = evidence.answers[number]
        holds = bool(found) and found[-1].status in ("complete", "stopped")
        yield "what the provider gave whole is stored whole, listener or not", holds, f"{tag(number)}: {found}"


def prompts(evidence: Evidence) -> Iterator[Finding]:
    texts = {row.text: row.email for row in evidence.rows if row.role == "assistant"}
    emails = {row.email for row in evidence.rows}
    for request in evidence.requests:
        said = [text_of(message) for message in request.messages if message["role"] == "assistant"]
        number = numbers_in(request.question)[-1]
        email = f"person{number // 10_000}@soak.example"
        assert email in emails
        wrong = [text for text in said if text and texts.get(text) != email]
        yield "prompts hold this person's answers, none half-written", not wrong, f"{tag(number)}: {wrong[:1]}"


def leaks(evidence: Evidence) -> Iterator[Finding]:
    fresh, last, seen = evidence.fresh, evidence.last, evidence.seen
    yield "no file descriptor is leaked", last.files <= fresh.files + 10, f"{fresh.files} → {last.files}"
    extra = Counter(last.threads) - Counter(fresh.threads)
    yield "no thread is leaked", len(last.threads) <= len(fresh.threads) + 8, extra
    extra = Counter(last.tasks) - Counter(evidence.started.tasks)
    yield "no task is leaked", not extra, extra
    yield "no database connection is leaked", last.connections <= POOL_SIZE, last.connections
    yield "the pool's size is kept to at all times", seen.connections <= POOL_SIZE + 1, seen.connections
    yield "no transaction is left open", seen.idle_in_transaction < 3, f"{seen.idle_in_transaction:.1f} s"
    yield "no dead answer streams for longer than 30 s", seen.heartbeat_age < HEARTBEAT_LOST_SECONDS, seen
    yield "an idle server ends at once", evidence.end_seconds < 5, f"{evidence.end_seconds:.1f} s"
    yield "no process is left over", not evidence.left_over, evidence.left_over
    bugs = [line for line in evidence.log.splitlines() if BUGS.search(line)]
    yield "the log tells of no bug", not bugs, bugs[:3]


def ends(evidence: Evidence) -> Iterator[Finding]:
    for strike in evidence.strikes:
        if strike.kind == TERM:
            yield (
                "SIGTERM ends the server in time, with exit code 0",
                (strike.exit_code == 0 and strike.seconds_to_exit < DRAIN_SECONDS + 10),
                strike,
            )


def shown(ask: Ask, found: list[Row]) -> str:
    rows = [f"{row.sequence} {row.status} {len(row.text)} {row.error!r}" for row in found]
    return (
        f"{tag(ask.number)} {ask.email} {ask.kind}{' keyed' * ask.is_keyed}: {ask.status} {ask.end} {ask.error!r},"
        f" {len(ask.text)} characters from {ask.began:.1f} to {ask.ended:.1f}; stored: {rows}"
    )


CHECKS: tuple[Check, ...] = (
    questions,
    answers,
    stored,
    conversations,
    histories,
    connections,
    provider,
    prompts,
    leaks,
    ends,
)
