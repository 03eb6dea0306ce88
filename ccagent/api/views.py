"""What all views of the API stand on."""

import functools
from collections.abc import Callable, Coroutine
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.views import APIView

from ccagent.api.errors import ApiError, error_response, handle

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
        if request.method != "OPTIONS":
            super().initial(request, *args, **kwargs)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        response = success(None)
        response["Allow"] = ", ".join(self.allowed_methods)
        return response


def async_api_view(*methods: str) -> Callable[[AsyncView], AsyncView]:
    """What ``EnvelopeView`` is for classes, for an async function: methods, CSRF exemption, errors in the envelope."""

    def decorate(view: AsyncView) -> AsyncView:
        @csrf_exempt
        @functools.wraps(view)
        async def wrapped(request: HttpRequest) -> HttpResponseBase:
            allow = ", ".join([*methods, "OPTIONS"])
            try:
                if request.method == "OPTIONS":
                    response: HttpResponseBase = success(None)
                elif request.method not in methods:
                    raise ApiError(405)
                else:
                    return await view(request)
            except Exception as error:  # the API's edge: every failure becomes an envelope, bugs are logged
                response = handle(error)
            if request.method == "OPTIONS" or response.status_code == 405:
                response.headers["Allow"] = allow
            return response

        return wrapped

    return decorate


def not_found(request: HttpRequest, **_: Any) -> HttpResponse:  # noqa: ARG001
    """Any path under ``/api/`` that is no endpoint."""
    return error_response(404)
