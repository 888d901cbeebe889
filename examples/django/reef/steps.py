"""The three steps, as jobs: features are extracted, a classifier is trained, the points are classified.

A visitor asks for one of them, the goal. The first step that it lacks is submitted, and the signal that it succeeded
submits the next one, until the goal is reached. Equal jobs are one while they have not ended, so asking twice harms
nothing.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings
from django.dispatch import receiver
from django.utils import timezone

from spacer_like.contrib.django.models import SpacerJob
from spacer_like.contrib.django.queue import SpacerQueue
from spacer_like.contrib.django.signals import job_failed, job_succeeded
from spacer_like.data_classes import DataLocation, ImageLabels
from spacer_like.exceptions import SpacerError, SpacerInputError, TrainingLabelsError
from spacer_like.images.decode import load_image
from spacer_like.messages import ClassifyFeaturesMsg, ExtractFeaturesMsg, JobMsg, TrainClassifierMsg
from spacer_like.reports import annotated_picture
from spacer_like.task_utils import SplitMode, preprocess_labels

from .models import Classifier, Photograph

EXTRACT, TRAIN, CLASSIFY = "extract_features", "train_classifier", "classify_features"
STEPS = {EXTRACT: "Extract features", TRAIN: "Train", CLASSIFY: "Classify"}
"""What the buttons say, by the names of the tasks."""
EPOCHS = 50
SURE = 0.8
"""Points of lower scores are drawn hollow: a person should look at them."""


def ask_for(photograph: Photograph, goal: str) -> str:
    """Submit the first step that the goal lacks, and return its task's name.

    Raises:
        SpacerInputError: a step is at work, or cannot begin, in one sentence.
    """
    if working := photograph.jobs.unfinished().first():
        doing = STEPS[working.message["task_name"]]
        raise SpacerInputError(f"'{doing}' of {photograph.name} is at work already: wait until it has ended.")
    photograph.goal, photograph.note = goal, ""
    photograph.save(update_fields=["goal", "note"])
    return _submit_next(photograph, goal)


def _submit_next(photograph: Photograph, goal: str) -> str:
    if goal == EXTRACT or not photograph.has_features:
        step, message = EXTRACT, _extraction(photograph)
    elif goal == TRAIN or not Classifier.objects.exists():
        step, message = TRAIN, _training()
    else:
        step, message = CLASSIFY, _classification(photograph)
    SpacerQueue().submit_job(JobMsg(step, [message]), photograph.job_id)
    return step


def _extraction(photograph: Photograph) -> ExtractFeaturesMsg:
    return ExtractFeaturesMsg(
        job_token=photograph.points_digest,
        extractor=settings.REEF_EXTRACTOR,
        rowcols=photograph.rowcols,
        image_loc=photograph.at("original"),
        feature_loc=photograph.features,
    )


def _training() -> TrainClassifierMsg:
    """Training on the labelled points of all photographs that have features."""
    labels = {}
    for photograph in Photograph.objects.order_by("pk"):
        points = photograph.points.exclude(label=None).values_list("row", "column", "label__name")
        if points and photograph.has_features:
            labels[photograph.features] = list(points)
    try:
        # By points: one photograph is enough to begin with, and every label is in each of the three sets.
        sets = preprocess_labels(ImageLabels(labels), split_ratios=(0.2, 0.25), split_mode=SplitMode.POINTS_STRATIFIED)
    except TrainingLabelsError as error:
        raise SpacerInputError(
            "There are too few labelled points to train on: give at least two labels three points each, and all "
            "together five times as many points as there are labels."
        ) from error
    # Training on the same points gives the same classifier, which has the same name.
    name = hashlib.sha256(json.dumps(sets.serialize()).encode()).hexdigest()
    return TrainClassifierMsg(
        job_token=name,
        trainer="minibatch",
        nbr_epochs=EPOCHS,
        clf_type="MLP",
        labels=sets,
        previous_model_locs=[],
        model_loc=_classifier(name),
        valresult_loc=settings.REEF_FILES.below("classifiers", name, "evaluation.json"),
    )


def _classification(photograph: Photograph) -> ClassifyFeaturesMsg:
    newest = Classifier.objects.first().name
    return ClassifyFeaturesMsg(job_token=newest, feature_loc=photograph.features, classifier_loc=_classifier(newest))


def _classifier(name: str) -> DataLocation:
    return settings.REEF_FILES.below("classifiers", name, "classifier.pkl")


@receiver(job_succeeded)
def keep_and_go_on(sender: Any, job: SpacerJob, result: Any, **_: Any) -> None:
    """Keep what a job has found, and submit the next step, if the goal is not reached."""
    photograph = _photograph_of(job)
    if photograph is None:
        return
    step = job.message["task_name"]
    try:
        _KEEP[step](photograph, job, result.results[0])
        if step != photograph.goal:
            _submit_next(photograph, photograph.goal)
    except SpacerError as error:
        _end(photograph, str(error))


@receiver(job_failed)
def say_why(sender: Any, job: SpacerJob, **_: Any) -> None:
    if (photograph := _photograph_of(job)) is not None:
        _end(photograph, f"'{STEPS[job.message['task_name']]}' failed: {job.error_message}")


def _photograph_of(job: SpacerJob) -> Photograph | None:
    kind, _, key = job.job_id.partition("-")
    return Photograph.objects.filter(pk=key).first() if kind == "photograph" else None


def _end(photograph: Photograph, sentence: str) -> None:
    photograph.note = sentence
    photograph.save(update_fields=["note"])


def _keep_features(photograph: Photograph, job: SpacerJob, answer: Any) -> None:
    # The digest that the job began with: points may have been added since.
    photograph.extracted = job.job_msg.tasks[0].job_token
    photograph.save(update_fields=["extracted"])


def _keep_classifier(photograph: Photograph, job: SpacerJob, answer: Any) -> None:
    name = job.job_msg.tasks[0].job_token
    Classifier.objects.update_or_create(name=name, defaults={"job": job, "accuracy": answer.acc})


def _keep_scores(photograph: Photograph, job: SpacerJob, answer: Any) -> None:
    """Store the most likely label of each point, and draw them on the photograph."""
    best = {
        (row, column): max(zip(scores, map(str, answer.classes), strict=True)) for row, column, scores in answer.scores
    }
    points = [point for point in photograph.points.all() if (point.row, point.column) in best]
    for point in points:
        point.score, point.predicted = best[point.row, point.column]
    photograph.points.bulk_update(points, ["score", "predicted"])
    [request] = job.job_msg.tasks
    [training] = Classifier.objects.get(name=request.job_token).job.job_msg.tasks
    # Only points that the classifier did not learn from can show how good it is.
    kept = dict(training.labels.val).get(request.feature_loc, [])
    annotated_picture(
        load_image(photograph.at("original")),
        [(point.row, point.column, point.predicted, point.score) for point in points],
        photograph.at("annotated.png"),
        truth={(row, column): label for row, column, label in kept},
        threshold=SURE,
    )
    photograph.classified = timezone.now()
    photograph.save(update_fields=["classified"])


_KEEP = {EXTRACT: _keep_features, TRAIN: _keep_classifier, CLASSIFY: _keep_scores}
