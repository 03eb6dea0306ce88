"""How much of a conversation a model is given, where the operator does not say."""

from ccagent.environment import Environment
from chat.agent import configuration

UNKNOWN = 8_000
MOST = 32_000
"""More would make every question dear: each brings all of this along again."""
_SHARE = 4
"""A quarter of the window: the rest is for instructions, passages, tools and the answer, and for what the estimate of
tokens is short of."""

# Context windows in tokens, by vendor and beginning of the model's name, as they are documented. Only of vendors by
# name: elsewhere the same model may run with a smaller window, which Ollama for one does in silence.
_WINDOWS = {
    "google-genai": {"gemini-": 1_048_576, "gemini-pro": 32_768, "gemini-1.0": 32_768, "gemma-": 32_768},
    "openai": {
        "gpt-3.5": 16_385,
        "gpt-4": 8_192,
        "gpt-4-32k": 32_000,
        "gpt-4-turbo": 128_000,
        "gpt-4.1": 1_047_576,
        "gpt-4o": 128_000,
        "gpt-5": 400_000,
        "o1": 128_000,
        "o3": 200_000,
        "o4": 200_000,
    },
    "anthropic": {"claude-": 200_000},
    "mistralai": {
        "mistral-": 32_768,
        "mistral-large": 131_072,
        "mistral-medium": 131_072,
        "mistral-small": 131_072,
        "ministral-": 131_072,
        "magistral-": 40_960,
    },
    "groq": {"llama-3": 131_072, "meta-llama/llama-4": 131_072, "openai/gpt-oss": 131_072, "qwen/qwen3": 131_072},
    "cohere": {"command-": 128_000, "command-light": 4_096, "c4ai-aya": 128_000, "c4ai-aya-expanse-8b": 8_192},
    "cerebras": {"llama3.1": 8_192, "llama-": 65_536, "gpt-oss": 65_536, "qwen-3": 65_536},
    "xai": {"grok-": 131_072, "grok-2": 32_768},
}


def history_tokens(env: Environment, model: str = "") -> int:
    """``HISTORY_TOKENS``, else what fits every model that may be asked; ``model`` as in ``configuration.named``."""
    if env.history_tokens:
        return env.history_tokens
    return min(map(_fitting, configuration.named(env, model)))


def _fitting(named: tuple[str, str]) -> int:
    vendor, model = named
    windows = _WINDOWS.get(vendor, {})
    known = max((name for name in windows if model.startswith(name)), key=len, default=None)
    return min(windows[known] // _SHARE, MOST) if known else UNKNOWN
