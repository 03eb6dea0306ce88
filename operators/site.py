"""The admin's site: Unfold's, under the agent's name, with pages that belong to no model."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.urls import URLPattern, URLResolver, path

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite as UnfoldAdminSite
else:
    from unfold.sites import UnfoldAdminSite


class OperatorsSite(UnfoldAdminSite):
    site_header = site_title = settings.APP_NAME
    site_url = None

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # Models are not ready yet when this module is imported.
        from operators.takeover import views as takeover
        from operators.unanswered import views as unanswered

        pages = [
            path("takeover/<int:person>/pause/", self.admin_view(takeover.pause), name="takeover_pause"),
            path("takeover/<int:person>/resume/", self.admin_view(takeover.resume), name="takeover_resume"),
            path("takeover/<int:person>/reply/", self.admin_view(takeover.reply), name="takeover_reply"),
            path("unanswered/", self.admin_view(unanswered.overview), name="unanswered"),
            path("unanswered/answer/", self.admin_view(unanswered.answer), name="unanswered_answer"),
            path("unanswered/dismiss/", self.admin_view(unanswered.dismiss), name="unanswered_dismiss"),
            path("unanswered/flag/<int:message>/", self.admin_view(unanswered.flag), name="unanswered_flag"),
        ]
        return [*pages, *super().get_urls()]
