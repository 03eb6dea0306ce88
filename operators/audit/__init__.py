"""The log of who did what: `record` writes a line. Rooms below this one use ``ccagent.audit``, which is the same."""

from ccagent.audit import Action, record, record_each

__all__ = ["Action", "record", "record_each"]
