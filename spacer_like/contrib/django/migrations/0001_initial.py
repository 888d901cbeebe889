"""The table of jobs, as Django writes it."""

from typing import Any, ClassVar

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies: ClassVar[list[Any]] = []

    operations: ClassVar[list[Any]] = [
        migrations.CreateModel(
            name="SpacerJob",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("digest", models.CharField(db_index=True, help_text="SHA-256 of the requests.", max_length=64)),
                (
                    "job_id",
                    models.CharField(
                        blank=True, help_text="As the caller gave it.", max_length=100, verbose_name="caller's id"
                    ),
                ),
                (
                    "spec_level",
                    models.CharField(blank=True, help_text="The key of the engine in SPACER_JOBS.", max_length=50),
                ),
                (
                    "task_name",
                    models.CharField(help_text="The task of the requests.", max_length=50, verbose_name="task"),
                ),
                ("engine", models.CharField(help_text="What runs the job: local, batch or slurm.", max_length=20)),
                ("folder", models.TextField(help_text="The location of the submission, as JSON.")),
                (
                    "external_id",
                    models.TextField(
                        blank=True, help_text="The engine's ids of the job's arrays, separated by spaces."
                    ),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("waiting", "waiting"),
                            ("submitted", "submitted"),
                            ("succeeded", "succeeded"),
                            ("failed", "failed"),
                            ("cancelled", "cancelled"),
                        ],
                        default="waiting",
                        max_length=10,
                    ),
                ),
                ("attempt", models.PositiveIntegerField(default=1, help_text="How often the job was begun.")),
                ("message", models.JSONField(help_text="The job message.")),
                (
                    "error_class",
                    models.CharField(blank=True, help_text="Dotted name of the first failure's class.", max_length=200),
                ),
                ("error_message", models.TextField(blank=True, help_text="The first failure in one sentence.")),
                ("created", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("updated", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "ordering": ("pk",),
                "indexes": [models.Index(fields=["status", "updated"], name="spacer_like_status")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("status__in", ("waiting", "submitted"))),
                        fields=("digest",),
                        name="spacer_like_unfinished_once",
                    )
                ],
            },
        ),
    ]
