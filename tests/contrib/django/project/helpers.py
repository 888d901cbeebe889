"""Jobs that take no time, and the waiting for them."""

import subprocess
import sys
import time
from os import environ
from pathlib import Path
from tempfile import mkdtemp

from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from PIL import Image

from spacer_like.contrib.django.models import SpacerJob
from spacer_like.contrib.django.queue import SpacerQueue
from spacer_like.contrib.django.signals import job_failed, job_succeeded
from spacer_like.messages import DataLocation, ExtractFeaturesMsg, JobMsg
from spacer_like.testing.extractors import Unruly


class JobCase(TransactionTestCase):
    """A case with a queue, an image, and a list of the signals sent."""

    def setUp(self):
        self.folder = Path(mkdtemp(dir=settings.FOLDER))
        self.queue = SpacerQueue()
        Image.new("RGB", (8, 8), (1, 2, 3)).save(self.folder / "image.png")
        self.sent = []
        for name, signal in (("succeeded", job_succeeded), ("failed", job_failed)):

            def note(sender, job, result, name=name, **_):
                self.sent.append((name, job.job_id, result))

            signal.connect(note, weak=False, dispatch_uid="note")
            self.addCleanup(signal.disconnect, dispatch_uid="note", sender=None)

    def job(self, *tokens, does="", image="image.png"):
        requests = [
            ExtractFeaturesMsg(
                job_token=token,
                extractor=Unruly(does=does, folder=str(self.folder)),
                rowcols=[(5, 5)],
                image_loc=DataLocation.local(self.folder / image),
                feature_loc=DataLocation.local(self.folder / f"{token}.npz"),
            )
            for token in tokens
        ]
        return JobMsg("extract_features", requests)

    def collected(self, count=1):
        """The results and statuses when so many results have come."""
        results, last = [], time.monotonic() + 60
        while len(results) < count:
            assert time.monotonic() < last, list(SpacerJob.objects.values())
            results += self.queue.collect_jobs(self.queue.get_collectable_jobs())[0]
            time.sleep(0.05)
        return results

    def wait_for(self, condition):
        last = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < last
            time.sleep(0.02)


def command_in_a_process(name):
    """manage.py NAME, in a process that uses the database of the test."""
    database = {"DATABASE": connection.settings_dict["NAME"]}
    command = [sys.executable, "-W", "error", "-m", "django", name]
    return subprocess.Popen(command, env={**environ, **database}, stdout=subprocess.PIPE, text=True)
