"""The context endpoints."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from ccagent.api.authentication import caller
from ccagent.api.body import read_json
from ccagent.api.errors import ApiError
from ccagent.api.throttling import ContextThrottle
from ccagent.api.views import AsyncEnvelopeView, EnvelopeView, success
from ccagent.database import in_view_thread
from context.fetch import Fetched, FetchRefused, fetch
from context.ingest import ingest
from context.prepare import Unreadable
from context.serializers import AddedDocument, ContextText, ContextURL

# Each may hold some tens of megabytes.
_AT_ONCE = 8
_WAIT_SECONDS = 20.0
_places = asyncio.Semaphore(_AT_ONCE)


class AddText(EnvelopeView):
    """``POST /api/context/text``"""

    throttle_classes = [ContextThrottle]

    def post(self, request: Request) -> HttpResponse:
        body = ContextText(data=read_json(request._request))
        body.is_valid(raise_exception=True)
        text, title = body.validated_data["text"], body.validated_data.get("title", "")
        try:
            stored = ingest(text, title=title, added_by=caller(request).email)
        except Unreadable as error:
            raise ApiError(422, str(error)) from None
        return success(AddedDocument(stored.document).data)


class AddURL(AsyncEnvelopeView):
    """``POST /api/context/url``

    Without further distinction 422 for an address that gives nothing to know: a status for each reason would tell what
    the one sentence for all of them keeps to itself.
    """

    throttle_classes = [ContextThrottle]

    async def post(self, request: Request) -> HttpResponse:
        body = ContextURL(data=read_json(request._request))
        body.is_valid(raise_exception=True)
        url = body.validated_data["url"]
        try:
            async with _place():
                fetched = await fetch(url)
                assert fetched, "there was no condition"
                return success(await in_view_thread(_add)(fetched, url, caller(request).email))
        except (FetchRefused, Unreadable) as error:
            raise ApiError(422, str(error)) from None


@asynccontextmanager
async def _place() -> AsyncIterator[None]:
    """One of the few that may fetch at the same time."""
    try:
        async with asyncio.timeout(_WAIT_SECONDS):
            await _places.acquire()
    except TimeoutError:
        sentence = "Too many addresses are being fetched at the moment: try again in a minute."
        raise ApiError(503, sentence, retry_after=60) from None
    try:
        yield
    finally:
        _places.release()


def _add(fetched: Fetched, url: str, email: str) -> dict[str, Any]:
    stored = ingest(
        fetched.content,
        name=fetched.url,
        content_type=fetched.content_type,
        source=url,
        added_by=email,
        etag=fetched.etag,
        last_modified=fetched.last_modified,
    )
    return dict(AddedDocument(stored.document).data)
