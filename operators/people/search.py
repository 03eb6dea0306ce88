"""Words in messages, across everybody: what an operator types, as a query of Postgres' full-text search."""

import re
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from ccagent.text import clean
from chat.models import Message

LOOKED_AT = 20_000
"""Newest messages that are tried one by one: common words are found among them, and rare ones by the index."""
ENOUGH = 20
"""Words of which so many are among those are too common for the index."""
MOST = 200
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


# Unless there is no other: who searches for "it is" means that.
_ALL = """(SELECT CASE WHEN numnode(query) = 0 THEN to_tsquery('simple', %s) ELSE query END
    FROM (SELECT {query} AS query) AS typed)"""


def _sql(wanted: list[Term]) -> tuple[str, list[str]]:
    """An expression of Postgres with its values."""
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
    every = " & ".join(f"'{word}'" for term in wanted if not term.excluded for word in term.words)
    query = " && ".join(f"({piece})" for piece in pieces) or "''::tsquery"
    return _ALL.format(query=query), [every, *values]


# A function around the column keeps its index out of this: these are looked at one by one, the newest first.
_RECENT = """
WITH newest AS MATERIALIZED ({newest})
SELECT (SELECT count(*) FROM newest), ARRAY(
    SELECT id FROM newest JOIN chat_messagewords ON message_id = id WHERE coalesce(words, '') @@ ({query})
    ORDER BY created_at DESC, id DESC LIMIT %s)"""
# A query of which the planner knows nothing, or it takes words that begin alike for half of all and reads everything.
_BY_INDEX = """
WITH found AS MATERIALIZED (SELECT message_id FROM chat_messagewords WHERE words @@ (SELECT {query}))
SELECT id FROM ({messages}) message JOIN found ON message_id = id ORDER BY created_at DESC, id DESC LIMIT %s"""


def found(messages: QuerySet[Message], typed: str) -> list[int]:
    """Primary keys of the newest of these messages that have the words, newest first; two queries at most."""
    wanted = terms(typed)
    if all(term.excluded for term in wanted):
        return []
    query, values = _sql(wanted)
    rows = messages.order_by("-created_at", "-pk").values_list("id", "created_at")
    newest, of_newest = rows[:LOOKED_AT].query.sql_with_params()
    every, of_every = rows.order_by().query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_RECENT.format(newest=newest, query=query), [*of_newest, *values, MOST])
        looked_at, keys = cursor.fetchone()
        if looked_at == LOOKED_AT and len(keys) < ENOUGH:
            cursor.execute(_BY_INDEX.format(messages=every, query=query), [*values, *of_every, MOST])
            keys = [pk for (pk,) in cursor.fetchall()]
    return list(keys)


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
                SELECT id, regexp_replace(left(text, 20000), '(\\w)[-/.:@+&=~%%#\\\\'']+(?=\\w)', '\\1 ', 'g') AS said,
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
