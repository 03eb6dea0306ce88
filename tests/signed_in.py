"""An operator of a running server, signed in with a real browser."""

import subprocess
import sys
import uuid

from playwright.sync_api import Page

from tests.conftest import ROOT, Server

PASSWORD = "correct horse"


def sign_in(page: Page, server: Server) -> str:
    """Makes an owner and signs them in; the server must be told ``APP_URL=http://localhost``. Returns their name."""
    name = f"{uuid.uuid4().hex[:12]}@example.com"
    command = [sys.executable, "manage.py", "createsuperuser", "--noinput", "--username", name, "--email", name]
    env = server.env | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, timeout=120)
    page.goto(f"{server.url}/admin/")
    page.fill("input[name=username]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    return name
