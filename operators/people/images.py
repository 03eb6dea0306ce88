"""Images of messages, as they are shown and opened."""

import base64
import binascii
from datetime import timedelta

from django.http import Http404, HttpRequest, HttpResponse

from chat.models import Attachment

QUIET = timedelta(hours=1)
"""A transcript that is looked at again within this time is one line in the log."""
_SHOWN = ("image/png", "image/jpeg", "image/gif", "image/webp")


def image(request: HttpRequest, pk: int) -> HttpResponse:
    """An attachment's image, under headers that keep a hostile file from acting as a page."""
    attachment = Attachment.objects.filter(pk=pk).first()
    if attachment is None or not request.user.has_perm("chat.view_message"):
        raise Http404
    head, _, data = attachment.base64.rpartition(",")
    kind = head.removeprefix("data:").partition(";")[0].lower() or "image/png"
    shown = kind in _SHOWN
    try:
        decoded = base64.b64decode(data)
    except binascii.Error:
        raise Http404 from None
    response = HttpResponse(decoded, content_type=kind if shown else "application/octet-stream")
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Content-Disposition"] = "inline" if shown else "attachment"
    response["Cache-Control"] = "private, max-age=3600"
    return response
