"""Why a provider gave no answer, whatever the vendor and the library call it."""

from ccagent.text import clean

DATABASE_AWAY = "The database cannot be reached at the moment: try again in a few seconds."
RESTARTING = "The agent is restarting: try again in a few seconds."


class ProviderError(Exception):
    """``sentence`` is for the person who asked, ``detail`` holds the provider's own words, for operators only.

    ``kind`` is the word by which answers that failed are counted.
    """

    kind = "provider_failed"
    sentence = "The model provider failed: try again in a moment."

    def __init__(self, detail: str = "", *, sentence: str = "", retry_after: float | None = None) -> None:
        self.sentence = sentence or self.sentence
        self.detail = clean(detail[:2000])
        self.retry_after = retry_after
        super().__init__(self.sentence)


class NotConfigured(ProviderError):
    """The operator's settings name no usable provider; ``sentence`` says which variable is wrong."""

    kind = "not_configured"


class KeyRefused(ProviderError):
    kind = "key_refused"
    sentence = "The model provider refused the API key: the operator must check PROVIDER_API_KEY."


class Busy(ProviderError):
    """Rate limit or overload; ``retry_after`` is in seconds."""

    kind = "busy"
    sentence = "The model provider is busy: try again in a moment."


class TimedOut(ProviderError):
    kind = "timed_out"
    sentence = "The model provider did not answer in time: try again."


class ModelNotFound(ProviderError):
    kind = "model_not_found"


class PromptTooLong(ProviderError):
    kind = "prompt_too_long"
    sentence = "This conversation is too long for the model: send a shorter message."


class Refused(ProviderError):
    """The provider understood the request and will not serve it."""

    kind = "refused"
    sentence = "The model provider refused the request: the operator can see why in the admin."


class BrokenAnswer(ProviderError):
    """What came is no answer, or ended before its end."""

    kind = "broken_answer"
    sentence = "The model provider's answer broke off: try again."


class Unavailable(ProviderError):
    """No provider's fault: the database was away, or this process had to end; another try will do."""

    kind = "unavailable"


class Fault(ProviderError):
    """No provider's fault: a bug of ours, whose trace is in the log."""

    kind = "fault"
    sentence = "Something went wrong on our side: try again, and tell the operator if it happens again."


class Stopped(ProviderError):
    """Nobody's fault: the person stopped the answer before its first word."""

    kind = ""
    sentence = "The answer was stopped before it began."
