"""What model calls cost, at today's prices."""

import logging
from collections.abc import Iterable
from decimal import Decimal
from fnmatch import fnmatchcase

from ccagent.environment import Environment, prices_in
from chat.agent import configuration
from chat.agent.events import ModelCall, Usage
from chat.agent.offline import OfflineProvider
from chat.agent.vendors import VENDORS
from chat.money.models import DECIMAL_PLACES

logger = logging.getLogger(__name__)

_NAMES_IN_LIBRARY = {"google-genai": "google", "mistralai": "mistral", "xai": "x-ai"}
_MILLION = 1_000_000
_SMALLEST = Decimal(1).scaleb(-DECIMAL_PLACES)
_MOST = Decimal(9_999_999)
"""What a column holds; tokens are what a provider says."""


def cost(env: Environment, calls: Iterable[ModelCall]) -> Decimal | None:
    """USD for all of these calls; None where the price of one is not known."""
    prices = [_price(env, call) for call in calls]
    known = [price for price in prices if price is not None]
    return min(sum(known, Decimal(0)), _MOST).quantize(_SMALLEST) if len(known) == len(prices) else None


def _price(env: Environment, call: ModelCall) -> Decimal | None:
    """The operator's own price goes before the library's; what runs without a network is free."""
    if (call.provider, call.model) == (OfflineProvider.name, OfflineProvider.model):
        return Decimal(0)
    for pattern, given, written in prices_in(env.prices):
        if fnmatchcase(call.model, pattern):
            return (call.usage.prompt_tokens * given + call.usage.completion_tokens * written) / _MILLION
    return _in_library(call.provider, call.model, call.usage, configuration.address(env, call.provider))


def _in_library(provider: str, model: str, usage: Usage, address: str) -> Decimal | None:
    # 11 MB, and 80 ms for the first call: who runs a model of their own should not pay for it.
    from genai_prices import Usage as Tokens
    from genai_prices import calc_price

    tokens = Tokens(
        input_tokens=usage.prompt_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.prompt_tokens),
        output_tokens=usage.completion_tokens,
    )
    try:
        if provider in VENDORS:
            return calc_price(tokens, model, provider_id=_NAMES_IN_LIBRARY.get(provider, provider)).total_price
        return calc_price(tokens, model, provider_api_url=address).total_price
    except Exception as error:
        # LookupError where it knows no price; whatever else happens to it must not keep an answer from being stored.
        if not isinstance(error, LookupError):
            logger.warning("The price of %s (%s) could not be told: %s", provider, model, type(error).__name__)
        return None
