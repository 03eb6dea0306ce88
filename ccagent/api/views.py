"""What all views of the API stand on."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.views import APIView

from ccagent.api.errors import ApiError, error_response

AsyncView = Callable[[HttpRequest], Coroutine[Any, Any, HttpResponseBase]]


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


def async_api_view(*methods: str) -> Callable[[AsyncView], AsyncView]:
    """What ``EnvelopeView`` is for classes, for an async function: its methods.

    What it raises becomes an envelope in ``ApiMiddleware``.
    """

    def decorate(view: AsyncView) -> AsyncView:
        @functools.wraps(view)
        async def wrapped(request: HttpRequest) -> HttpResponseBase:
            if request.method in methods:
                return await view(request)
            response = success(None) if request.method == "OPTIONS" else error_response(405)
            response["Allow"] = ", ".join([*methods, "OPTIONS"])
            return response

        return wrapped

    return decorate


def not_found(request: HttpRequest, **_: Any) -> HttpResponse:  # noqa: ARG001
    """Any path under ``/api/`` that is no endpoint."""
    return error_response(404)
