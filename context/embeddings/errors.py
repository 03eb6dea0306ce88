"""Why a backend gave no vectors, whatever the vendor and the library call it."""

from ccagent.text import clean


class EmbeddingError(Exception):
    """``sentence`` may stand in a log; ``detail`` holds the backend's own words, for operators only.

    ``retry_after`` is in seconds, as the backend asks for.
    """

    sentence = "The embeddings backend failed."

    def __init__(self, detail: str = "", *, sentence: str = "", retry_after: float | None = None) -> None:
        self.sentence = sentence or self.sentence
        self.detail = clean(detail[:1000])
        self.retry_after = retry_after
        super().__init__(self.sentence)


class NotConfigured(EmbeddingError):
    """The settings name no usable backend; ``sentence`` says what to do."""


class KeyRefused(EmbeddingError):
    sentence = "The embeddings backend refused the API key: check EMBEDDINGS_API_KEY, or PROVIDER_API_KEY without it."


class Busy(EmbeddingError):
    sentence = "The embeddings backend is busy."


class Refused(EmbeddingError):
    """It understood the request and will not serve it: the texts may be why."""

    sentence = "The embeddings backend refused the texts."


class Unavailable(EmbeddingError):
    """No answer, or none in time, or an error of its own. A text may be why."""

    sentence = "The embeddings backend does not answer."


class BrokenAnswer(EmbeddingError):
    """What came are no vectors, or not those that were asked for. A text may be why."""

    sentence = "The embeddings backend's answer is none."
