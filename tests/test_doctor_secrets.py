"""Whatever the doctor says, no secret is in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
from pytest_django import Settings

from ccagent.environment import Environment
from operators.doctor.report import failure
from operators.doctor.secrets import without_secrets
from tests.conftest import ROOT, free_port
from tests.fake_provider import FakeProvider, Request, Response

MARK = "sEcReT"


def echoing(request: Request) -> Response:
    """A provider that tells everything it was told."""
    return Response([f'{{"error": {{"message": "no {request.headers}"}}}}'.encode()], 400)


def variables(provider: FakeProvider, folder: Path) -> dict[str, str]:
    """Every secret set, and every service made to fail in its own words."""
    secret = {
        name.upper(): f"{MARK}-{name}"
        for name, field in Environment.model_fields.items()
        if field.annotation is SecretStr
    }
    address = provider.base_url.removeprefix("http://")
    return secret | {
        "DATABASE_URL": f"postgresql://ann:{MARK}%2Fdb@127.0.0.1:{free_port()}/agent",
        "REDIS_URL": f"redis://:{MARK}redis@127.0.0.1:{free_port()}/0",
        "PROVIDER_NAME": "fake",
        "PROVIDER_MODEL": "fake",
        "PROVIDER_BASE_URL": f"http://{address}",
        "FALLBACK_MODELS": "other:big,third:big",
        "FALLBACK_API_KEY_OTHER": f"{MARK}-fallback",
        "FALLBACK_BASE_URL_OTHER": f"http://{address}?api_key={MARK}-query",
        "EMBEDDINGS": "provider",
        "EMBEDDINGS_MODEL": "model",
        "EMBEDDINGS_BASE_URL": f"http://ann:{MARK}-url@{address}",
        "APP_URL": f"http://127.0.0.1:{free_port()}",
        "PERSISTENT_STORAGE_DIR": str(folder),
    }


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.parametrize("level", ["INFO", "WARNING"])
def test_no_secret_is_in_what_the_command_says(
    provider: FakeProvider, tmp_path: Path, options: list[str], level: str
) -> None:
    provider.default = provider.embedding_default = echoing
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", *options],
        cwd=ROOT,
        env=os.environ | variables(provider, tmp_path) | {"LOG_LEVEL": level},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "failure" in done.stdout) == (1, True)
    assert "no {" in done.stdout
    assert MARK not in done.stdout + done.stderr


def test_a_secret_is_found_however_it_is_written(settings: Settings) -> None:
    url = SecretStr(f"postgresql://ann:{MARK}%2F%40@host/agent?sslmode=require&sslpassword={MARK}+2")
    settings.ENV = Environment(_env_file=None).model_copy(update={"database_url": url})
    said = f"{url.get_secret_value()} {MARK}/@ {MARK}%2F%40 {MARK} 2 {MARK}%202 sslmode=require"
    assert without_secrets(failure("database", said, said)).text == "*** *** *** *** *** sslmode=require"
