from django.urls import path

from context.views import AddText

urlpatterns = [path("text", AddText.as_view())]
