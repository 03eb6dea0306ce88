"""Exports: every message once, in a shape that a program, a spreadsheet or a person reads."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from chat import memory, storage
from chat.content import Block, File, Image, Text
from chat.history import agent_message
from chat.models import Conversation, Message, Summary, ToolCall
from operators.data.formats import Format, export, harmless
from operators.models import AuditEntry

pytestmark = pytest.mark.django_db

PIXEL = "iVBORw0KGgo="
SCRIPT = "<script>alert(1)</script>"


def asked(email: str, *blocks: Block, answer: str = "Well.") -> storage.OpenedTurn:
    opened = storage.open_turn(email, blocks, timezone.now())
    storage.close_turn(opened.answer.pk, {"text": answer, "status": "complete"}, [])
    return opened


def exported(email: str, form: Format) -> str:
    return "".join(export(Conversation.objects.filter(email=email), form))


def lines(email: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in exported(email, "jsonl").splitlines()]


def rows(email: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(email, "csv").removeprefix("\ufeff"))))


def test_a_line_holds_the_message_as_the_api_gives_it(email: str) -> None:
    turn = asked(email, Text("Look"), Image("a.png", PIXEL), File("a.txt", "A file"))
    question = lines(email)[0]
    assert question["message"] == agent_message(Message.objects.get(pk=turn.question.pk))
    assert question["message"]["content"][1] == {"type": "image", "name": "a.png", "base64": PIXEL}
    assert (question["conversation"]["email"], question["sequence"]) == (email, 1)


def test_every_message_comes_once_and_in_order(email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_CONVERSATIONS": 2, "_ROWS": 3, "_MESSAGES": 2}.items():
        monkeypatch.setattr(f"operators.data.records.{name}", value)
    for _ in range(3):
        for number in range(4):
            asked(email, Text(str(number)))
        storage.archive(email)
    said = [(line["conversation"]["id"], line["sequence"]) for line in lines(email)]
    assert said == sorted(set(said))
    assert len(said) == 24


def test_large_messages_are_not_read_together(email: str, django_assert_num_queries: Any) -> None:
    monkey = Text("x" * 10)
    for _ in range(3):
        asked(email, monkey)
    with django_assert_num_queries(6):  # conversations twice, places twice, messages, tool calls
        lines(email)


def test_an_answer_comes_with_its_tool_calls_and_what_it_took(email: str) -> None:
    turn = asked(email, Text("Hi"))
    ToolCall.objects.create(message=turn.answer, call_id="1", name="clock", arguments="{}", result="noon")
    Message.objects.filter(pk=turn.answer.pk).update(model="m", completion_tokens=7)
    answer = lines(email)[1]
    assert [call["result"] for call in answer["tool_calls"]] == ["noon"]
    assert (answer["usage"]["model"], answer["usage"]["completion_tokens"]) == ("m", 7)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r\n=1", "＝1"])  # noqa: RUF001
def test_no_cell_is_a_formula(email: str, cell: str) -> None:
    asked(email, Text(cell), File(cell, "a"))
    row = rows(email)[0]
    assert (row["text"], row["files"]) == (f"'{cell}", f"'{cell}")
    assert harmless("1+1=2") == "1+1=2"


def test_a_table_survives_commas_quotes_and_lines(email: str) -> None:
    asked(email, Text('One, "two"\nthree'))
    assert [row["text"] for row in rows(email)] == ['One, "two"\nthree', "Well."]


def test_a_document_holds_all_that_is_known_of_a_person(email: str) -> None:
    asked(email, Text("Hi"))
    Summary.objects.create(conversation=Conversation.objects.get(email=email), through=2, text="They greeted.")
    storage.archive(email)
    asked(email, Text("Again"))
    memory.remember(email, "Has a dog")
    [person] = json.loads(exported(email, "json"))["people"]
    assert [fact["text"] for fact in person["facts"]] == ["Has a dog"]
    assert [len(conversation["messages"]) for conversation in person["conversations"]] == [2, 2]
    assert person["conversations"][0]["summaries"][0]["text"] == "They greeted."


def test_people_are_told_apart(email: str) -> None:
    for who in (email, f"a{email}", ""):
        asked(who, Text("Hi"))
    document = json.loads("".join(export(Conversation.objects.all(), "json")))
    emails = [person["email"] for person in document["people"]]
    assert len(emails) == len(set(emails))
    assert {"", email, f"a{email}"} <= set(emails)


@pytest.mark.parametrize("form", ["jsonl", "json"])
def test_nothing_is_a_whole_file_too(email: str, form: Format) -> None:
    assert exported(email, form).count('"email"') == 0


def test_a_page_shows_what_was_said_and_nothing_in_it_acts(email: str) -> None:
    asked(
        email,
        Text(SCRIPT),
        File('"><script>', SCRIPT),
        Image('x" onerror="alert(1)', PIXEL),
        Image("svg", "data:image/svg+xml;base64,PHN2Zz4="),
        answer=f"[x](javascript:alert(1)) ![](https://evil.example/x.png) {SCRIPT}",
    )
    memory.remember(email, SCRIPT)
    html = exported(email, "html")
    assert "<script" not in html
    assert html.count("<img ") == 1
    assert f'src="data:image/png;base64,{PIXEL}" alt="x&quot; onerror=' in html
    assert 'href="javascript' not in html
    assert 'src="http' not in html


# The command.


def command(*options: str, capsys: pytest.CaptureFixture[str]) -> str:
    call_command("export_history", *options)
    return capsys.readouterr().out


def test_the_command_writes_lines(email: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked(email, Text("Grüße 🦓"))
    asked(f"x{email}", Text("Not this"))
    written = command("--email", email.upper(), capsys=capsys).splitlines()
    assert [json.loads(line)["message"]["content"][0]["text"] for line in written] == ["Grüße 🦓", "Well."]
    assert AuditEntry.objects.get(whom=email).who == "manage.py export_history"


@pytest.mark.parametrize(
    ("name", "beginning"), [("a.csv", "\ufeffconversation,"), ("a.HTML", "<!doctype"), ("a.json", "{")]
)
def test_the_files_name_says_the_format(email: str, tmp_path: Path, name: str, beginning: str) -> None:
    asked(email, Text("Hi"))
    call_command("export_history", "--all", "--output", str(tmp_path / name))
    assert (tmp_path / name).read_text().startswith(beginning)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_name_that_says_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"must end with \.jsonl, \.csv"):
        call_command("export_history", "--all", "--output", str(tmp_path / "a.txt"))
