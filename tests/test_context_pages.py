"""The admin's pages of the context beyond the list: one file at a time, how far it is, replacing, trying a question."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat.models import Prompt
from context.embeddings import indexes, vectors
from context.embeddings.configuration import chosen
from context.embeddings.models import EmbeddingIndex
from context.ingest import ingest
from context.models import Document
from context.progress import progress
from context.search import search
from operators.audit import Action
from operators.models import AuditEntry
from tests.hostile_site import Site
from tests.hostile_site import page as web_page

pytestmark = pytest.mark.django_db

ZEBRAS = "Zebras sleep standing up."
DOCUMENTS = "/admin/context/document/"


class Browser:
    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query, secure=True)

    def post(self, path: str, **form: Any) -> Any:
        return self.client.post(path, form, secure=True, follow=True)

    def upload(self, name: str, content: bytes) -> Any:
        return self.post(f"{DOCUMENTS}upload/", uploads=SimpleUploadedFile(name, content))


def user_who_may(*names: str) -> Browser:
    user = User.objects.create_user("bob", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=[*names, "view_document"]))
    return Browser(user)


@pytest.fixture
def operator() -> Browser:
    return Browser(User.objects.create_superuser("ann@example.com"))


@pytest.fixture
def zebras() -> Document:
    return ingest(ZEBRAS, title="Zebra facts", source="https://a.example/zebras").document


# One file, for the script of the page.


def test_a_file_is_taken_and_told_of(operator: Browser) -> None:
    told = operator.upload("zebras.md", ZEBRAS.encode()).json()
    document = Document.objects.get(source="upload:zebras.md")
    assert told == {
        "told": f"“{ZEBRAS}” was added.",
        "url": f"{DOCUMENTS}{document.pk}/change/",
        "progress": {"id": document.pk, "words": "Ready", "complete": True, "done": 1.0},
    }
    assert document.added_by == "ann@example.com"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("scan.png", b"\x89PNG", "This is an image without text."), ("a.md", b"", "This holds no text.")],
)
def test_what_is_no_document_is_told_in_a_sentence(operator: Browser, name: str, content: bytes, sentence: str) -> None:
    assert operator.upload(name, content).json() == {"error": sentence}


def test_nothing_is_an_error_too(operator: Browser) -> None:
    assert operator.post(f"{DOCUMENTS}upload/").json()["error"].startswith("Give one of these")
    assert operator.post(f"{DOCUMENTS}upload/", text=ZEBRAS).json() == {"error": "Send one file."}


def test_only_who_may_add_uploads() -> None:
    browser = user_who_may("change_document")
    assert browser.upload("zebras.md", ZEBRAS.encode()).status_code == 403
    assert browser.get(f"{DOCUMENTS}add/").status_code == 403


# How far.


@pytest.fixture
def index(pgvector: None, monkeypatch: pytest.MonkeyPatch) -> EmbeddingIndex:  # noqa: ARG001
    """The vectors that the settings ask for, of two numbers each; none is made yet."""
    asked = {"embeddings": "provider", "embeddings_provider": "x", "embeddings_model": "m"}
    env = settings.ENV.model_copy(update={**asked, "embeddings_base_url": "http://127.0.0.1:9/v1"})
    monkeypatch.setattr(settings, "ENV", env)
    choice = chosen(env)
    assert choice
    made = indexes.find_or_create(choice)
    made.dimensions = 2
    made.save()
    vectors.ensure_extension()
    vectors.ensure_table(made)
    return made


def test_a_document_says_how_far_its_vectors_are(index: EmbeddingIndex) -> None:
    document = ingest("\n\n".join(f"Paragraph {number}. " + "This and that. " * 90 for number in range(4))).document
    chunks = list(document.chunks.order_by("position"))
    passages = vectors.waiting(index, 0, len(chunks) // 2)
    vectors.store(index, passages, [[1.0, 0.0]] * len(passages))
    [far] = progress([document])
    assert (far.made, far.chunks, far.is_complete) == (len(passages), len(chunks), False)
    assert far.words == f"Found by words; by meaning {100 * len(passages) // len(chunks)} %"


def test_what_hinders_the_vectors_is_told(index: EmbeddingIndex, zebras: Document, operator: Browser) -> None:
    indexes.note(index, "The key was refused.")
    [told] = operator.get(f"{DOCUMENTS}progress/", id=[zebras.pk, 10**17]).json()["documents"]
    assert told["words"] == "Found by words; by meaning 0 %. The key was refused."
    assert (told["id"], told["complete"], told["done"]) == (zebras.pk, False, 0.0)
    assert told["words"] in operator.get(DOCUMENTS).content.decode()


def test_a_disabled_document_says_so(zebras: Document, operator: Browser) -> None:
    Document.objects.filter(pk=zebras.pk).update(enabled=False)
    assert "Disabled: search does not find it." in operator.get(DOCUMENTS).content.decode()
    assert "Disabled: search does not find it." in operator.get(f"{DOCUMENTS}{zebras.pk}/change/").content.decode()


def test_the_list_asks_as_much_for_many_documents_as_for_one(operator: Browser, index: EmbeddingIndex) -> None:  # noqa: ARG001
    counts = []
    for number in range(3):
        ingest(f"Zebra number {number}.")
        with CaptureQueriesContext(connection) as queries:
            operator.get(DOCUMENTS)
        counts.append(len(queries))
    assert len(set(counts[1:])) == 1


@pytest.mark.parametrize("key", ["x", "-1", "9" * 30])
def test_ids_that_are_none_are_left_out(operator: Browser, key: str) -> None:
    assert operator.get(f"{DOCUMENTS}progress/", id=key).json() == {"documents": []}


# Replacing.


def replace(browser: Browser, document: Document, **form: Any) -> Any:
    return browser.post(f"{DOCUMENTS}{document.pk}/replace/", **form)


def test_a_text_takes_the_place_of_another_under_the_same_id(operator: Browser, zebras: Document) -> None:
    replace(operator, zebras, text="Zebras sleep in herds.")
    [found] = search("zebras")
    assert (found.document, found.text, found.title) == (zebras.pk, "Zebras sleep in herds.", "Zebra facts")
    zebras.refresh_from_db()
    assert (zebras.posted, zebras.source, zebras.sources.count()) == (True, "", 0)
    assert AuditEntry.objects.filter(action=Action.CHANGED, whom="Zebra facts").count() == 1


def test_a_file_becomes_the_source(operator: Browser, zebras: Document) -> None:
    replace(operator, zebras, uploads=SimpleUploadedFile("new.md", b"Zebras run."), title="New facts")
    zebras.refresh_from_db()
    assert (zebras.title, zebras.source, zebras.text) == ("New facts", "upload:new.md", "Zebras run.")
    assert [source.address for source in zebras.sources.all()] == ["upload:new.md"]


def test_a_page_becomes_the_source(operator: Browser, zebras: Document, open_site: Site) -> None:
    url = open_site.url("/new")
    open_site.answers["/new"] = web_page(b"<p>Zebras graze.</p>")
    replace(operator, zebras, url=url)
    zebras.refresh_from_db()
    assert (zebras.source, zebras.text) == (url, "Zebras graze.")


def test_a_disabled_document_stays_disabled(operator: Browser, zebras: Document) -> None:
    Document.objects.filter(pk=zebras.pk).update(enabled=False)
    replace(operator, zebras, text="Zebras sleep in herds.")
    assert not search("zebras")


def test_what_another_document_has_is_not_taken(operator: Browser, zebras: Document) -> None:
    ingest("Lions roar.", title="Lions", source="upload:lions.md")
    told = replace(operator, zebras, text="Lions roar.").content.decode()
    assert "“Lions” has the same text: change or delete that one." in told
    file = SimpleUploadedFile("lions.md", b"Other.")
    assert "“Lions” has the same address" in replace(operator, zebras, uploads=file).content.decode()
    zebras.refresh_from_db()
    assert zebras.text == ZEBRAS


def test_one_file_takes_the_place_of_one_document(operator: Browser, zebras: Document) -> None:
    files = [SimpleUploadedFile(f"{number}.md", b"Zebras.") for number in range(2)]
    told = replace(operator, zebras, uploads=files).content.decode()
    assert "One file takes the place of one document." in told


def test_a_page_is_refreshed_from_its_document(operator: Browser, open_site: Site) -> None:
    url = open_site.url("/zebras")
    document = ingest(ZEBRAS, source=url).document
    open_site.answers["/zebras"] = web_page(b"<p>Zebras sleep in herds.</p>")
    assert "Refresh from the web" in operator.get(f"{DOCUMENTS}{document.pk}/change/").content.decode()
    operator.post(f"{DOCUMENTS}{document.pk}/refresh/")
    document.refresh_from_db()
    assert document.text == "Zebras sleep in herds."


def test_only_who_may_change_replaces_and_refreshes(zebras: Document) -> None:
    browser = user_who_may("add_document")
    assert replace(browser, zebras, text="Other.").status_code == 403
    assert browser.post(f"{DOCUMENTS}{zebras.pk}/refresh/").status_code == 403
    assert browser.get(f"{DOCUMENTS}{10**15}/replace/").status_code == 404


# Trying a question.


def tried(browser: Browser, **query: str) -> str:
    response = browser.get("/admin/try/", **query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_a_question_shows_what_is_found_and_what_is_given(operator: Browser, zebras: Document) -> None:
    lions = ingest("Lions sleep lying down, and zebras are none of them. " * 3, title="Lion facts").document
    shown = tried(operator, q="How do zebras sleep standing?")
    assert f'<a href="/admin/context/document/{zebras.pk}/change/">Zebra facts</a>' in shown
    assert f"/admin/context/document/{lions.pk}/change/" in shown
    assert "passage 1" in shown
    assert f'<div class="try-text">{ZEBRAS}</div>' in shown


def test_what_fits_too_little_is_found_and_not_given(operator: Browser, zebras: Document) -> None:  # noqa: ARG001
    shown = tried(operator, q="Where do astronomers, bakers, carpenters, dentists, farmers and zebras meet at night?")
    assert "Nothing: no passage shares enough with the question." in shown
    assert "Zebra facts" in shown


def test_it_goes_by_the_prompt_in_force(operator: Browser, zebras: Document) -> None:  # noqa: ARG001
    Prompt.objects.create(system="Be brief.", retrieval=False)
    assert "documents are not looked into" in tried(operator, q="zebras")


def test_what_is_found_does_not_act(operator: Browser) -> None:
    ingest("<script>alert(1)</script> zebras", title="<img src=x>")
    shown = tried(operator, q="zebras <script>")
    assert "<script>alert" not in shown
    assert "<img src=x>" not in shown


@pytest.mark.parametrize("query", [{}, {"q": ""}, {"q": "x" * 2001}, {"q": "a", "mode": "dense"}])
def test_without_a_question_nothing_is_tried(operator: Browser, query: dict[str, str]) -> None:
    assert "What search finds" not in tried(operator, **query)


def test_only_who_may_see_documents_tries() -> None:
    browser = Browser(User.objects.create_user("bob", is_staff=True))
    assert browser.get("/admin/try/", q="zebras").status_code == 403
