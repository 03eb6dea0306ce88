"""The context endpoints."""

from django.http import HttpResponse
from rest_framework.request import Request

from ccagent.api.authentication import caller
from ccagent.api.body import read_json
from ccagent.api.throttling import ContextThrottle
from ccagent.api.views import EnvelopeView, success
from context.ingest import ingest
from context.serializers import AddedDocument, ContextText


class AddText(EnvelopeView):
    """``POST /api/context/text``"""

    throttle_classes = [ContextThrottle]

    def post(self, request: Request) -> HttpResponse:
        body = ContextText(data=read_json(request._request))
        body.is_valid(raise_exception=True)
        text, title = body.validated_data["text"], body.validated_data.get("title", "")
        document = ingest(text, title=title, added_by=caller(request).email).document
        return success(AddedDocument(document).data)
