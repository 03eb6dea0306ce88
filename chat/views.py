"""The chat endpoints."""

import hashlib
import re
from functools import partial

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from ccagent.api.authentication import caller
from ccagent.api.body import read_json
from ccagent.api.errors import ApiError
from ccagent.api.throttling import ChatThrottle
from ccagent.api.views import AsyncEnvelopeView, success
from ccagent.database import in_view_thread
from chat import history, sse, storage, turns, uploads
from chat.agent import errors
from chat.answer import Answer
from chat.models import Message
from chat.serializers import ChatPrompt, PageQuery
from chat.waiting import PausedAnswer

_STATUS = {
    errors.Busy: 503,
    errors.Fault: 500,
    errors.NotConfigured: 503,
    errors.Stopped: 409,
    errors.TimedOut: 504,
    errors.Unavailable: 503,
}


async def _started(request: Request) -> tuple[Message, Answer]:
    prompt = ChatPrompt(data=read_json(request._request))
    prompt.is_valid(raise_exception=True)
    once = _idempotency(request)
    blocks = await uploads.read(prompt.validated_data["blocks"])
    try:
        return await turns.start(caller(request).email, blocks, prompt.validated_data["date"], once)
    except turns.Restarting:
        raise ApiError(503, errors.RESTARTING, retry_after=5) from None
    except storage.TooManyRunning:
        raise ApiError(429, "Too many answers are running: wait for one to end, or stop them.", retry_after=5) from None
    except storage.KeyReused:
        raise ApiError(409, "This Idempotency-Key came with another request before: use a new key.") from None


def _idempotency(request: Request) -> storage.Idempotency:
    """The ``Idempotency-Key`` header, plain or as the draft's quoted string, with a digest of the body."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return storage.NO_KEY
    if not re.fullmatch(r'"[!#-~ ]{1,253}"|[!#-~]{1,255}', key):
        raise ApiError(400, "The Idempotency-Key header must be 1 to 255 printable ASCII characters.")
    return storage.Idempotency(key.strip('"'), hashlib.sha256(request._request.body).hexdigest())


def _api_error(error: errors.ProviderError) -> ApiError:
    """Why there is no answer, as HTTP; most of a provider's failures are a bad gateway."""
    return ApiError(_STATUS.get(type(error), 502), error.sentence, error.retry_after)


def _email(request: Request) -> str:
    """The person's e-mail; raises ``ApiError`` 401 for somebody without one, who has no conversation to speak of."""
    if not caller(request).email:
        raise ApiError(401, "A conversation belongs to a person: send the X-CC-EMAIL header.")
    return caller(request).email


def _event_stream(message: Message, answer: Answer) -> sse.EventStream:
    paused = isinstance(answer, PausedAnswer)
    return sse.EventStream(sse.encode(answer.listen(), partial(history.sources, message), paused=paused))


class SendMessage(AsyncEnvelopeView):
    """``POST /api/chat/message``"""

    throttle_classes = [ChatThrottle]

    async def post(self, request: Request) -> HttpResponse:
        message, answer = await _started(request)
        try:
            message.text = await answer.finished()
        except errors.ProviderError as error:
            raise _api_error(error) from error
        return success(history.agent_message(message))


class StreamMessage(AsyncEnvelopeView):
    """``POST /api/chat/message/stream``; ``GET`` joins the answer in the making, ``DELETE`` stops it."""

    def get_throttles(self) -> list[BaseThrottle]:
        return [ChatThrottle()] if self.request.method == "POST" else []

    async def post(self, request: Request) -> sse.EventStream:
        message, answer = await _started(request)
        try:
            await answer.opened()
        except errors.ProviderError as error:
            raise _api_error(error) from error
        return _event_stream(message, answer)

    async def get(self, request: Request) -> HttpResponseBase:
        joined = await turns.join(_email(request))
        return _event_stream(*joined) if joined else HttpResponse(status=204)

    async def delete(self, request: Request) -> HttpResponse:
        return success({"stopped": await turns.stop(_email(request))})


class History(AsyncEnvelopeView):
    """``GET /api/chat/history``; ``DELETE`` lets the person start over."""

    async def get(self, request: Request) -> HttpResponse:
        return await in_view_thread(_history)(request)

    async def delete(self, request: Request) -> HttpResponse:
        return success({"archived": await turns.start_over(_email(request))})


def _history(request: Request) -> HttpResponse:
    email = _email(request)
    query = PageQuery(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    limit, before = (query.validated_data.get(name) for name in ("limit", "before"))
    # One more than asked for tells whether there are older ones.
    messages = history.page(email, limit and limit + 1, before)
    shown = messages[-limit:] if limit else messages
    response = success([history.agent_message(message) for message in shown])
    if len(messages) > len(shown):
        older = f"?limit={limit}&before={shown[0].sequence}"
        response["Link"] = f'<{request.build_absolute_uri(request.path)}{older}>; rel="next"'
    return response
