from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from ccagent.api.views import not_found

admin.site.site_header = admin.site.site_title = "CC Agent"

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/chat/", include("chat.urls")),
    path("api/context/", include("context.urls")),
    re_path(r"^api/", not_found),
    path("admin/", admin.site.urls),
]
