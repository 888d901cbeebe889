"""The application's configuration; ``spacer_like.contrib.django`` in INSTALLED_APPS finds it."""

from django.apps import AppConfig
from django.core.checks import register

from spacer_like.contrib.django.engine_settings import check_setting


class SpacerLikeConfig(AppConfig):
    """The application ``spacer_like``; its label is that of its tables and permissions."""

    name = "spacer_like.contrib.django"
    label = "spacer_like"
    verbose_name = "Image tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        register(check_setting)
