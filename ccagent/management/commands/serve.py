import asyncio
import logging
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from ccagent import bootstrap
from ccagent.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError, server_at
from ccagent.observability import metrics, tracing
from context.embeddings import filling
from operators.data import retention
from operators.numbers import keeping

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Starts everything: database (embedded unless DATABASE_URL is set), migrations, first operator, server."

    embedded: EmbeddedPostgres | None = None

    def handle(self, *args: Any, **options: Any) -> None:  # noqa: ARG002
        if not settings.ENV.database_url.get_secret_value():
            self.embedded = server_at(settings.EMBEDDED_POSTGRES_DIR)
        with bootstrap.in_a_sentence():
            if self.embedded:
                self.embedded.acquire()
            operator = bootstrap.prepare()
        connections.close_all()
        try:
            with filling.in_background(), retention.in_background(), keeping.in_background():
                self._serve(operator)
        finally:
            for connection in connections.all():
                connection.close_pool()  # type: ignore[attr-defined]
            if self.embedded:
                self.embedded.release()

    def _serve(self, operator: bootstrap.Operator) -> None:
        # Twisted would load a second TLS library, 5 MB that nothing here uses: https ends at the platform's proxy.
        sys.modules.setdefault("OpenSSL", None)  # type: ignore[arg-type]
        # These install Twisted's reactor and load every view, which no other command needs.
        from daphne.server import twisted_loop as loop

        from ccagent import server
        from ccagent.asgi import application
        from chat import turns
        from chat.agent import configuration

        configuration.load(settings.ENV)
        if settings.ENV.metrics_token.get_secret_value():
            metrics.start()
        tracing.start()

        def ready() -> None:
            self._announce(operator)
            tasks.append(loop.create_task(turns.look_after_orphans()))
            if settings.ENV.redis_url.get_secret_value():
                tasks.append(loop.create_task(turns.relay.run()))
            if self.embedded:
                tasks.append(loop.create_task(_keep_running(self.embedded)))

        tasks: list[asyncio.Task[None]] = []
        try:
            server.run(
                application,
                host="127.0.0.1" if settings.DEV_MODE else "",
                port=settings.ENV.port,
                body_limit=settings.BODY_LIMIT,
                on_ready=ready,
                drain=lambda: turns.drain(settings.ENV.drain_seconds),
                # Beyond its own limit the drain stores what is left, and tells the listeners.
                drain_seconds=settings.ENV.drain_seconds + 10,
                proxies=0 if settings.DEV_MODE else 1,
            )
        except server.ServerError as problem:
            raise CommandError(str(problem)) from problem
        finally:
            tracing.end()

    def _announce(self, operator: bootstrap.Operator) -> None:
        address = settings.ENV.app_url or f"http://localhost:{settings.ENV.port}"
        lines = [f"{settings.APP_NAME} is ready."]
        if settings.CHAT_PAGE:
            lines.append(f"  Chat   {address}/")
        lines.append(f"  API    {address}/api/chat/message")
        if settings.SHOW_DOCUMENTATION:
            lines.append(f"  Docs   {address}/api-docs")
        lines += [f"  Admin  {address}/admin/", f"  Operator: {operator.name}"]
        if operator.password:
            lines.append(f"  Password, shown this once: {operator.password}")
        if settings.ENV.log_format == "json":
            # Every line is an object then; a warning, because whatever the level is the password must be seen.
            logger.warning("%s", "\n".join(lines))
        else:
            self.stdout.write("\n".join(lines))
            self.stdout.flush()


async def _keep_running(embedded: EmbeddedPostgres) -> None:
    """Starts the embedded server again should it die."""
    while True:
        await asyncio.sleep(1)
        try:
            await asyncio.to_thread(embedded.keep_running)
        except EmbeddedPostgresError as problem:
            logger.error("%s", problem)
