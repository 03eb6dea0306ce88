from django.contrib import admin
from django.templatetags.static import static
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from ccagent.api import documentation
from ccagent.api.views import not_found
from ccagent.observability import views as observability
from chatpage.views import front
from operators.doctor.views import DoctorStream
from operators.people.again import ask_again

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/chat/", include("chat.urls")),
    path("api/context/", include("context.urls")),
    path("api/doctor/stream", DoctorStream.as_view()),
    re_path(r"^api(?:/|$)", not_found),
    *observability.urls,
    *documentation.urls(),
    path("admin/ask-again/<int:message>/", ask_again, name="ask_again"),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=static("ccagent/favicon.svg"))),
    path("", front),
]
