"""In a real browser: files are dropped on the page, each says how far it is, and a question finds them."""

import base64
import uuid

import pytest
from playwright.sync_api import Page

from tests.browser import serious_axe_findings
from tests.conftest import Serve, Server
from tests.fake_provider import FakeProvider
from tests.signed_in import sign_in

DROP = """
([zone, files]) => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    transfer.items.add(new File([Uint8Array.from(atob(data), (each) => each.charCodeAt(0))], name));
  }
  zone.dispatchEvent(new DragEvent("dragover", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  zone.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def server(serve: Serve, provider: FakeProvider) -> Server:
    model = {"PROVIDER_NAME": "fake", "PROVIDER_MODEL": "fake", "PROVIDER_BASE_URL": provider.base_url}
    return serve(APP_URL="http://localhost", **model)


def drop(page: Page, files: dict[str, bytes]) -> None:
    zone = page.locator(".add-zone").element_handle()
    page.evaluate(DROP, [zone, [[name, base64.b64encode(content).decode()] for name, content in files.items()]])


def test_dropped_files_are_added_and_found(page: Page, server: Server) -> None:
    animal = f"okapi{uuid.uuid4().hex[:8]}"
    sign_in(page, server)
    page.goto(f"{server.url}/admin/context/document/add/")
    drop(page, {f"{animal}.md": f"An {animal} sleeps five minutes at a time.".encode(), "scan.png": b"\x89PNG"})
    page.get_by_text("was added. Ready").wait_for()
    page.get_by_text("This is an image without text.").wait_for()
    assert serious_axe_findings(page) == []
    page.get_by_role("link", name=f"{animal}.md").click()
    page.wait_for_url("**/change/")
    page.goto(f"{server.url}/admin/try/")
    page.get_by_label("Question").fill(f"How long does an {animal} sleep?")
    page.get_by_role("button", name="Try it").click()
    page.get_by_text("passage 1").wait_for()
    page.get_by_text(f"An {animal} sleeps five minutes at a time.").first.wait_for()
    assert serious_axe_findings(page) == []


def test_a_file_that_is_too_large_is_not_sent(page: Page, server: Server) -> None:
    sign_in(page, server)
    page.goto(f"{server.url}/admin/context/document/add/")
    drop(page, {"large.txt": b"x" * 10_600_000})
    page.get_by_text("This is larger than").wait_for()
    assert page.locator(".add-list li.failed").count() == 1
