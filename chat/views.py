"""The chat endpoints."""

from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.request import Request

from ccagent.api.authentication import caller
from ccagent.api.body import read_json
from ccagent.api.errors import ApiError
from ccagent.api.throttling import ChatThrottle
from ccagent.api.views import AsyncEnvelopeView, EnvelopeView, success
from chat import history, sse, turns
from chat.agent import errors
from chat.serializers import ChatPrompt, PageQuery

_STATUS = {
    errors.Busy: 503,
    errors.Fault: 500,
    errors.NotConfigured: 503,
    errors.TimedOut: 504,
    errors.Unavailable: 503,
}


async def _started(request: Request) -> turns.Turn:
    prompt = ChatPrompt(data=read_json(request._request))
    prompt.is_valid(raise_exception=True)
    try:
        return await turns.start(caller(request).email, **prompt.validated_data)
    except turns.Restarting:
        raise ApiError(503, "The agent is restarting: try again in a few seconds.", retry_after=5) from None


def _api_error(error: errors.ProviderError) -> ApiError:
    """Why there is no answer, as HTTP; most of a provider's failures are a bad gateway."""
    return ApiError(_STATUS.get(type(error), 502), error.sentence, error.retry_after)


class SendMessage(AsyncEnvelopeView):
    """``POST /api/chat/message``"""

    throttle_classes = [ChatThrottle]

    async def post(self, request: Request) -> HttpResponse:
        turn = await _started(request)
        try:
            turn.message.text = await turn.answer.finished()
        except errors.ProviderError as error:
            raise _api_error(error) from error
        return success(history.agent_message(turn.message))


class StreamMessage(AsyncEnvelopeView):
    """``POST /api/chat/message/stream``"""

    throttle_classes = [ChatThrottle]

    async def post(self, request: Request) -> StreamingHttpResponse:
        turn = await _started(request)
        try:
            await turn.answer.opened()
        except errors.ProviderError as error:
            raise _api_error(error) from error
        headers = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(
            sse.encode(turn.answer.listen()), content_type="text/event-stream", headers=headers
        )


class GetHistory(EnvelopeView):
    """``GET /api/chat/history``"""

    def get(self, request: Request) -> HttpResponse:
        email = caller(request).email
        if not email:
            raise ApiError(401, "The history belongs to a person: send the X-CC-EMAIL header.")
        query = PageQuery(data=request.query_params)
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
