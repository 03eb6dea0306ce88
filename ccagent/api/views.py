"""What all views of the API stand on."""

import asyncio
from inspect import isawaitable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.views import APIView

from ccagent.api.errors import ApiError, error_response


def success(data: Any) -> JsonResponse:
    """The ``ApiResponse`` envelope."""
    return JsonResponse({"data": data, "success": True}, json_dumps_params={"ensure_ascii": False})


class AnyAccept(BaseContentNegotiation):
    """Answers are JSON whatever ``Accept`` says: a client that cannot say so still understands the envelope."""

    def select_parser(self, request: Any, parsers: Any) -> Any:  # noqa: ARG002
        return parsers[0]

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:  # noqa: ARG002
        return renderers[0], renderers[0].media_type


class EnvelopeView(APIView):
    """A DRF view of the API; ``OPTIONS`` without a key tells the methods."""

    content_negotiation_class = AnyAccept

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        if request.method not in self.allowed_methods:
            raise ApiError(405)
        if request.method != "OPTIONS":
            super().initial(request, *args, **kwargs)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        response = success(None)
        response["Allow"] = ", ".join(self.allowed_methods)
        return response


class AsyncEnvelopeView(EnvelopeView):
    """An ``EnvelopeView`` whose methods are coroutines: one that waits for a model must not hold a thread."""

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """DRF's own steps in DRF's order, which has no asynchronous twin."""
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            if settings.ENV.redis_url and self.get_throttles():
                # Counting in Redis waits for the network.
                await asyncio.to_thread(self.initial, self.request, *args, **kwargs)
            else:
                self.initial(self.request, *args, **kwargs)
            response = getattr(self, str(request.method).lower())(self.request, *args, **kwargs)
            if isawaitable(response):
                response = await response
        except Exception as error:  # as in DRF: the exception handler decides, and logs bugs
            response = self.handle_exception(error)
        self.response = self.finalize_response(self.request, response, *args, **kwargs)
        return self.response


def not_found(request: HttpRequest, **_: Any) -> HttpResponse:  # noqa: ARG001
    """Any path under ``/api/`` that is no endpoint."""
    return error_response(404)
