"""Photographs, their points, and the classifiers that were trained."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.db import models

from spacer_like.contrib.django.models import Jobs, SpacerJob
from spacer_like.data_classes import DataLocation


class Photograph(models.Model):
    """A photograph; its files lie in a folder of its own, whose name no visitor chooses."""

    name = models.CharField(max_length=200, help_text="As the visitor's file was called; shown, and never a path.")
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    uploaded = models.DateTimeField(auto_now_add=True)
    goal = models.CharField(max_length=20, blank=True, help_text="The step that was asked for last.")
    extracted = models.CharField(max_length=64, blank=True, help_text="The digest of the points that have features.")
    classified = models.DateTimeField(null=True)
    note = models.TextField(blank=True, help_text="Why a step could not begin, in one sentence.")

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return self.name

    def at(self, name: str) -> DataLocation:
        """The location of one of its files."""
        return settings.REEF_FILES.below("photographs", str(self.pk), name)

    @property
    def rowcols(self) -> list[tuple[int, int]]:
        """Its points in pixels, [row, column], in a fixed order."""
        return list(self.points.order_by("row", "column").values_list("row", "column"))

    @property
    def points_digest(self) -> str:
        """The SHA-256 of its points: features of other points have another one."""
        return hashlib.sha256(repr(self.rowcols).encode()).hexdigest()

    @property
    def features(self) -> DataLocation:
        """Where the features of its points are, or will be."""
        return self.at(f"features-{self.points_digest}.npz")

    @property
    def has_features(self) -> bool:
        return self.extracted == self.points_digest

    @property
    def line_width(self) -> int:
        """Of what the page draws on it, in pixels of the photograph."""
        return max(self.width, self.height) // 320 + 1

    @property
    def mark_radius(self) -> int:
        return 2 * self.line_width

    @property
    def number_size(self) -> int:
        return 5 * self.line_width

    @property
    def job_id(self) -> str:
        return f"photograph-{self.pk}"

    @property
    def jobs(self) -> Jobs:
        """Its jobs, the newest first."""
        return SpacerJob.objects.filter(job_id=self.job_id).order_by("-pk")


class Label(models.Model):
    """What a point can show."""

    name = models.CharField(max_length=100, unique=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Point(models.Model):
    """A pixel of a photograph: the label that a person gave it, and the one that a classifier did."""

    photograph = models.ForeignKey(Photograph, models.CASCADE, related_name="points")
    row = models.PositiveIntegerField()
    column = models.PositiveIntegerField()
    label = models.ForeignKey(Label, models.SET_NULL, null=True)
    predicted = models.CharField(max_length=100, blank=True)
    score = models.FloatField(null=True)

    class Meta:
        ordering = ("row", "column")
        constraints = (models.UniqueConstraint(fields=["photograph", "row", "column"], name="reef_point_once"),)

    def __str__(self) -> str:
        return f"{self.photograph}, row {self.row}, column {self.column}"


class Classifier(models.Model):
    """A classifier; the message of its job says from which points it learned."""

    name = models.CharField(max_length=64, unique=True, help_text="The digest of the labels that it was made with.")
    job = models.ForeignKey(SpacerJob, models.PROTECT)
    accuracy = models.FloatField(help_text="On points that it did not learn from, between 0 and 1.")
    made = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-made", "-pk")

    def __str__(self) -> str:
        return f"Classifier {self.name[:12]}"

    @property
    def percent(self) -> int:
        return round(100 * self.accuracy)
