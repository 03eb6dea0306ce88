"""A provider's bad days. Every fault works for a stream and for a plain answer.

`after` is the text that goes out before things go wrong; while it is empty, they go wrong before the first token.
`gate` and `pause` are those of `Answer`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping

from .replies import Answer, Ending, Gate, Part, Reply, Response, spoken, text
from .request import Request
from .vendors import VENDORS
from .wire import DONE, Completion, encode, event

Tail = Callable[[Completion], Iterator[Part]]

KIND_OF_STATUS = {401: "key", 403: "forbidden", 404: "model", 413: "too large", 429: "rate"}
KIND_OF_STATUS |= {500: "server", 502: "overloaded", 503: "overloaded", 504: "overloaded", 529: "overloaded"}
MARK = "☃"


# Refusals: an error status and a body in the vendor's words, the provider's own vendor unless another is named.


def refused(
    kind: str,
    status: int | None = None,
    *,
    vendor: str | None = None,
    headers: Mapping[str, str] | None = None,
    **details: str,
) -> Reply:
    """An error of a kind that `vendors.py` has words for, with the status that the vendor gives it."""

    def reply(request: Request) -> Response:
        speaker = VENDORS[vendor] if vendor else request.vendor
        problem = speaker.problem(kind, {"model": request.json["model"], **details}, status)
        return Response([encode(speaker.error(problem))], problem.status, headers or {})

    return reply


def status(code: int, *, retry_after: float | str | None = None, vendor: str | None = None) -> Reply:
    """Exactly this status; `retry_after` in seconds, or as the text of an HTTP date."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    kind = KIND_OF_STATUS.get(code, "invalid")
    return refused(kind, code, vendor=vendor, headers=headers, why="The request could not be served.")


def key_refused(*, vendor: str | None = None) -> Reply:
    return refused("key", vendor=vendor)


def model_not_found(*, vendor: str | None = None) -> Reply:
    return refused("model", vendor=vendor)


def context_too_long(*, vendor: str | None = None) -> Reply:
    return refused("context", vendor=vendor)


def field_refused(name: str, *, vendor: str | None = None) -> Reply:
    return refused("field", vendor=vendor, field=name)


def redirect(url: str, code: int = 307) -> Reply:
    return lambda _: Response([b""], code, {"location": url})


# Silence and broken connections.


def silence() -> Reply:
    """The request is taken, and not a byte comes back."""
    return lambda _: Response([Ending.HANG])


def dropped() -> Reply:
    """The request is taken, and the connection closed without a byte."""
    return lambda _: Response([Ending.CUT])


def late(wait: float | Gate, reply: Reply) -> Reply:
    """The first byte, status line included, comes only after so many seconds, or when the test lets it."""

    def delayed(request: Request) -> Response:
        response = reply(request)
        return Response(itertools.chain([wait], response.parts), response.status, response.headers)

    return delayed


def stall(after: str = "", *, gate: Gate | None = None, pause: float = 0.0) -> Reply:
    """Silence in the middle of the answer."""
    return ending_with(Ending.HANG, after, gate, pause)


def cut(after: str = "", *, gate: Gate | None = None, pause: float = 0.0) -> Reply:
    """The connection goes in the middle of the answer."""
    return ending_with(Ending.CUT, after, gate, pause)


def ending_with(ending: Ending, after: str, gate: Gate | None, pause: float) -> Reply:
    answer = Answer(*spoken(after), gate=gate, pause=pause)

    def stream(_: Completion) -> Iterator[Part]:
        yield from [gate] if gate else []
        yield ending

    def plain(completion: Completion) -> Iterator[Part]:
        yield from half(*answer.plain(completion))
        yield ending

    return broken(answer, stream, plain)


def half(*parts: Part) -> Iterator[Part]:
    """The parts, with the last, the body, cut in the middle."""
    *before, body = parts
    assert isinstance(body, bytes)
    return iter([*before, body[: len(body) // 2]])


def no_finish(after: str) -> Reply:
    """A stream that ends cleanly without `finish_reason` and `[DONE]`."""
    return text(after, finish=None, done=False)


def no_done(content: str) -> Reply:
    """A whole answer, only without `[DONE]`: nothing is wrong with it."""
    return text(content, done=False)


# 200 with something else than an answer.


def html() -> Reply:
    page = b"<!DOCTYPE html><html><body><h1>Welcome to the gateway</h1></body></html>"
    return lambda _: Response([page], headers={"content-type": "text/html"})


def nothing() -> Reply:
    return lambda _: Response([])


def json_error() -> Reply:
    """An error as JSON, but with status 200."""

    def reply(request: Request) -> Response:
        error = request.vendor.error(request.vendor.problem("server", {}))
        return Response([encode(error)], headers={"content-type": "application/json"})

    return reply


def error_event(after: str = "") -> Reply:
    """The error comes as an event of the stream."""
    error = {"error": {"message": "The server had an error while processing.", "type": "server_error", "code": 500}}
    return broken(Answer(*spoken(after)), lambda _: iter([event(error), DONE]), lambda _: iter([encode(error)]))


def wordless() -> Reply:
    """An answer that is whole, and has no text."""
    return text("")


# Events that are not what they should be, among good ones.


def bad_utf8(after: str = "") -> Reply:
    def spoil(good: bytes) -> bytes:
        return good.replace(MARK.encode(), b"\xff\xfe\x80")

    return garbled(
        after,
        lambda completion: spoil(completion.chunk({"content": MARK})),
        lambda completion: spoil(completion.whole({"role": "assistant", "content": MARK}, "stop", 1)),
    )


def bad_json(after: str = "") -> Reply:
    return garbled(
        after,
        lambda completion: completion.chunk({"content": "never"})[:60] + b"\n\n",
        lambda completion: completion.whole({"role": "assistant", "content": "never"}, "stop", 1)[:60],
    )


def null_delta(after: str = "") -> Reply:
    return garbled(after, lambda c: c.chunk(None), lambda c: c.whole(None, "stop", 0))


def odd_choices(after: str = "") -> Reply:
    return garbled(after, lambda c: c.bare_chunk("x"), lambda c: c.bare_whole("x"))


def garbled(after: str, bad_event: Callable[[Completion], bytes], bad_whole: Callable[[Completion], bytes]) -> Reply:
    def stream(completion: Completion) -> Iterator[Part]:
        yield bad_event(completion)
        yield from completion.ending("stop", 1)
        yield DONE

    return broken(Answer(*spoken(after)), stream, lambda completion: iter([bad_whole(completion)]))


# Too much.


def huge_line(megabytes: int = 200) -> Reply:
    """One token of that size."""
    pieces = [b"x" * 65_536] * (megabytes * 16)

    def stream(completion: Completion) -> Iterator[Part]:
        yield from around(completion.chunk({"content": MARK}), pieces)
        yield from completion.ending("stop", 1)
        yield DONE

    return broken(Answer([], {}), stream, lambda completion: around(whole_of_mark(completion), pieces))


def endless(pause: float = 0.0) -> Reply:
    """An answer that never ends."""

    def stream(completion: Completion) -> Iterator[Part]:
        yield from paced(completion.chunk({"content": "and on "}), pause)

    return broken(Answer([], {}), stream, lambda c: around(whole_of_mark(c), paced(b"and on ", pause)))


def paced(piece: bytes, pause: float) -> Iterator[Part]:
    return itertools.cycle([piece, pause] if pause else [piece])


def around(body: bytes, pieces: Iterable[Part]) -> Iterator[Part]:
    """The body with the pieces where the mark is."""
    before, after = body.split(MARK.encode())
    yield before
    yield from pieces
    yield after


def whole_of_mark(completion: Completion) -> bytes:
    return completion.whole({"role": "assistant", "content": MARK}, "stop", 1)


def broken(answer: Answer, stream: Tail, plain: Tail) -> Reply:
    """The answer's start and then `stream`; or `plain` alone."""

    def reply(request: Request) -> Response:
        completion = Completion(request)
        if request.is_stream:
            return Response(itertools.chain(answer.start(completion), stream(completion)))
        return Response(plain(completion))

    return reply
