"""The admin of the context: operators add, look, switch off and remove."""

import html
import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from context.fetch import FetchRefused
from context.forms import AddForm
from context.ingest import ingest
from context.models import Document
from context.search import search
from tests.hostile_site import Site, page

pytestmark = pytest.mark.django_db

ZEBRAS = "Zebras sleep standing up."
SCRIPT = "<script>alert('x')</script>"


class Browser:
    """Of somebody who is logged in."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def get(self, path: str = "", **query: str) -> str:
        return self.client.get(f"/admin/context/{path}", query, secure=True).content.decode()

    def post(self, path: str, **form: Any) -> Any:
        return self.client.post(f"/admin/context/{path}", form, secure=True, follow=True)

    def add(self, **form: Any) -> list[str]:
        """What the operator is told: messages and errors."""
        return told(self.post("document/add/", **form))

    def act(self, action: str, *documents: Document, **more: str) -> list[str]:
        form = {"action": action, "_selected_action": [str(document.pk) for document in documents], **more}
        return told(self.post("document/", **form))


def told(response: Any) -> list[str]:
    if response.status_code == 403:
        return []
    messages = [str(message) for message in response.context["messages"]]
    form = response.context.get("form")
    errors = [str(error) for errors in form.errors.values() for error in errors] if isinstance(form, AddForm) else []
    page = html.unescape(response.content.decode())
    assert [text for text in messages + errors if text not in page] == []
    return messages + errors


def upload(name: str, content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


@pytest.fixture
def operator() -> Browser:
    return Browser(User.objects.create_superuser("ann@example.com"))


@pytest.fixture
def zebras() -> Document:
    return ingest(ZEBRAS, title="Zebra facts").document


# Adding.


def test_a_text_is_added(operator: Browser) -> None:
    assert operator.add(text=ZEBRAS, title="Zebra facts") == ["“Zebra facts” was added."]
    document = Document.objects.get()
    assert (document.text, document.source, document.added_by) == (ZEBRAS, "", "ann@example.com")
    assert search("zebras")[0].title == "Zebra facts"


def test_a_page_is_added(operator: Browser, open_site: Site) -> None:
    open_site.answers["/zebras"] = page(f"<p>{ZEBRAS}</p>".encode())
    assert operator.add(url=open_site.url("/zebras")) == [f"“{ZEBRAS}” was added."]
    assert Document.objects.get().source == open_site.url("/zebras")


def test_files_are_added_and_what_fails_is_told(operator: Browser) -> None:
    files = [
        upload("zebras.md", ZEBRAS.encode()),
        upload("scan.png", b"\x89PNG"),
        upload("lions.csv", b"lion,ness\n1,2"),
    ]
    assert operator.add(uploads=files) == [
        f"“{ZEBRAS}” was added.",
        "“lions.csv” was added.",
        "“scan.png”: This is an image without text.",
    ]
    assert Document.objects.count() == 2


def test_a_file_of_the_same_name_replaces_the_earlier_one(operator: Browser) -> None:
    operator.add(uploads=[upload("zebras.md", ZEBRAS.encode())])
    before = Document.objects.get().pk
    told = operator.add(uploads=[upload("zebras.md", b"Zebras sleep in herds.")])
    assert told == ["“Zebras sleep in herds.” has taken the place of what was there under the same name."]
    assert Document.objects.get().pk == before


def test_the_same_again_changes_nothing(operator: Browser, zebras: Document) -> None:
    assert operator.add(text=zebras.text) == ["“Zebra facts” was there already: nothing has changed."]


@pytest.mark.parametrize(
    "form",
    [{}, {"title": "Nothing else"}, {"text": "  \n"}, {"text": "a", "url": "https://example.com/"}],
)
def test_one_thing_must_be_given(operator: Browser, form: dict[str, str]) -> None:
    assert operator.add(**form) == ["Give one of these: a text, a web address, or files."]


def test_one_title_does_not_fit_several_files(operator: Browser) -> None:
    files = [upload(f"{number}.md", b"Zebras.") for number in range(2)]
    assert operator.add(uploads=files, title="Zebras") == ["One title does not fit several files: leave it empty."]


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"url": "ftp://example.com/"}, "The address must be a web address like https://example.com/page."),
        ({"url": "http://10.0.0.1:22/"}, "The address has port 22, which is not fetched from."),
        ({"text": "a\0b"}, "Null characters are not allowed."),
    ],
)
def test_what_cannot_be_had_is_told_beside_its_field(operator: Browser, form: dict[str, str], sentence: str) -> None:
    assert operator.add(**form) == [sentence]
    assert not Document.objects.exists()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "“a.md”: This holds no text."),
        (b"x" * 101, "“a.md”: It is larger than the limit of 0.0001 MB (CONTEXT_MAX_BYTES)."),
    ],
)
def test_a_file_that_cannot_be_read_is_told(
    operator: Browser, monkeypatch: pytest.MonkeyPatch, content: bytes, sentence: str
) -> None:
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"context_max_bytes": 100}))
    assert operator.add(uploads=[upload("a.md", content)]) == [sentence]


def test_a_text_that_was_typed_is_not_lost_over_an_error(operator: Browser) -> None:
    response = operator.post("document/add/", text=ZEBRAS, url="nowhere")
    assert ZEBRAS in response.content.decode()


def test_no_transaction_is_open_while_a_page_is_fetched(operator: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = len(connection.savepoint_ids)
    seen: list[int] = []

    def fetch(url: str) -> None:
        seen.append(len(connection.savepoint_ids))
        raise FetchRefused(f"No {url}.")

    monkeypatch.setattr("context.forms.from_web", fetch)
    assert operator.add(url="https://a.example/") == ["No https://a.example/."]
    assert seen == [outside]


# Looking.


def test_the_list_shows_what_there_is(operator: Browser, zebras: Document) -> None:
    listed = operator.get("document/")
    for shown in ("Zebra facts", "english", str(len(zebras.text))):
        assert shown in listed


def test_a_document_shows_its_sources_and_chunks(operator: Browser) -> None:
    text = "\n\n".join(f"Paragraph {number} {SCRIPT}. " + "This and that. " * 40 for number in range(200))
    document = ingest(text, title=SCRIPT, source="docs/zebras.md").document
    shown = operator.get(f"document/{document.pk}/change/")
    assert "docs/zebras.md" in shown
    assert shown.count("<p><strong>") == 50
    assert "<script>alert" not in shown


def test_all_chunks_can_be_read(operator: Browser, zebras: Document) -> None:
    ingest("Lions sleep lying down.")
    listed = operator.get("chunk/", document__id__exact=str(zebras.pk))
    assert ZEBRAS in listed
    assert "Lions" not in listed
    chunk = zebras.chunks.get()
    assert ZEBRAS in operator.get(f"chunk/{chunk.pk}/change/")


def test_a_list_of_chunks_takes_as_many_queries_for_many_as_for_few(operator: Browser) -> None:
    def queries() -> int:
        operator.get("chunk/")
        with CaptureQueriesContext(connection) as captured:
            operator.get("chunk/")
        return len(captured)

    ingest("Zebra.")
    few = queries()
    for number in range(30):
        ingest(f"Zebra {number}.")
    assert queries() == few < 10


# Changing.


def test_what_is_disabled_is_not_found_until_it_is_enabled(operator: Browser, zebras: Document) -> None:
    assert operator.act("disable", zebras) == ["Disabled: 1."]
    assert not search("zebras")
    assert operator.act("enable", zebras) == ["Enabled: 1."]
    assert search("zebras")


def test_a_document_is_named_and_disabled_on_its_page(operator: Browser, zebras: Document) -> None:
    operator.post(f"document/{zebras.pk}/change/", title="New name")
    zebras.refresh_from_db()
    assert (zebras.title, zebras.enabled, zebras.text) == ("New name", False, ZEBRAS)
    assert not search("zebras")


def test_a_page_is_refreshed(operator: Browser, open_site: Site) -> None:
    url = open_site.url("/zebras")
    open_site.answers["/zebras"] = page(f"<p>{ZEBRAS}</p>".encode())
    operator.add(url=url)
    document = Document.objects.get()
    open_site.answers["/zebras"] = page(b"<p>Zebras sleep in herds.</p>")
    assert operator.act("refresh", document) == [f"“{url}”: changed."]
    assert search("zebras")[0].text == "Zebras sleep in herds."
    del open_site.answers["/zebras"]
    assert operator.act("refresh", document) == [f"“{url}”: The site answered 404 Not Found: check the address."]


def test_what_is_not_from_the_web_is_not_refreshed(operator: Browser, zebras: Document) -> None:
    assert operator.act("refresh", zebras) == ["None of these documents is from the web."]


def test_what_is_removed_is_not_found(operator: Browser, zebras: Document) -> None:
    ingest("Lions sleep lying down.")
    assert operator.act("delete_selected", zebras, post="yes") == ["Successfully deleted 1 document."]
    assert not search("zebras")
    assert search("lions")


def test_before_it_is_removed_its_chunks_are_counted(operator: Browser) -> None:
    document = ingest("\n\n".join(f"Paragraph {number}. " + "This and that. " * 90 for number in range(30))).document
    asked = operator.get(f"document/{document.pk}/delete/")
    assert re.search(r"Chunks: (3\d)", asked)
    assert "Paragraph 7" not in asked


# Who may.


@pytest.mark.parametrize("may", ["view", "add", "change", "delete"])
def test_everybody_does_what_they_may(zebras: Document, may: str) -> None:
    user = User.objects.create_user("bob", is_staff=True)
    names = {f"{may}_document", "view_document"}
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    browser = Browser(user)
    browser.add(text="Gnus run.")
    browser.act("disable", zebras)
    browser.act("delete_selected", zebras, post="yes")
    left = Document.objects.filter(pk=zebras.pk).first()
    did = {
        "add": bool(search("gnus")),
        "change": bool(left and not left.enabled),
        "delete": left is None,
    }
    assert [name for name, done in did.items() if done] == ([] if may == "view" else [may])
