"""The tables of the example, as Django writes them."""

from typing import Any, ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies: ClassVar[list[Any]] = [
        ("spacer_like", "0001_initial"),
    ]

    operations: ClassVar[list[Any]] = [
        migrations.CreateModel(
            name="Label",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100, unique=True)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Photograph",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="As the visitor's file was called; shown, and never a path.", max_length=200
                    ),
                ),
                ("width", models.PositiveIntegerField()),
                ("height", models.PositiveIntegerField()),
                ("uploaded", models.DateTimeField(auto_now_add=True)),
                ("goal", models.CharField(blank=True, help_text="The step that was asked for last.", max_length=20)),
                (
                    "extracted",
                    models.CharField(
                        blank=True, help_text="The digest of the points that have features.", max_length=64
                    ),
                ),
                ("classified", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True, help_text="Why a step could not begin, in one sentence.")),
            ],
            options={
                "ordering": ("-pk",),
            },
        ),
        migrations.CreateModel(
            name="Classifier",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        help_text="The digest of the labels that it was made with.", max_length=64, unique=True
                    ),
                ),
                ("accuracy", models.FloatField(help_text="On points that it did not learn from, between 0 and 1.")),
                ("made", models.DateTimeField(auto_now=True)),
                ("job", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="spacer_like.spacerjob")),
            ],
            options={
                "ordering": ("-made", "-pk"),
            },
        ),
        migrations.CreateModel(
            name="Point",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("row", models.PositiveIntegerField()),
                ("column", models.PositiveIntegerField()),
                ("predicted", models.CharField(blank=True, max_length=100)),
                ("score", models.FloatField(null=True)),
                ("label", models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to="reef.label")),
                (
                    "photograph",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="points", to="reef.photograph"
                    ),
                ),
            ],
            options={
                "ordering": ("row", "column"),
                "constraints": [
                    models.UniqueConstraint(fields=("photograph", "row", "column"), name="reef_point_once")
                ],
            },
        ),
    ]
