"""The application's configuration; ``spacer_like.contrib.django`` in INSTALLED_APPS finds it."""

from django.apps import AppConfig


class SpacerLikeConfig(AppConfig):
    """The application ``spacer_like``; its label is that of its tables and permissions."""

    name = "spacer_like.contrib.django"
    label = "spacer_like"
    verbose_name = "Image tasks"
    default_auto_field = "django.db.models.BigAutoField"
