"""The provider of the soak: what it should say to each question, and the ways in which it does not."""

import dataclasses
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from random import Random

from chat.agent.summary import INSTRUCTIONS
from tests.fake_provider import (
    Reply,
    Request,
    Response,
    bad_json,
    bad_utf8,
    call,
    context_too_long,
    cut,
    dropped,
    error_event,
    html,
    json_error,
    late,
    model_not_found,
    no_done,
    no_finish,
    nothing,
    null_delta,
    odd_choices,
    reasoning,
    redirect,
    silence,
    stall,
    status,
    text,
    tool_calls,
    wordless,
)
from tests.fake_provider.replies import Part, tokens_of

TAG = re.compile(r"\bq(\d{7})\b")
FIRST_BYTE_SECONDS = 6.0
STALL_SECONDS = 4.0


def tag(number: int) -> str:
    """The word by which a question, and every word of its answer, is told from all others."""
    return f"q{number:07d}"


def numbers_in(said: str) -> list[int]:
    """The questions whose tags stand in a text, in the order in which they do."""
    return [int(found) for found in TAG.findall(said)]


def number_of(said: str) -> int:
    """The question that a text belongs to; 0 where there is no telling."""
    return next(iter(numbers_in(said)), 0)


def full_answer(number: int) -> str:
    count = Random(number).randint(8, 90)
    return " ".join(f"{tag(number)}-{place:02d}" for place in range(count))


Mood = Callable[[str, Random], Reply]
"""A reply out of the answer that would be right."""


def some_pause(random: Random) -> float:
    return random.uniform(0.01, 0.09)


def broken(fault: Callable[..., Reply]) -> Mood:
    """The fault in the middle of the answer."""

    def mood(answer: str, random: Random) -> Reply:
        words = tokens_of(answer)
        return fault("".join(words[: random.randrange(1, len(words))]), pause=some_pause(random))

    return mood


def garbled(fault: Callable[[str], Reply]) -> Mood:
    return lambda answer, _: fault(answer[: len(answer) // 2])


def instead(reply: Reply) -> Mood:
    return lambda *_: reply


WHOLE: Mapping[str, tuple[float, Mood]] = {
    "whole, with pauses": (45, lambda answer, random: text(answer, pause=some_pause(random))),
    "whole, at once": (8, lambda answer, _: text(answer)),
    "whole, late": (4, lambda answer, random: late(random.uniform(0.3, 3), text(answer))),
    "whole, after reasoning": (3, lambda answer, _: reasoning("Let me think about it.", answer)),
    "whole, without [DONE]": (2, lambda answer, _: no_done(answer)),
    "whole, finish_reason length": (2, lambda answer, _: text(answer, finish="length")),
}
MOODS: Mapping[str, tuple[float, Mood]] = {
    **WHOLE,
    "tool call": (4, instead(tool_calls(call("current_time")))),
    "429": (4, instead(status(429, retry_after=1))),
    "500": (4, instead(status(500))),
    "503": (3, instead(status(503))),
    "401": (2, instead(status(401))),
    "404 model": (1, instead(model_not_found())),
    "400 context": (1, instead(context_too_long())),
    "redirect": (1, instead(redirect("http://127.0.0.1:9/v1/chat/completions"))),
    "html": (2, instead(html())),
    "empty body": (2, instead(nothing())),
    "no words": (2, instead(wordless())),
    "JSON error": (1, instead(json_error())),
    "dropped": (2, instead(dropped())),
    "silence": (1, instead(silence())),
    "too late": (1, lambda answer, _: late(FIRST_BYTE_SECONDS + 2, text(answer))),
    "stall": (4, broken(stall)),
    "stall at once": (1, instead(stall())),
    "cut": (4, broken(cut)),
    "no_finish": (3, garbled(no_finish)),
    "error event": (2, garbled(error_event)),
    "bad JSON": (1, garbled(bad_json)),
    "bad UTF-8": (1, garbled(bad_utf8)),
    "null delta": (1, garbled(null_delta)),
    "odd choices": (1, garbled(odd_choices)),
}


_SUMMARISE = INSTRUCTIONS.partition("{")[0]


def _summary(request: Request) -> Response:
    """Without tags, which are for answers; a third of the requests fail."""
    return Random(request.body).choice([text("They counted."), text("They counted.", pause=0.5), status(500)])(request)


class MoodyProvider:
    """The fake provider's reply to everything: at random once it is not `calm` any more.

    What it does to a question's nth call depends on seed, question and n alone. It keeps count of the kinds, and for
    each question the times at which the last byte of a whole answer went out.
    """

    def __init__(self, seed: int) -> None:
        self.calm = True
        self.kinds: Counter[str] = Counter()
        self.calls: Counter[int] = Counter()
        self.whole: defaultdict[int, list[float]] = defaultdict(list)
        self._seed = seed

    def __call__(self, request: Request) -> Response:
        if request.messages[0]["content"].startswith(_SUMMARISE):
            self.kinds["summary"] += 1
            return _summary(request)
        number = numbers_in(request.question)[-1]
        self.calls[number] += 1
        random = Random(f"{self._seed} {number} {self.calls[number]}")
        moods = {"whole, at once": MOODS["whole, at once"]} if self.calm else MOODS
        [kind] = random.choices(list(moods), [weight for weight, _ in moods.values()])
        self.kinds[kind] += 1
        response = moods[kind][1](full_answer(number), random)(request)
        return dataclasses.replace(response, parts=self._noted(number, response.parts)) if kind in WHOLE else response

    def _noted(self, number: int, parts: Iterable[Part]) -> Iterator[Part]:
        yield from parts
        self.whole[number].append(time.monotonic())
