"""The application's configuration; ``spacer_like.contrib.django`` in INSTALLED_APPS finds it."""

from typing import Any

from django.apps import AppConfig
from django.core.checks import register
from django.db.models.signals import pre_delete

from spacer_like.contrib.django.engine_settings import check_setting


class SpacerLikeConfig(AppConfig):
    """The application ``spacer_like``; its label is that of its tables and permissions."""

    name = "spacer_like.contrib.django"
    label = "spacer_like"
    verbose_name = "Image tasks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        register(check_setting)
        pre_delete.connect(_end_work, sender=self.get_model("SpacerJob"), dispatch_uid="spacer_like")


def _end_work(instance: Any, **_: Any) -> None:
    from spacer_like.contrib.django.running import abandon

    abandon(instance)
