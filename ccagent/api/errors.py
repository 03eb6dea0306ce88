"""Whatever goes wrong under ``/api/`` becomes an HTTP answer here, always ``{"success": false, "error": …}``."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, JsonResponse
from rest_framework import exceptions

logger = logging.getLogger(__name__)

SENTENCES = {
    400: "The request is malformed: check its address and its headers.",
    401: "The X-CC-API-KEY header is missing or wrong: send the agent's INTERNAL_API_KEY.",
    403: "You may not do this.",
    404: "There is nothing at this address: check the path.",
    405: "This address does not take that method: the Allow header names those it takes.",
    411: "The request has no body, or does not state its length: send JSON with a Content-Length header.",
    413: "The request is larger than the limit of 10 MB: send a smaller one.",
    415: "The body must be JSON: send it with Content-Type: application/json.",
    429: "Too many requests: wait a moment and try again.",
    500: "Something went wrong on our side: try again, and tell the operator if it happens again.",
    503: "The database cannot be reached at the moment: try again in a few seconds.",
}


class ApiError(Exception):
    """An error that the caller may see: ``sentence`` says what happened and what to do.

    ``retry_after`` is in seconds.
    """

    def __init__(self, status: int, sentence: str = "", retry_after: float | None = None) -> None:
        super().__init__(sentence or SENTENCES[status])
        self.status = status
        self.sentence = sentence or SENTENCES[status]
        self.retry_after = retry_after


def error_response(status: int, sentence: str = "", retry_after: float | None = None) -> JsonResponse:
    """The ``Error`` envelope; without a sentence, the one this project has for the status."""
    sentence = sentence or SENTENCES.get(status) or f"The request failed: {HTTPStatus(status).phrase}."
    response = JsonResponse({"success": False, "error": sentence}, status=status)
    if status == 401:
        response["WWW-Authenticate"] = "ApiKey"
    if retry_after is not None:
        response["Retry-After"] = str(math.ceil(retry_after))
    return response


def handle(error: Exception, context: Mapping[str, Any] | None = None) -> HttpResponse:  # noqa: ARG001
    """The answer to any exception of a view; DRF calls it as its ``EXCEPTION_HANDLER``, async views directly."""
    match error:
        case ApiError():
            return error_response(error.status, error.sentence, error.retry_after)
        case exceptions.ValidationError():
            return error_response(400, validation_sentence(error.detail))
        case exceptions.Throttled(wait=seconds):  # type: ignore[misc]
            return error_response(429, retry_after=seconds or 1)
        case exceptions.MethodNotAllowed():
            return error_response(405)
        case exceptions.APIException():
            return error_response(error.status_code)
        case OperationalError() | InterfaceError():
            logger.error("The database failed: %s", type(error.__cause__ or error).__name__)
            return error_response(503, retry_after=3)
        case Http404():
            return error_response(404)
        case PermissionDenied():
            return error_response(403)
        case RequestDataTooBig():
            return error_response(413)
        case SuspiciousOperation():
            return error_response(400)
        case _:
            logger.error("A request failed by a bug", exc_info=error)
            return error_response(500)


def validation_sentence(detail: Any, path: str = "") -> str:
    """The first problem of a DRF error detail, as ``field: reason``."""
    if isinstance(detail, Mapping):
        key, inner = next(iter(detail.items()))
        if key == "non_field_errors":
            return validation_sentence(inner, path)
        return validation_sentence(inner, f"{path}.{key}" if path else str(key))
    if isinstance(detail, list):
        return validation_sentence(detail[0], path)
    return f"{path}: {detail}" if path else str(detail)
