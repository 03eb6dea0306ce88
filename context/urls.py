from django.urls import path

from context.views import AddText, AddURL

urlpatterns = [path("text", AddText.as_view()), path("url", AddURL.as_view())]
