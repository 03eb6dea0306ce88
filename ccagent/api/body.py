"""The body of a request, as the chat window sends it: one JSON object in UTF-8."""

import json
import re
from typing import Any, Never

from django.http import HttpRequest, UnreadablePostError

from ccagent.api.errors import ApiError
from ccagent.text import clean

# Neither can stand in JSON but as an escape. Most bodies hold none, and going through all of a large one takes seconds.
_UNSTORABLE_ESCAPE = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def read_json(request: HttpRequest) -> dict[str, Any]:
    """The request's JSON object; raises ``ApiError`` 400, 411 or 415.

    What Postgres cannot hold is replaced in every string. DRF's own parser is not used: it reads a body without
    Content-Length as ``{}`` and fails on deep nesting.
    """
    if not request.META.get("CONTENT_LENGTH"):
        raise ApiError(411)
    if request.content_type != "application/json":
        raise ApiError(415)
    try:
        text = request.body.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse_constant)
        if _UNSTORABLE_ESCAPE.search(text):
            value = _cleaned(value)
    except UnicodeDecodeError:
        raise ApiError(400, "The body is not UTF-8: encode the JSON in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise ApiError(400, f"The body is not JSON: {error.msg} at character {error.pos}.") from None
    except RecursionError:
        raise ApiError(400, "The JSON is nested too deeply.") from None
    except ValueError:
        raise ApiError(400, "The JSON holds a number that cannot be read.") from None
    except UnreadablePostError:
        raise ApiError(400, "The body did not arrive whole.") from None
    if not isinstance(value, dict):
        raise ApiError(400, f"The body must be a JSON object, not {_kind(value)}.")
    return value


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case list():
            return [_cleaned(item) for item in value]
        case dict():
            return {clean(key): _cleaned(item) for key, item in value.items()}
        case _:
            return value


def _refuse_constant(name: str) -> Never:
    raise ValueError(name)


def _kind(value: Any) -> str:
    kinds = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
