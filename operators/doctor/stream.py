"""Does a stream come through the public address in pieces, or does a proxy hold it back?"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator

import httpx2
from django.conf import settings

from ccagent.api.authentication import KEY_HEADER
from operators.doctor.report import Line, failure, ok, warning

PATH = "/api/doctor/stream"
PIECES, PAUSE_SECONDS = 6, 0.3
SECONDS = 20.0
_LASTS = (PIECES - 1) * PAUSE_SECONDS
_ABOUT = "stream"
_ADVICE = (
    "Let the proxy pass answers on as they come, without buffering or compressing them: "
    "docs/deploy-docker.md has the lines for nginx and Caddy."
)


async def pieces() -> AsyncGenerator[bytes, None]:
    """What is sent to be looked at on its way: like an answer, and nobody's."""
    for number in range(PIECES):
        if number:
            await asyncio.sleep(PAUSE_SECONDS)
        yield f"data: {json.dumps({'chunk': f'piece {number + 1} of {PIECES} '})}\n\n".encode()


async def look() -> list[Line]:
    address = settings.ENV.app_url
    if not address:
        text = "APP_URL is not set, so nobody knows where to look."
        return [ok(_ABOUT, text) if settings.DEV_MODE else warning(_ABOUT, text, "Set it to the public address.")]
    try:
        return [await _follow(f"{address}{PATH}")]
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        text = f"Nobody answers at {address}: {type(error).__name__}."
        return [failure(_ABOUT, text, "Check APP_URL, its DNS entry and certificate, and that `serve` runs.")]


async def _follow(url: str) -> Line:
    headers = {"Accept": "text/event-stream", KEY_HEADER: settings.INTERNAL_API_KEY}
    arrivals: list[float] = []
    async with (
        httpx2.AsyncClient(timeout=SECONDS) as client,
        client.stream("GET", url, headers=headers) as response,
    ):
        if response.status_code != 200 or "event-stream" not in response.headers.get("content-type", ""):
            return _other(response.status_code)
        async for _ in response.aiter_raw():
            arrivals.append(time.monotonic())
    return _judged(arrivals)


def _other(status: int) -> Line:
    if status == 401:
        return failure(_ABOUT, "APP_URL leads to an agent with another key.", "Check APP_URL and INTERNAL_API_KEY.")
    if status in (400, 404):
        text = f"APP_URL leads to something else, or to an earlier version of this agent: it answers {status}."
    else:
        text = f"What is at APP_URL answers {status}, and not with a stream."
    return failure(_ABOUT, text, "Check APP_URL, and the proxy in front of the agent.")


def _judged(arrivals: list[float]) -> Line:
    """By the time between the first and the last arrival: a proxy that waits for the end passes all on at once."""
    lasted = arrivals[-1] - arrivals[0] if arrivals else 0.0
    if lasted < _LASTS / 4:
        text = f"{PIECES} pieces sent over {_LASTS:.1f} s came all at once: a proxy holds answers back until their end."
        return failure(_ABOUT, text, _ADVICE)
    if len(arrivals) < PIECES - 1:
        text = f"{PIECES} pieces came in {len(arrivals)} parts: a proxy collects some before it passes them on."
        return warning(_ABOUT, text, _ADVICE)
    return ok(_ABOUT, f"{PIECES} pieces sent over {_LASTS:.1f} s came one by one.")
