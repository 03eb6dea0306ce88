"""Django's ASGI handler, with a short way for the API."""

import asyncio
from contextlib import closing, suppress
from typing import Any

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, ASGIRequest

from ccagent.api.errors import error_response
from ccagent.api.middleware import takes_short_way


class Handler(ASGIHandler):
    """Answers ``/api/`` without the two threads that Django starts for each request.

    They serve synchronous signal handlers that give a database connection back. For the API ``ccagent.database`` does
    that after each piece of work.
    """

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and takes_short_way(scope["path"]):
            await self._answer_api(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def _answer_api(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with closing(body):
            request, _ = self.create_request(scope, body)
            if request is None:  # its path is not UTF-8
                await self.send_response(error_response(400), send)
                return
            answering = asyncio.create_task(self._respond(request, send))
            leaving = asyncio.create_task(receive())
            try:
                await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                if not answering.done():
                    answering.cancel()
            with suppress(asyncio.CancelledError):
                await answering

    async def _respond(self, request: ASGIRequest, send: Any) -> None:
        response = await self.run_get_response(request)
        try:
            await self.send_response(response, send)
        finally:
            response.close()
