"""Questions whose answers may not have helped: nothing found, not known, failed, or flagged by an operator."""

from operators.unanswered.reads import count

__all__ = ["count"]
