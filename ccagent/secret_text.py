"""Secrets of operators as they are stored: readable only with this installation's own secret."""

from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

from django.conf import settings

from ccagent.models import Secret

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


class Unreadable(Exception):
    """A stored secret was encrypted under another ``SECRET_KEY``."""


def encrypted(text: str) -> str:
    return _box().encrypt(text.encode()).decode()


def decrypted(stored: str) -> str:
    """Raises ``Unreadable``."""
    from cryptography.fernet import InvalidToken

    try:
        return _box().decrypt(stored.encode()).decode()
    except InvalidToken:
        raise Unreadable from None


def _box() -> "Fernet":
    # Only who keeps a secret pays for the library.
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    secret = settings.ENV.secret_key.get_secret_value() or Secret.kept("secret_key")
    key = HKDF(SHA256(), length=32, salt=None, info=b"secrets of operators").derive(secret.encode())
    return Fernet(urlsafe_b64encode(key))
