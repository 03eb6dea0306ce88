"""What the log says of a request, and its form as JSON."""

import contextvars
import datetime
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import Sequence

request_id = contextvars.ContextVar("request_id", default="")
"""Of the request for which the code is running, in a turn too; empty elsewhere."""

_USABLE = re.compile(rb"[A-Za-z0-9_.:+/=-]{1,128}")
# Only these: others may hold what a person wrote, such as the request that Django's own lines carry along.
_FIELDS = ("method", "path", "status", "duration_ms", "bytes", "cut_short", "email")


def request_id_of(given: Sequence[bytes] | None) -> str:
    """The caller's own, if it is one that may stand in a log and a header, else a new one."""
    if given and len(given) == 1 and _USABLE.fullmatch(given[0]):
        return given[0].decode()
    return secrets.token_hex(16)


def hashed(email: str, key: str) -> str:
    """The same for the same person, and of no use to anybody without the key."""
    return hmac.new(key.encode(), email.encode(), hashlib.sha256).hexdigest()[:16]


class JsonFormatter(logging.Formatter):
    """One object a line. A library's would write out whatever else a record carries."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if about := getattr(record, "request_id", "") or request_id.get():
            line["request_id"] = about
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
