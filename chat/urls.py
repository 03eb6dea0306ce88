from django.urls import path

from chat import views

urlpatterns = [
    path("message", views.SendMessage.as_view()),
    path("message/stream", views.StreamMessage.as_view()),
    path("history", views.History.as_view()),
]
