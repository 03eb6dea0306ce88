"""The agent's sign, which browsers ask for of their own accord."""

from tests.conftest import Server


def test_it_is_at_the_usual_address(server: Server) -> None:
    with server.client() as browser:
        assert browser.get("/favicon.ico", follow_redirects=True).headers["content-type"] == "image/svg+xml"
