"""From a photograph to its annotated picture on AWS Batch, as this machine plays it; and what cannot be used."""

from __future__ import annotations

import struct
import tempfile
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client, TransactionTestCase, override_settings
from django.urls import reverse
from PIL import Image

from spacer_like.contrib.django.models import SpacerJob
from spacer_like.data_classes import DataLocation
from spacer_like.testing.local_batch import LocalBatch

from .models import Classifier, Label, Photograph, Point

SECONDS = 180
COLOURS = {"sand": (220, 200, 120), "coral": (220, 60, 90)}


def picture(size=(160, 120), format="PNG") -> bytes:
    """The left half sand, the right half coral."""
    image = Image.new("RGB", size, COLOURS["sand"])
    image.paste(COLOURS["coral"], (size[0] // 2, 0, *size))
    stream = BytesIO()
    image.save(stream, format)
    return stream.getvalue()


def table(name="reef.png", step=10) -> bytes:
    rows = [
        f"{name},{row},{column},{'sand' if column < 80 else 'coral'}"
        for row in range(5, 120, 2 * step)
        for column in range(5, 160, step)
    ]
    return "\n".join(["image,row,col,label", *rows]).encode()


def huge() -> bytes:
    """A PNG whose header announces 100,000 x 100,000 pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return picture()[:12] + header + struct.pack(">I", zlib.crc32(header)) + picture()[33:]


class ReefCase(TransactionTestCase):
    """Files in a folder of their own, a quick extractor in place of a network."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.addCleanup(folder.cleanup)
        self.batch = LocalBatch()
        self.addCleanup(self.batch.close)
        engine = {"engine": "batch", "queue": "queue", "definition": "definition", "client": self.batch}
        changed = override_settings(
            REEF_FILES=DataLocation.local(folder.name),
            REEF_EXTRACTOR="spacer_like.testing.extractors.MeanColour",
            SPACER_JOBS={"FOLDER": Path(folder.name) / "jobs", "ENGINES": {"": engine}},
        )
        changed.enable()
        self.addCleanup(changed.disable)

    def upload(self, data, labels=None, name="reef.png"):
        files = {"photograph": SimpleUploadedFile(name, data)}
        if labels is not None:
            files["labels"] = SimpleUploadedFile("labels.csv", labels)
        return self.client.post(reverse("photographs"), files, follow=True)

    def page(self, photograph):
        return self.client.get(reverse("photograph", args=[photograph.pk])).content.decode()

    def press(self, photograph, step):
        return self.client.post(reverse("start", args=[photograph.pk]), {"step": step}, follow=True)

    def wait(self, photograph):
        """Look at the page until nothing is at work, and return it."""
        last = time.monotonic() + SECONDS
        while "http-equiv" in (page := self.page(photograph)):
            assert time.monotonic() < last, list(SpacerJob.objects.values())
            time.sleep(0.1)
        return page


class FromAPhotographToItsPicture(ReefCase):
    def test_one_press_does_all_three_steps_on_batch(self):
        self.upload(picture())
        photograph = Photograph.objects.get()
        self.assertContains(self.press(photograph, "train_classifier"), "Train&#x27; follows")
        assert "too few labelled points to train on" in self.wait(photograph)
        self.assertContains(self.press(photograph, "train_classifier"), "too few labelled points to train on")

        # Points of the table are new, and need features of their own.
        labels = {"labels": SimpleUploadedFile("labels.csv", table())}
        page = self.client.post(reverse("upload-table", args=[photograph.pk]), labels, follow=True)
        self.assertContains(page, "144 points, 96 of them labelled")
        self.assertContains(self.press(photograph, "classify_features"), "Classify&#x27; follows")
        self.assertContains(self.press(photograph, "train_classifier"), "is at work already: wait until it has ended")
        assert "What the classifier sees" in self.wait(photograph)
        first, *jobs = SpacerJob.objects.order_by("pk")
        assert {(job.engine, job.status) for job in (first, *jobs)} == {("batch", "succeeded")}
        steps = ["extract_features", "train_classifier", "classify_features"]
        assert [job.message["task_name"] for job in jobs] == steps
        far = [point for point in Point.objects.all() if abs(point.column - 80) > 16]
        assert {(point.column < 80, point.predicted) for point in far} == {(True, "sand"), (False, "coral")}
        assert Classifier.objects.get().accuracy > 0.9
        annotated = self.client.get(reverse("annotated", args=[photograph.pk]))
        assert Image.open(BytesIO(annotated.content)).format == "PNG"

    def test_labels_are_chosen_point_by_point(self):
        self.upload(picture())
        photograph = Photograph.objects.get()
        address = reverse("save-labels", args=[photograph.pk])
        assert "There are no labels to choose from yet" in self.page(photograph)
        self.assertContains(self.client.post(address, {"new-label": " soft  coral "}, follow=True), "can be chosen now")
        label = Label.objects.get(name="soft coral")
        first, second, *_ = photograph.points.all()
        chosen = {f"point-{first.pk}": label.pk, f"point-{second.pk}": "999"}
        self.assertContains(self.client.post(address, chosen, follow=True), "Labels changed: 1.")
        assert list(photograph.points.exclude(label=None)) == [first]
        self.client.post(address, {f"point-{first.pk}": ""})
        assert not photograph.points.exclude(label=None).exists()


class WhatCannotBeUsed(ReefCase):
    def test_photographs(self):
        for data, sentence in (
            (b"", "The photograph is empty: choose another file."),
            (picture(format="GIF"), "is neither a JPEG nor a PNG: choose a photograph in one of these formats."),
            (huge(), "larger than the max allowed"),
            (picture()[:60], "cannot be decoded: image file is truncated."),
            (picture()[:20], "The header of the image &#x27;reef.png&#x27; is damaged"),
        ):
            with self.subTest(sentence):
                self.assertContains(self.upload(data), sentence, status_code=400)
        self.assertContains(self.client.post("/"), "Choose a photograph.", status_code=400)
        with override_settings(REEF_MOST_BYTES=100):
            self.assertContains(self.upload(picture()), "make it smaller.", status_code=400)
            self.assertContains(self.upload(bytes(3_000_000)), "The upload has 3 MB", status_code=413)
        assert not Photograph.objects.exists()

    def test_tables_of_labels(self):
        for labels, sentence in (
            (b"", "The table of labels is empty."),
            (b"a,b\n1,2", "has no column"),
            (bytes(2_000_001), "is larger than 2 MB: leave out other images."),
            (table("another.png"), "labels no point of the image"),
            (b"image,row,col,label\nreef.png,5,400,sand", "has a point outside"),
            (b"image,row,col,label\nreef.png,5,4," + b"x" * 101, "is longer than 100 characters"),
            (b"\xff\xff\xff", "is not UTF-8 text"),
        ):
            with self.subTest(sentence):
                self.assertContains(self.upload(picture(), labels), sentence, status_code=400)
        assert not Photograph.objects.exists()
        self.upload(picture())
        address = reverse("upload-table", args=[Photograph.objects.get().pk])
        bad = SimpleUploadedFile("labels.csv", b"a,b\n1,2")
        self.assertContains(self.client.post(address, {"labels": bad}, follow=True), "has no column")
        self.assertContains(self.client.post(address, follow=True), "Choose a table of labels.")

    def test_a_job_that_fails_says_why(self):
        self.upload(picture())
        photograph = Photograph.objects.get()
        Path(photograph.at("original").key).unlink()
        self.press(photograph, "extract_features")
        assert "&#x27;Extract features&#x27; failed: " in self.wait(photograph)

    def test_strange_requests(self):
        self.upload(picture(), name="<b>x</b>.png")
        photograph = Photograph.objects.get()
        assert "<b>x" not in self.page(photograph)
        assert self.press(photograph, "delete_all").status_code == 404
        assert self.client.get(reverse("annotated", args=[photograph.pk])).status_code == 404
        assert self.client.get("/photographs/999/").status_code == 404
        assert self.client.get(reverse("start", args=[photograph.pk])).status_code == 405
        strict = Client(enforce_csrf_checks=True)
        assert strict.post("/", {"photograph": SimpleUploadedFile("a.png", picture())}).status_code == 403
        assert "default-src 'none'" in self.client.get("/")["Content-Security-Policy"]


class TwoPressesAtOnce(ReefCase):
    def test_one_job_is_made(self):
        self.upload(picture())
        photograph = Photograph.objects.get()

        def press(_):
            try:
                return self.press(photograph, "extract_features").status_code
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as threads:
            assert list(threads.map(press, range(2))) == [200, 200]
        assert SpacerJob.objects.count() == 1
