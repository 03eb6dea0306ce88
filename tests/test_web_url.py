"""context/web_url.py: what somebody typed becomes one unmistakable address, or an error."""

import pytest

from context.web_url import WebURL

SAME = {
    "https://example.com": "https://example.com/",
    " https://example.com/a\n": "https://example.com/a",
    "HTTPS://EXAMPLE.COM/A": "https://example.com/A",
    "https://example.com.": "https://example.com/",
    "https://example.com:443/": "https://example.com/",
    "http://example.com:80/": "http://example.com/",
    "http://example.com:/": "http://example.com/",
    "http://example.com:443/": "http://example.com:443/",
    "https://example.com/a#part": "https://example.com/a",
    "https://example.com?q=1#part": "https://example.com/?q=1",
    "https://example.com/a b?c d": "https://example.com/a%20b?c%20d",
    "https://example.com/%C3%B6l?q=%20": "https://example.com/%C3%B6l?q=%20",
    "https://de.example.org/wiki/Öl?q=ä": "https://de.example.org/wiki/%C3%96l?q=%C3%A4",
    "https://bücher.example/": "https://xn--bcher-kva.example/",
    "https://例え.jp/": "https://xn--r8jz45g.jp/",
    "https://example。com/": "https://example.com/",
    "https://a_b.example.com/": "https://a_b.example.com/",
    "https://example.com/a\\b": "https://example.com/a%5Cb",
    "http://1.1.1.1/": "http://1.1.1.1/",
    "http://1.1.1.1.:8080/": "http://1.1.1.1:8080/",
    "http://[2606:4700:0:0::1]/": "http://[2606:4700::1]/",
    "http://[::FFFF:127.0.0.1]:8080/": "http://[::ffff:7f00:1]:8080/",
    # Look-alikes are what they look like, and then checked as that.
    "http://\N{FULLWIDTH DIGIT ONE}27.0.0.1/": "http://127.0.0.1/",
    "http://①②⑦.⓪.⓪.①/": "http://127.0.0.1/",
    "http://ⓔⓧⓐⓜⓟⓛⓔ.com/": "http://example.com/",
}
REFUSED = [
    "",
    "example.com",
    "//example.com/",
    "http:example.com",
    "http:///example.com",
    "http://",
    "https://:443/",
    "file:///etc/passwd",
    "ftp://example.com/",
    "gopher://example.com:70/_x",
    "data:text/html,hello",
    "javascript:alert(1)",
    "jar:http://example.com!/",
    "ws://example.com/",
    "http://user@example.com/",
    "http://user:password@example.com/",
    "http://@example.com/",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\.evil.com/",
    "http://exam ple.com/",
    "http://example.com\t/",
    "http://example.com/\r\nHost: other",
    "http://example.com/\x00",
    "http://example.com/\x7f",
    "http://example.com/\ud800",
    "http://example.com:0/",
    "http://example.com:65536/",
    "http://example.com:http/",
    "http://example.com:-80/",
    "http://example.com:+80/",
    "http://example.com:8_0/",
    "http://example.com:80:80/",
    "http://example.com:\N{FULLWIDTH DIGIT EIGHT}0/",
    "http://example.com\N{FULLWIDTH COLON}80/",
    "http://example.com\N{FULLWIDTH SOLIDUS}path",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.example.com/",
    "http://.example.com/",
    "http://example..com/",
    "http://example.com../",
    "http://-example.com/",
    f"http://{'a' * 64}.com/",
    f"http://{'a.' * 130}com/",
    "http://xn--\N{LATIN SMALL LETTER O WITH DIAERESIS}.com/",
    "http://*.example.com/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.01/",
    "http://0/",
    "http://0x/",
    "http://256.1.1.1/",
    "http://1.1.1.1.1/",
    "http://example.123/",
    "http://4294967297/",
    "http://[::1/",
    "http://::1/",
    "http://[]/",
    "http://[fe80::1%25eth0]/",
    "http://[fe80::1%eth0]/",
    "http://[v1.a]/",
    "http://[::1]example.com/",
    "http://example.com[::1]/",
    "http://[127.0.0.1]/",
    "http://[:::1]/",
    f"http://example.com/{'a' * 2000}",
    f"http://example.com/{'ö' * 400}",
]


@pytest.mark.parametrize("text", SAME)
def test_it_has_one_form(text: str) -> None:
    assert str(WebURL.parse(text)) == SAME[text]


@pytest.mark.parametrize("text", set(SAME.values()))
def test_that_form_stays_as_it_is(text: str) -> None:
    assert str(WebURL.parse(text)) == text


@pytest.mark.parametrize("text", REFUSED)
def test_it_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|is|must|holds) [\w ,:/.%]+\.$"):
        WebURL.parse(text)


@pytest.mark.parametrize("text", ["http://user@example.com/", "http://user:password@example.com/", "http://@a.example"])
def test_a_refused_password_is_called_one(text: str) -> None:
    with pytest.raises(ValueError, match="must not hold a user name or password"):
        WebURL.parse(text)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b?c=1", "http://example.com:8080/b?c=1"),
        ("b", "http://example.com:8080/a/b"),
        ("../../b", "http://example.com:8080/b"),
        ("//other.example/", "http://other.example/"),
        ("https://other.example", "https://other.example/"),
        ("?q", "http://example.com:8080/a/?q"),
        ("Ö l", "http://example.com:8080/a/%C3%96%20l"),
    ],
)
def test_a_redirect_leads_on_from_where_it_stands(location: str, target: str) -> None:
    assert str(WebURL.parse("http://example.com:8080/a/").join(location)) == target


def test_an_ip_address_is_told_from_a_name() -> None:
    assert WebURL.parse("http://1.1.1.1/").address
    assert not WebURL.parse("http://one.one/").address
