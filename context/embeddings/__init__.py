"""Vectors of chunks, for search by meaning. Everything else works without them."""

from context.embeddings.questions import active, aembed_question, embed_question
from context.embeddings.signal import wake
from context.embeddings.vectors import QuestionVector, nearest

__all__ = ["QuestionVector", "active", "aembed_question", "embed_question", "nearest", "wake"]
