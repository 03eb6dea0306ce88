"""The admin's site: Unfold's, under the agent's name, with our login, a search of our menu, and pages of no model."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

from operators.navigation import menu

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite as UnfoldAdminSite
else:
    from unfold.sites import UnfoldAdminSite


class OperatorsSite(UnfoldAdminSite):
    site_header = site_title = settings.APP_NAME
    site_url = None

    def get_urls(self) -> list[URLPattern | URLResolver]:
        # Models are not ready yet when this module is imported.
        from operators.doctor import views as doctor
        from operators.takeover import views as takeover
        from operators.trying.views import try_question
        from operators.unanswered import views as unanswered

        pages = [
            path("try/", self.admin_view(try_question), name="try_question"),
            # It guards itself: what the admin does for it is not asynchronous.
            path("doctor/", doctor.page, name="operators_doctor"),
            path("takeover/<int:person>/pause/", self.admin_view(takeover.pause), name="takeover_pause"),
            path("takeover/<int:person>/resume/", self.admin_view(takeover.resume), name="takeover_resume"),
            path("takeover/<int:person>/reply/", self.admin_view(takeover.reply), name="takeover_reply"),
            path("unanswered/", self.admin_view(unanswered.overview), name="unanswered"),
            path("unanswered/answer/", self.admin_view(unanswered.answer), name="unanswered_answer"),
            path("unanswered/dismiss/", self.admin_view(unanswered.dismiss), name="unanswered_dismiss"),
            path("unanswered/flag/<int:message>/", self.admin_view(unanswered.flag), name="unanswered_flag"),
        ]
        return [*pages, *super().get_urls()]

    def __init__(self, name: str = "admin") -> None:
        # Only now are the models there that it counts with.
        from operators.login import LoginForm

        self.login_form = LoginForm
        super().__init__(name)

    def search(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:  # noqa: ARG002
        """Finds pages by the menu's words. Unfold's looks for names of models, and keeps what it found in the cache."""
        words = request.GET.get("s", "").strip().lower()
        found = [
            {"title": item["title"], "description": group["title"], "link": item["link"], "icon": item["icon"]}
            for group in menu(request)
            for item in group["items"]
            if words and words in f"{group['title']} {item['title']}".lower()
        ]
        pages = Paginator(found, 100)
        template = "command_results" if "extended" in request.GET else "search_results"
        context = {"results": pages.page(1), "page_obj": pages, "page_counter": 0, "execution_time": 0}
        return TemplateResponse(request, f"unfold/helpers/{template}.html", context, headers={"HX-Trigger": "search"})
