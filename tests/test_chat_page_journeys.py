"""What people do at the chat page, in a real browser: nothing of it asks another host or fails in the console."""

import re
from contextlib import closing
from urllib.parse import urlsplit

from playwright.sync_api import FloatRect, expect

from tests.browser import PHONE, Watch, serious_axe_findings
from tests.chat_page import API_ERROR, Visitor
from tests.conftest import ROOT, Serve, Server
from tests.fake_provider import FakeProvider, Gate, cut, key_refused, text
from tests.test_database_down import Line

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_a_first_conversation_from_an_empty_page(visitor: Visitor, provider: FakeProvider) -> None:
    gate = Gate()
    provider.replies(text(["Swifts ", "are **fast**", ":\n\n```py\nfly()\n```\n"], gate=gate))
    visitor.page.goto(visitor.url)
    expect(visitor.page.get_by_label("E-mail address")).to_be_focused()
    assert serious_axe_findings(visitor.page) == []
    visitor.enter()
    expect(visitor.page.get_by_text("What would you like to know?")).to_be_visible()
    assert serious_axe_findings(visitor.page) == []
    visitor.ask("What are swifts?")
    expect(visitor.questions).to_have_text(["What are swifts?"])
    gate.step()
    expect(visitor.answers).to_have_text("Swifts")
    expect(visitor.stop).to_be_visible()
    gate.open()
    visitor.answered("Swifts are fast")
    expect(visitor.answers.locator("strong")).to_have_text("fast")
    expect(visitor.words).to_be_focused()
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visitor.button("Copy the code, py").click()
    assert visitor.page.evaluate("navigator.clipboard.readText()") == "fly()"
    assert serious_axe_findings(visitor.page) == []


def test_e_mail_and_key_are_asked_once_and_kept_for_the_tab(visitor: Visitor) -> None:
    visitor.enter()
    visitor.page.reload()
    expect(visitor.words).to_be_focused()
    assert visitor.page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    other = visitor.page.context.new_page()
    other.goto(visitor.url)
    expect(other.get_by_label("E-mail address")).to_be_visible()


def test_an_image_by_paste_is_seen_by_the_model_and_after_a_reload(visitor: Visitor, provider: FakeProvider) -> None:
    visitor.enter()
    visitor.words.evaluate(
        """(words, pixel) => {
            const bytes = Uint8Array.from(atob(pixel), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], "dot.png", { type: "image/png" }));
            words.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }""",
        PIXEL,
    )
    expect(visitor.button("Remove dot.png")).to_be_visible()
    assert serious_axe_findings(visitor.page) == []
    visitor.ask("What is this?")
    visitor.answered("You said")
    assert PIXEL in str(provider.requests[-1].json["messages"][-1]["content"])
    visitor.page.reload()
    image = visitor.questions.get_by_role("img", name="dot.png")
    expect(image).to_be_visible()
    assert image.evaluate("image => image.naturalWidth") == 1


def test_files_by_drop_and_by_button_reach_the_model_as_text(visitor: Visitor, provider: FakeProvider) -> None:
    visitor.enter()
    visitor.words.evaluate(
        """(words) => {
            const data = new DataTransfer();
            data.items.add(new File(["Grüße vom Dach"], "notes.md", { type: "" }));
            words.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
    )
    visitor.page.locator("#files").set_input_files(ROOT / "tests" / "documents" / "swifts.pdf")
    for name in ("notes.md", "swifts.pdf"):
        expect(visitor.button(f"Remove {name}")).to_be_visible()
    visitor.ask("Compare them")
    visitor.answered("You said")
    asked = str(provider.requests[-1].json["messages"][-1]["content"])
    assert "Grüße vom Dach" in asked
    assert "swift" in asked.lower().replace("swifts.pdf", "")


def test_a_file_that_cannot_be_read_comes_back_with_a_sentence(visitor: Visitor, watch: Watch) -> None:
    watch.allowed.append(f"{API_ERROR} 422")
    visitor.enter()
    visitor.page.locator("#files").set_input_files(ROOT / "tests" / "unreadable" / "scan.pdf")
    expect(visitor.page.get_by_role("button", name="Remove scan.pdf")).to_be_visible()
    visitor.ask("What does it say?")
    expect(visitor.page.get_by_role("alert").filter(has_text="scan.pdf: ")).to_be_visible()
    expect(visitor.words).to_have_value("What does it say?")
    visitor.button("Remove scan.pdf").click()
    visitor.words.press("Enter")
    visitor.answered("You said: What does it say?")
    assert len(visitor.history()) == 2


def test_escape_stops_an_answer_and_what_was_written_stays(visitor: Visitor, provider: FakeProvider) -> None:
    gate = Gate()
    provider.replies(text(["One ", "two ", "three"], gate=gate))
    visitor.enter()
    visitor.ask("Count")
    gate.step()
    expect(visitor.answers).to_have_text("One")
    visitor.words.press("Escape")
    expect(visitor.page.get_by_text("You stopped this answer.")).to_be_visible()
    expect(visitor.send).to_be_visible()
    assert visitor.history()[-1]["content"] == [{"type": "text", "text": "One "}]
    visitor.ask("Again")
    visitor.answered("You said: Again")


def test_an_answer_is_stopped_before_its_first_word(visitor: Visitor, provider: FakeProvider, watch: Watch) -> None:
    watch.allowed.append(f"{API_ERROR} 409")
    provider.replies(text("Never", gate=Gate()))
    visitor.enter()
    visitor.ask("Count")
    provider.wait_for_requests()
    visitor.stop.click()
    expect(visitor.page.get_by_text("You stopped this answer.")).to_be_visible()
    expect(visitor.page.locator(".answer .trouble")).to_have_count(0)
    visitor.ask("Once more")
    visitor.answered("Once more")


def test_a_reload_in_mid_answer_comes_back_to_it(visitor: Visitor, provider: FakeProvider) -> None:
    gate = Gate()
    provider.replies(text(["One ", "two ", "three"], gate=gate))
    visitor.enter()
    visitor.ask("Count")
    gate.step()
    expect(visitor.answers).to_have_text("One")
    visitor.page.reload()
    expect(visitor.answers).to_have_text("One")
    expect(visitor.stop).to_be_visible()
    gate.open()
    visitor.answered("One two three")
    expect(visitor.answers).to_have_count(1)
    assert [message["role"] for message in visitor.history()] == ["user", "assistant"]


def test_a_connection_that_breaks_in_mid_answer_is_made_anew(
    visitor: Visitor,
    chat_server: Server,
    provider: FakeProvider,
    watch: Watch,
) -> None:
    watch.allowed.append("net::ERR_")
    gate = Gate()
    provider.replies(text(["One ", "two ", "three"], gate=gate))
    with closing(Line(f"postgresql://a:b@127.0.0.1:{chat_server.env['PORT']}/c")) as line:
        visitor.url = f"http://127.0.0.1:{urlsplit(line.url).port}"
        visitor.enter()
        visitor.ask("Count")
        gate.step()
        expect(visitor.answers).to_have_text("One")
        line.cut()
        line.mend()
        gate.open()
        visitor.answered("One two three")
    assert len(provider.requests) == 1


def test_an_expired_key_leads_back_to_the_door_and_loses_nothing(visitor: Visitor, watch: Watch) -> None:
    watch.allowed.append(f"{API_ERROR} 401")
    visitor.enter()
    visitor.page.route(
        "**/message/stream", lambda route: route.continue_(headers=route.request.headers | {"x-cc-api-key": "old"})
    )
    visitor.ask("Do you still know me?")
    expect(visitor.page.get_by_role("alert").filter(has_text="X-CC-API-KEY")).to_be_visible()
    expect(visitor.page.get_by_label("E-mail address")).to_have_value(visitor.email)
    assert serious_axe_findings(visitor.page) == []
    visitor.page.unroute("**/message/stream")
    visitor.page.get_by_label("Key").fill("wrong")
    visitor.button("Begin").click()
    expect(visitor.page.get_by_role("alert").filter(has_text="X-CC-API-KEY")).to_be_visible()
    visitor.page.get_by_label("Key").fill("test-key")
    visitor.button("Begin").click()
    expect(visitor.words).to_have_value("Do you still know me?")


def test_while_the_provider_is_down_a_question_is_tried_again_and_not_doubled(
    visitor: Visitor, provider: FakeProvider, watch: Watch
) -> None:
    watch.allowed.append(f"{API_ERROR} 502")
    provider.replies(key_refused(), key_refused())
    visitor.enter()
    visitor.ask("Anybody there?")
    for _ in range(2):
        expect(visitor.page.locator(".trouble p")).to_contain_text("provider")
        assert serious_axe_findings(visitor.page) == []
        visitor.button("Try again").click()
    visitor.answered("You said: Anybody there?")
    expect(visitor.questions).to_have_count(1)
    visitor.page.reload()
    visitor.answered("You said: Anybody there?")
    expect(visitor.questions).to_have_count(1)


def test_an_answer_that_breaks_off_says_so_and_can_be_asked_for_again(visitor: Visitor, provider: FakeProvider) -> None:
    provider.replies(cut("Half an answer "))
    visitor.enter()
    visitor.ask("Tell me all")
    expect(visitor.answers).to_have_text("Half an answer")
    visitor.button("Ask again").click()
    visitor.answered("You said: Tell me all")


def test_on_a_phone_nothing_is_out_of_reach(visitor: Visitor, provider: FakeProvider) -> None:
    wide = "| " + " | ".join(["a wide column"] * 12) + " |"
    provider.replies(text(f"{wide}\n{re.sub('[^|]+', '-', wide)}\n{wide}\n\n`{'x' * 300}`\n"))
    visitor.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    visitor.enter()
    visitor.ask("A wide table, please")
    visitor.answered("a wide column")
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    for name in ("Attach images or files", "Send", "Add knowledge", "Start over", "Leave"):
        box: FloatRect | None = visitor.button(name).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
        assert min(box["width"], box["height"]) >= 40
    assert serious_axe_findings(visitor.page) == []


def test_the_whole_page_works_by_keyboard(visitor: Visitor) -> None:
    keyboard = visitor.page.keyboard
    visitor.page.goto(visitor.url)
    expect(visitor.page.get_by_label("E-mail address")).to_be_focused()
    keyboard.type(visitor.email)
    keyboard.press("Tab")
    keyboard.type("test-key")
    keyboard.press("Enter")
    expect(visitor.words).to_be_focused()
    keyboard.type("One line")
    keyboard.press("Shift+Enter")
    keyboard.type("and another")
    keyboard.press("Enter")
    expect(visitor.questions).to_have_text("One line\nand another")
    visitor.answered("You said: One line")
    visitor.page.get_by_role("button", name="Start over").focus()
    keyboard.press("Enter")
    expect(visitor.button("Keep it")).to_be_focused()
    assert serious_axe_findings(visitor.page) == []
    keyboard.press("Escape")
    expect(visitor.questions).to_have_count(1)


def test_starting_over_asks_first_and_then_begins_afresh(visitor: Visitor) -> None:
    visitor.enter()
    visitor.ask("Remember this")
    visitor.answered("You said")
    visitor.button("Start over").click()
    visitor.button("Keep it").click()
    expect(visitor.questions).to_have_count(1)
    visitor.button("Start over").click()
    visitor.page.get_by_role("dialog").get_by_role("button", name="Start over").click()
    expect(visitor.page.get_by_text("What would you like to know?")).to_be_visible()
    assert visitor.history() == []


def test_knowledge_is_added_and_named_under_the_answer(visitor: Visitor, watch: Watch) -> None:
    watch.allowed.append(f"{API_ERROR} 4")
    visitor.enter()
    visitor.button("Add knowledge").click()
    dialog = visitor.page.get_by_role("dialog")
    dialog.get_by_label("Title").fill("About swifts")
    dialog.get_by_label("Text", exact=True).fill("Swifts sleep while they glide, high above the hills.")
    assert serious_axe_findings(visitor.page) == []
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_role("status")).to_contain_text("Added “About swifts”")
    dialog.get_by_label("A web address").check()
    dialog.get_by_label("Address of a page").fill("http://127.0.0.1:9/")
    dialog.get_by_role("button", name="Add", exact=True).click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_role("button", name="Close").click()
    visitor.ask("Where do swifts sleep?")
    visitor.answered("You said")
    visitor.page.get_by_text("1 source").click()
    expect(visitor.page.locator(".sources li")).to_have_text("About swifts")


def test_older_messages_come_on_scrolling_up(visitor: Visitor, chat_server: Server) -> None:
    with chat_server.client(visitor.email) as person:
        for number in range(40):
            person.post("/api/chat/message", json={"message": f"Question {number}"})
    visitor.enter()
    visitor.answered("You said: Question 39")
    expect(visitor.questions).to_have_count(15)
    for _ in range(3):
        visitor.page.locator("#scroll").evaluate("frame => frame.scrollTo(0, 0)")
    expect(visitor.questions).to_have_count(40)
    assert visitor.questions.all_text_contents() == [f"Question {number}" for number in range(40)]


def test_light_and_dark_follow_the_system_until_somebody_chooses(visitor: Visitor) -> None:
    def paper() -> str:
        color: str = visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return color

    visitor.enter()
    visitor.ask("Hello")
    visitor.answered("You said")
    light = paper()
    visitor.page.emulate_media(color_scheme="dark")
    dark = paper()
    assert serious_axe_findings(visitor.page) == []
    visitor.button("Switch between light and dark").click()
    assert (light != dark, paper()) == (True, light)
    visitor.page.reload()
    assert paper() == light


def test_a_guest_talks_without_a_key_and_without_a_history(visitor: Visitor, serve: Serve) -> None:
    visitor.url = serve(CHAT_PAGE="true", ALLOW_ANONYMOUS="true").url
    visitor.page.goto(visitor.url)
    visitor.button("Begin").click()
    visitor.ask("Who am I?")
    visitor.answered("No model is set up yet")
    visitor.button("Start over").click()
    visitor.page.get_by_role("dialog").get_by_role("button", name="Start over").click()
    expect(visitor.page.get_by_text("What would you like to know?")).to_be_visible()
