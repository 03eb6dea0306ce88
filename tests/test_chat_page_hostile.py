"""Answers that want more than to be read, and streams cut in any way, at the chat page in a real browser."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Watch
from tests.chat_page import Visitor
from tests.fake_provider import FakeProvider, text

HOSTILE = """
<script>window.broken = 1</script> and <img src=x onerror="window.broken = 2">

<iframe src="https://evil.example/"></iframe>
<style>body { display: none }</style>

<div style="position: fixed; inset: 0" onclick="window.broken = 3">over everything</div>

[click](javascript:window.broken=4) [and](data:text/html,<script>window.broken=5</script>) [here](JaVaScRiPt&#58;alert)

![spy](https://evil.example/pixel.png?who=you) ![local](/admin/logout/) <javascript:window.broken=6>

| <svg onload=window.broken=7> | b |
|---|---|
| ![x](http://evil.example/y.png) | `<b>` |

&lt;script&gt;window.broken = 8&lt;/script&gt; &copy; [fine](https://example.com/a?b=1&c=2)
"""


def test_a_hostile_answer_is_only_words(visitor: Visitor, provider: FakeProvider) -> None:
    provider.replies(text(HOSTILE))
    visitor.enter()
    visitor.ask("Be nasty")
    visitor.answered("<script>window.broken = 1</script>")
    expect(
        visitor.answers.locator("script, img, iframe, style, svg:not(.copy svg), [style], [onclick], object")
    ).to_have_count(0)
    links = visitor.answers.get_by_role("link").evaluate_all("links => links.map((link) => link.href)")
    assert links == [
        "https://evil.example/pixel.png?who=you",
        "http://evil.example/y.png",
        "https://example.com/a?b=1&c=2",
    ]
    expect(visitor.answers).to_contain_text("<script>window.broken = 8</script> ©")
    assert visitor.page.evaluate("window.broken") is None


@pytest.mark.parametrize(
    "answer",
    [
        "```\n" + "x = 'a line of code'\n" * 45_000,
        "word " * 200_000,
        "A paragraph of some words.\n\n" * 36_000,
        "- an item\n" * 20_000,
        "_a_" * 20_000,
    ],
    ids=["code", "paragraph", "paragraphs", "list", "emphasis"],
)
def test_an_answer_of_any_size_arrives_whole(answer: str, visitor: Visitor, provider: FakeProvider) -> None:
    pieces = [answer[start : start + 5_000] for start in range(0, len(answer), 5_000)]
    provider.replies(text(pieces, pause=0.01))
    visitor.page.set_default_timeout(60_000)
    visitor.enter()
    visitor.ask("All of it")
    expect(visitor.page.locator(".foot")).to_be_visible(timeout=120_000)
    shown = visitor.answers.evaluate("words => (words.querySelector('pre') ?? words).textContent")
    assert "".join(shown.split()) == "".join(word for word in answer.split() if word not in ("```", "-"))


@pytest.mark.parametrize("nested", [">" * 20_000, "".join(f"{'  ' * depth}- x\n" for depth in range(300))])
def test_an_answer_nested_beyond_measure_is_still_shown(nested: str, visitor: Visitor, provider: FakeProvider) -> None:
    provider.replies(text([nested, " deep"]))
    visitor.enter()
    visitor.ask("Dig")
    visitor.answered("deep")


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_a_stream_is_read_however_it_is_cut(step: int, visitor: Visitor, watch: Watch) -> None:
    visitor.page.goto(visitor.url)
    assert events(visitor.page, STREAM, step) == [
        {"chunk": "Grüße 🐦"},
        {"chunk": "two\nlines"},
        {"chunk": "", "sources": [{"title": "ü"}]},
        {"chunk": "", "success": False, "error": "It broke."},
    ]
    assert watch.unexpected == []


STREAM = (
    '\ufeff: hello\r\n\r\ndata: {"chunk": "Grüße 🐦"}\r\n\r\n: still here\n\nevent: x\nid: 1\ndata:{"chunk":\r'
    'data: "two\\nlines"}\r\rretry: 5\n\ndata: {"chunk": "", "sources": [{"title": "ü"}]}\n\n'
    'data: {"chunk": "", "success": false, "error": "It broke."}\r\n\r\ndata: {"chunk": "never whole"}'
)


def events(page: Page, stream: str, step: int) -> object:
    """What the page's parser makes of a stream that comes in pieces of so many bytes."""
    return page.evaluate(
        """async ([stream, step]) => {
            const { events } = await import("/static/chatpage/sse.js");
            const bytes = new TextEncoder().encode(stream);
            let at = 0;
            const body = new ReadableStream({
                pull(controller) {
                    if (at >= bytes.length) return controller.close();
                    controller.enqueue(bytes.slice(at, (at += step)));
                },
            });
            const found = [];
            for await (const event of events(body)) found.push(event);
            return found;
        }""",
        [stream, step],
    )
