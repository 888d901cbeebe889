"""A page for each request, with its pictures."""

import json
import zlib
from io import BytesIO

from case_admin import AdminCase
from django.urls import reverse
from PIL import Image

from spacer_like.contrib.django.models import SpacerJob, digest_of_job
from spacer_like.data_classes import ValResults
from spacer_like.engines.array import write_outcome
from spacer_like.learning.metrics import evaluation_report
from spacer_like.messages import (
    ClassifyImageMsg,
    ClassifyReturnMsg,
    DataLocation,
    ExplainImageMsg,
    ExplainImageReturnMsg,
    JobMsg,
    TaskOutcome,
    TrainClassifierMsg,
    TrainClassifierReturnMsg,
    digest_of,
)
from spacer_like.testing.extractors import Unruly

POINTS = [(3, 4), (60, 80)]


class ThePages(AdminCase):
    def url(self, name, *numbers):
        return reverse(f"admin:spacer_like_spacerjob_{name}", args=numbers)

    def page(self, name, *numbers):
        answer = self.client.get(self.url(name, *numbers))
        assert answer.status_code == 200, answer.content
        return answer.content.decode()

    def picture(self, job, number=0):
        return self.client.get(self.url("picture", job.pk, 0, number))

    def classified(self, image="photograph.png", **changes):
        """The row of a job that classified the points of an image, without the work."""
        Image.new("RGB", (100, 80), (90, 120, 200)).save(self.folder / "photograph.png")
        classify = ClassifyImageMsg(
            job_token="<i>token</i>",
            extractor=Unruly(),
            rowcols=POINTS,
            image_loc=DataLocation.local(self.folder / image),
            classifier_loc=DataLocation.local(self.folder / "classifier.pkl"),
        )
        scores = [(*POINTS[0], [0.25, 0.75]), (*POINTS[1], [0.875, 0.125])]
        result = ClassifyReturnMsg(runtime=1, scores=scores, classes=["sand", "<script>coral"], valid_rowcol=True)
        return self.done("classify_image", classify, result.model_copy(update=changes))

    def done(self, task, message, result):
        """The row of a job of one request that has this result."""
        job = JobMsg(task, [message])
        folder = self.folder / "jobs" / digest_of_job(job)
        write_outcome(DataLocation.local(folder), digest_of(message), TaskOutcome(status="done", result=result))
        manifest = {"version": 2, "requests": [[task, digest_of(message)]]}
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return SpacerJob.objects.create(
            **{"digest": digest_of_job(job), "task_name": task, "engine": "local", "status": "succeeded"},
            folder=DataLocation.local(folder).json_text,
            message=job.serialize(),
        )

    def test_a_job_lists_its_requests(self):
        job = self.queue.submit_job(self.job("<script>x</script>", "b", image="absent.png"), "<b>")
        self.collected()
        page = self.page("change", job.pk)
        assert "&lt;script&gt;x&lt;/script&gt;" in page
        assert "<script>x" not in page
        assert "<b>" not in page
        assert self.url("request", job.pk, 1) in page
        assert "absent.png" in page

    def test_an_extraction_shows_its_points_and_the_size_of_its_features(self):
        job = self.queue.submit_job(self.job("a", "b"), 1)
        self.collected()
        page = self.page("request", job.pk, 1)
        assert "1 points, 2 numbers each" in page
        assert self.url("request", job.pk, 0) in page
        assert self.url("request", job.pk, 2) not in page
        picture = self.picture(job)
        assert picture["Content-Type"] == "image/png"
        assert max(Image.open(BytesIO(picture.content)).size) > 500

    def test_a_classification_shows_labels_and_scores_escaped(self):
        job = self.classified()
        page = self.page("request", job.pk, 0)
        row = "<td>3</td><td>4</td><td>&lt;script&gt;coral (0.750)</td><td>sand (0.250)</td><td></td>"
        assert row in page
        assert "&lt;i&gt;token&lt;/i&gt;" in page
        assert "<script>coral" not in page
        assert self.picture(job)["Content-Type"] == "image/png"

    def test_scores_in_a_file_of_their_own_are_shown(self):
        loc = DataLocation.local(self.folder / "scores.json")
        whole = ClassifyReturnMsg(runtime=1, scores=[(3, 4, [1.0])], classes=["reef"], valid_rowcol=True)
        whole.store(loc)
        job = self.classified(scores=[], scores_loc=loc)
        assert "reef (1.000)" in self.page("request", job.pk, 0)

    def test_a_picture_that_cannot_be_drawn_says_why(self):
        hostile = png_of(60_000, 60_000)
        (self.folder / "huge.png").write_bytes(hostile)
        (self.folder / "text.png").write_text("<script>alert()</script>")
        for image, sentence in (
            ("absent.png", "There is no file"),
            ("huge.png", "60000 x 60000 = 3600000000 total pixels, which is larger than the max allowed of 60000000"),
            ("text.png", "text.png"),
        ):
            answer = self.picture(self.classified(image))
            assert answer.status_code == 422
            assert answer["Content-Type"].startswith("text/plain")
            assert answer["X-Content-Type-Options"] == "nosniff"
            assert sentence in answer.content.decode()

    def test_a_training_shows_its_evaluation(self):
        train = TrainClassifierMsg.example().model_copy(
            update={"report_loc": DataLocation.local(self.folder / "report.json")}
        )
        job = self.done("train_classifier", train, TrainClassifierReturnMsg.example())
        assert "The evaluation" in self.page("request", job.pk, 0)
        (self.folder / "report.json").write_text("{}")
        assert "not an evaluation report" in self.picture(job).content.decode()
        results = ValResults(scores=[0.9, 0.8, 0.7, 0.6], gt=[0, 1, 1, 0], est=[0, 1, 0, 0], classes=["sand", "coral"])
        (self.folder / "report.json").write_text(json.dumps(evaluation_report(results, [0.5]).serialize()))
        assert self.picture(job)["Content-Type"] == "image/png"

    def test_images_that_a_message_names_are_shown_small(self):
        Image.new("I;16", (3000, 1500), 30_000).save(self.folder / "wide.png")
        explain = ExplainImageMsg.example().model_copy(
            update={
                "image_loc": DataLocation.local(self.folder / "wide.png"),
                "overlay_loc": DataLocation.local(self.folder / "overlay.png"),
            }
        )
        job = self.done("explain_image", explain, ExplainImageReturnMsg.example())
        page = self.page("request", job.pk, 0)
        assert page.index("<h2>image_loc</h2>") < page.index("<h2>overlay_loc</h2>")
        assert Image.open(BytesIO(self.picture(job).content)).size == (1000, 500)
        assert self.picture(job, 1).status_code == 422

    def test_a_page_outlives_a_message_and_features_that_cannot_be_read(self):
        job = self.queue.submit_job(self.job("a"), 1)
        self.collected()
        (self.folder / "a.npz").write_bytes(b"damaged")
        assert "errornote" in (page := self.page("request", job.pk, 0))
        assert "done" in page
        SpacerJob.objects.update(message={"task_name": "of another version", "tasks": [{}]})
        for page in (self.page("change", job.pk), self.page("request", job.pk, 0)):
            assert "of another version" in page

    def test_what_is_not_there_is_not_found(self):
        job = self.classified()
        for path in (self.url("request", job.pk, 1), self.url("request", 99, 0), self.url("picture", job.pk, 0, 5)):
            assert self.client.get(path).status_code == 404

    def test_pages_are_for_those_who_may_look_at_jobs(self):
        job = self.classified()
        self.log_in_with("view_user")
        for name, numbers in (("request", (job.pk, 0)), ("picture", (job.pk, 0, 0))):
            assert self.client.get(self.url(name, *numbers)).status_code == 403
        self.client.logout()
        assert self.client.get(self.url("request", job.pk, 0)).status_code == 302


def png_of(width, height):
    """A file of a few bytes that says it is so large."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\x00\x00\x00"
    end = b"IEND"
    chunks = [len(one[4:]).to_bytes(4, "big") + one + zlib.crc32(one).to_bytes(4, "big") for one in (header, end)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
