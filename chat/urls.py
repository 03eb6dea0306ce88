from django.urls import path

from chat import views

urlpatterns = [
    path("message", views.send_message),
    path("message/stream", views.stream_message),
    path("history", views.GetHistory.as_view()),
]
