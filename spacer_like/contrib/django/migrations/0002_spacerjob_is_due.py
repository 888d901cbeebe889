"""Cancelled jobs that the queue has still to return."""

from typing import Any, ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar[list[Any]] = [("spacer_like", "0001_initial")]

    operations: ClassVar[list[Any]] = [
        migrations.AddField(
            model_name="spacerjob",
            name="is_due",
            field=models.BooleanField(
                default=False, editable=False, help_text="Whether the queue has still to return that it was cancelled."
            ),
        ),
    ]
