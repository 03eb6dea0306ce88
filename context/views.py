"""The context endpoints."""

from django.http import HttpResponse
from rest_framework.request import Request

from ccagent.api.authentication import caller
from ccagent.api.body import read_json
from ccagent.api.throttling import ContextThrottle
from ccagent.api.views import EnvelopeView, success
from context.ingest import ingest_text
from context.serializers import AddedDocument, ContextText


class AddText(EnvelopeView):
    """``POST /api/context/text``"""

    throttle_classes = [ContextThrottle]

    def post(self, request: Request) -> HttpResponse:
        body = ContextText(data=read_json(request._request))
        body.is_valid(raise_exception=True)
        document = ingest_text(**body.validated_data, added_by=caller(request).email)
        return success(AddedDocument(document).data)
