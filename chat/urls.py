from django.urls import path

from chat import views

urlpatterns = [
    path("message", views.SendMessage.as_view()),
    path("message/stream", views.stream_message),
    path("history", views.GetHistory.as_view()),
]
