"""Nothing that the doctor says holds a secret, whoever's words it quotes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from django.conf import settings
from pydantic import SecretStr

from ccagent.environment import Environment
from operators.doctor.report import Line

_HIDDEN = "***"
# Shorter ones would be found in words that are none.
_LEAST_CHARS = 4
_SECRET_PARAMETER = re.compile("pass|pwd|key|token|secret|auth|sig", re.IGNORECASE)


def without_secrets(line: Line) -> Line:
    """The line with every secret of this installation replaced, however it is written."""
    texts = {name: getattr(line, name) for name in ("about", "text", "advice")}
    # The longest first: one may hold another.
    for secret in sorted(_secrets(settings.ENV), key=len, reverse=True):
        texts = {name: text.replace(secret, _HIDDEN) for name, text in texts.items()}
    return replace(line, **texts)


def _secrets(env: Environment) -> set[str]:
    found = {settings.SECRET_KEY}
    addresses = []
    for name in type(env).model_fields:
        value = getattr(env, name)
        if isinstance(value, SecretStr):
            found.add(value.get_secret_value())
            addresses.append(value.get_secret_value())
        elif isinstance(value, str):
            addresses.append(value)
    for name, value in env.fallback_variables.items():
        (found.add if "_API_KEY_" in name else addresses.append)(value)
    for address in addresses:
        found.update(_in_address(address))
    return {secret for secret in found if len(secret) >= _LEAST_CHARS}


def _in_address(address: str) -> Iterator[str]:
    """Its password, and what its query calls a secret."""
    try:
        url = urlsplit(address)
        parts = [url.password or "", *(part for name, part in parse_qsl(url.query) if _SECRET_PARAMETER.search(name))]
    except ValueError:
        return
    for part in parts:
        yield from (part, unquote(part), quote(part, safe=""))
