"""Which answers are kept for an operator to look at, as ones that may not have helped."""

from typing import Any

import httpx2
import psycopg
import pytest

from chat import gaps
from chat.agent.events import ToolCallRequest, ToolResult
from chat.storage import MadeCall
from tests.conftest import Server
from tests.fake_provider import FakeProvider, status, text

PASSAGE: dict[str, Any] = {"coverage": 0.4, "similarity": 0.7}
ASKED = "Do lions sleep lying down?"


def judged(answer: str = "They do.", **other: Any) -> str:
    given: dict[str, Any] = {
        "asked": ASKED,
        "status": "complete",
        "text": answer,
        "passages": [],
        "looked": True,
        "calls": [],
    }
    return str(gaps.columns(**given | other)["gap"])


def called(name: str, *, failed: bool = False) -> MadeCall:
    return MadeCall(0, 0, ToolResult(ToolCallRequest("1", name, "{}"), "result", failed, 1))


def test_a_question_for_which_nothing_fitting_was_found_is_a_gap() -> None:
    assert judged() == "nothing"


def test_one_for_which_something_was_found_is_none() -> None:
    assert judged(passages=[PASSAGE]) == ""


def test_where_there_are_no_documents_or_nobody_looks_nothing_is_missing() -> None:
    assert judged(looked=False) == ""


@pytest.mark.parametrize("greeting", ["Hi", "thank you!", "早上好"[:2]])
def test_a_greeting_is_no_question(greeting: str) -> None:
    assert judged(asked=greeting) == ""


@pytest.mark.parametrize("question", ["Refund?", "退款政策", "كم السعر؟"])
def test_a_short_question_is_one(question: str) -> None:
    assert judged(asked=question) == "nothing"


def test_what_a_tool_found_is_found() -> None:
    assert judged(calls=[called("current_time")]) == ""


@pytest.mark.parametrize("call", [called("search_context"), called("current_time", failed=True)])
def test_a_search_or_a_tool_that_failed_found_nothing(call: MadeCall) -> None:
    assert judged(calls=[call]) == "nothing"


def test_an_i_dont_know_is_a_gap_whatever_was_found() -> None:
    assert judged("I don't know.", passages=[PASSAGE]) == "unknown"


@pytest.mark.parametrize("status", ["failed", "interrupted"])
def test_an_answer_that_failed_is_a_gap(status: str) -> None:
    assert judged("They", status=status, passages=[PASSAGE]) == "failed"


def test_an_answer_that_the_person_stopped_is_none() -> None:
    assert judged("I don't know", status="stopped") == ""


def test_the_best_of_what_was_found_is_noted() -> None:
    found: list[dict[str, Any]] = [PASSAGE, {"coverage": 0.6, "similarity": None}]
    noted = gaps.columns(ASKED, "complete", "They do.", found, True, [])
    assert (noted["coverage"], noted["similarity"]) == (0.6, 0.7)


# Through a real server.


def stored(server: Server, email: str) -> list[tuple[Any, ...]]:
    query = """
        SELECT gap, coverage FROM chat_message JOIN chat_conversation ON chat_conversation.id = conversation_id
        WHERE email = %s AND role = 'assistant' ORDER BY sequence"""
    with psycopg.connect(server.database_url) as connection:
        return connection.execute(query, [email]).fetchall()


def test_what_became_of_an_answer_is_stored_with_it(
    server: Server, person: httpx2.Client, email: str, provider: FakeProvider
) -> None:
    person.post("/api/context/text", json={"text": f"Opening hours of {email}: nine to five."})
    provider.replies(text("Nine."), text("I don't know."), status(400))
    for question in (f"Opening hours of {email}?", "When do zyzzyvas moult?", "Again, please: when?"):
        person.post("/api/chat/message", json={"message": question})
    [found, unknown, failed] = stored(server, email)
    assert found[0] == ""
    assert found[1] > 0.5
    assert (unknown[0], failed[0]) == ("unknown", "failed")
