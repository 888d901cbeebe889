"""The addresses of the pages."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.photographs, name="photographs"),
    path("photographs/<int:key>/", views.photograph, name="photograph"),
    path("photographs/<int:key>/labels", views.save_labels, name="save-labels"),
    path("photographs/<int:key>/table", views.upload_table, name="upload-table"),
    path("photographs/<int:key>/start", views.start, name="start"),
    path("photographs/<int:key>/shown.jpg", views.shown, name="shown"),
    path("photographs/<int:key>/annotated.png", views.annotated, name="annotated"),
]
