"""Django's PostgreSQL backend on the embedded server, which the first connection starts or joins.

`settings.EMBEDDED_POSTGRES_DIR` is the server's folder.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base, client
from django.db.utils import OperationalError

from ccagent.embedded_backend.binaries import EmbeddedPostgresError, installed_binaries
from ccagent.embedded_postgres import ConnectionDetails, server_at


class DatabaseClient(client.DatabaseClient):
    @classmethod
    def settings_to_cmd_args_env(
        cls, settings_dict: dict[str, Any], parameters: Iterable[str]
    ) -> tuple[list[str], dict[str, str] | None]:
        filled = settings_dict | {name.upper(): value for name, value in asdict(_acquire()).items()}
        arguments, environment = super().settings_to_cmd_args_env(filled, parameters)
        return [str(installed_binaries() / "psql"), *arguments[1:]], environment


class DatabaseWrapper(base.DatabaseWrapper):
    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        return super().get_connection_params() | asdict(_acquire())


def _acquire() -> ConnectionDetails:
    try:
        return server_at(settings.EMBEDDED_POSTGRES_DIR).acquire()
    except EmbeddedPostgresError as error:
        raise OperationalError(str(error)) from error
