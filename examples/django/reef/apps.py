"""The application's configuration."""

from django.apps import AppConfig


class ReefConfig(AppConfig):
    name = "reef"

    def ready(self) -> None:
        from . import steps  # noqa: F401  (connects the receivers of the jobs' signals)
