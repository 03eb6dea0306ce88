"""Words in messages, across everybody: what an operator types, as a query of Postgres' full-text search."""

import re
from dataclasses import dataclass

from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.expressions import CombinedExpression, RawSQL
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from ccagent.text import clean
from chat.models import Message

LOOKED_AT = 4000
"""Newest messages that are tried one by one. Words that are common are found among them; rare ones by the index."""
MOST = 1000
"""Most messages that a search finds, the newest."""
_MAX_WORDS = 20
_MAX_TERM_CHARS = 100
_TERM = re.compile(r'(?P<no>-?)(?:"(?P<phrase>[^"]*)"?|(?P<word>[^\s"]+))')
_FIRST_MARK, _LAST_MARK = "\ue000", "\ue001"


@dataclass(frozen=True)
class Term:
    """One or more words that stand together; ``exact``: as written, else their stems and what begins so count too."""

    words: tuple[str, ...]
    exact: bool = False
    excluded: bool = False


def terms(typed: str) -> list[Term]:
    """What was typed: words are wanted all, ``"words in quotes"`` as written, ``-words`` not at all."""
    found = []
    for match in _TERM.finditer(clean(typed)):
        words = tuple(re.findall(r"[^\W_]+", (match["phrase"] or match["word"] or "")[:_MAX_TERM_CHARS].lower()))
        if words:
            found.append(Term(words, exact=match["phrase"] is not None, excluded=bool(match["no"])))
    return found[:_MAX_WORDS]


# A word that English or German leaves out ("the", "und") is not insisted on.
_WORD = """CASE WHEN numnode(plainto_tsquery('english', %s)) = 0 OR numnode(plainto_tsquery('german', %s)) = 0
    THEN ''::tsquery ELSE
    to_tsquery('simple', %s) || plainto_tsquery('english', %s) || plainto_tsquery('german', %s) END"""


def _sql(wanted: list[Term]) -> tuple[str, list[str]]:
    """An expression of Postgres with its values; it finds nothing where all words are left out."""
    pieces: list[str] = []
    values: list[str] = []
    for term in wanted:
        if term.exact:
            pieces.append(f"{'!!' if term.excluded else ''} to_tsquery('simple', %s)")
            values.append(" <-> ".join(f"'{word}'" for word in term.words))
            continue
        for word in term.words:
            pieces.append(f"{'!!' if term.excluded else ''} ({_WORD})")
            values += [word, word, f"'{word}'{':*' if len(word) > 2 else ''}", word, word]
    return " && ".join(f"({piece})" for piece in pieces) or "''::tsquery", values


def found(messages: QuerySet[Message], typed: str) -> list[int]:
    """Primary keys of the newest of these messages that have the words, newest first; two queries at most."""
    wanted = terms(typed)
    if all(term.excluded for term in wanted):
        return []
    sql, values = _sql(wanted)
    query: CombinedExpression = RawSQL(sql, values)  # type: ignore[assignment]
    messages = messages.order_by("-created_at", "-pk")
    recent = Message.objects.filter(pk__in=messages.values("pk")[:LOOKED_AT], words__words=query)
    newest = list(recent.order_by("-created_at", "-pk").values_list("pk", flat=True)[:MOST])
    if len(newest) >= LOOKED_AT // 20:
        return newest
    # Not ordered by a column that has an index, or the planner might walk along that one, to the end.
    by_index = messages.filter(words__words=query).order_by(F("created_at") + RawSQL("interval '0'", []))
    return list(by_index.reverse().values_list("pk", flat=True)[:MOST])


def snippets(keys: list[int], typed: str) -> dict[int, SafeString]:
    """A piece of each message, around the words that were found and with these marked; one query."""
    sql, values = _sql([term for term in terms(typed) if not term.excluded])
    options = f"StartSel={_FIRST_MARK}, StopSel={_LAST_MARK}, MaxWords=35, MinWords=15, MaxFragments=2"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT id, CASE WHEN numnode(query) = 0 THEN left(said, 240) ELSE
                ts_headline(CASE WHEN to_tsvector('english', said) @@ query THEN 'english'::regconfig
                    WHEN to_tsvector('german', said) @@ query THEN 'german' ELSE 'simple' END, said, query, %s) END
            FROM (
                SELECT id, regexp_replace(left(text, 20000), '(\\w)[-/._:@+&=~%%#\\\\'']+(?=\\w)', '\\1 ', 'g') AS said,
                    ({sql}) AS query
                FROM chat_message WHERE id = ANY(%s)
            ) message
            """,
            [options, *values, keys],
        )
        return {pk: _marked(text) for pk, text in cursor.fetchall()}


def _marked(text: str) -> SafeString:
    pieces = re.split(f"{_FIRST_MARK}(.*?){_LAST_MARK}", text, flags=re.DOTALL)
    return format_html_join(
        "",
        "{}{}{}",
        (
            (mark_safe("<mark>"), piece, mark_safe("</mark>")) if place % 2 else ("", piece, "")
            for place, piece in enumerate(pieces)
        ),
    )
