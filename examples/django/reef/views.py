"""The pages: the list of photographs, and each photograph with its points, labels, steps and jobs."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from spacer_like.contrib.django.queue import SpacerQueue
from spacer_like.exceptions import SpacerError, SpacerInputError
from spacer_like.storage import read_bytes

from .forms import LabelsForm, PhotographForm
from .models import Classifier, Label, Photograph
from .photographs import add_label, store_labels, store_photograph
from .steps import STEPS, SURE, ask_for


@require_http_methods(["GET", "POST"])
def photographs(request: HttpRequest) -> HttpResponse:
    """The list, and the form that adds to it."""
    form = PhotographForm(request.POST, request.FILES) if request.method == "POST" else PhotographForm()
    if form.is_valid():
        try:
            made = store_photograph(form.cleaned_data["photograph"], form.cleaned_data["labels"])
            return redirect("photograph", made.pk)
        except SpacerInputError as error:
            form.add_error(None, str(error))
    status = 400 if form.errors else 200
    context = {"form": form, "photographs": Photograph.objects.all()}
    return render(request, "reef/photographs.html", context, status=status)


@require_GET
def photograph(request: HttpRequest, key: int) -> HttpResponse:
    """A photograph's page. Its jobs are looked after here, so that the example needs no other process.

    A site has ``manage.py collect_jobs`` do that every minute, and its pages only read.
    """
    found = get_object_or_404(Photograph, pk=key)
    SpacerQueue().collect_jobs(found.jobs.unfinished())
    found.refresh_from_db()
    points = list(found.points.select_related("label"))
    context = {
        "photograph": found,
        "points": points,
        "labelled": sum(point.label is not None for point in points),
        "labels": Label.objects.all(),
        "table_form": LabelsForm(),
        "steps": STEPS,
        "classifier": Classifier.objects.first(),
        "jobs": [(STEPS[job.message["task_name"]], job) for job in found.jobs],
        "is_at_work": found.jobs.unfinished().exists(),
        "sure": SURE,
    }
    return render(request, "reef/photograph.html", context)


@require_POST
@transaction.atomic
def save_labels(request: HttpRequest, key: int) -> HttpResponse:
    """Store what the select of each point says, and add a label to choose from."""
    found = get_object_or_404(Photograph, pk=key)
    try:
        if name := " ".join(request.POST.get("new-label", "").split()):
            messages.success(request, f"The label '{add_label(name)}' can be chosen now.")
    except SpacerInputError as error:
        messages.error(request, str(error))
    labels = {str(label.pk): label for label in Label.objects.all()}
    changed = []
    for point in found.points.select_related("label"):
        label = labels.get(request.POST.get(f"point-{point.pk}", ""))
        if f"point-{point.pk}" in request.POST and point.label != label:
            point.label = label
            changed.append(point)
    found.points.bulk_update(changed, ["label"])
    if changed:
        messages.success(request, f"Labels changed: {len(changed)}.")
    return redirect("photograph", key)


@require_POST
def upload_table(request: HttpRequest, key: int) -> HttpResponse:
    """Take labels from a CSV file."""
    found = get_object_or_404(Photograph, pk=key)
    form = LabelsForm(request.POST, request.FILES)
    try:
        if form.is_valid():
            count = store_labels(found, form.cleaned_data["labels"])
            messages.success(request, f"Points labelled by the file: {count}.")
        else:
            messages.error(request, _first_error(form))
    except SpacerInputError as error:
        messages.error(request, str(error))
    return redirect("photograph", key)


@require_POST
def start(request: HttpRequest, key: int) -> HttpResponse:
    """Begin a step, or those before it that are missing."""
    found = get_object_or_404(Photograph, pk=key)
    goal = request.POST.get("step")
    if goal not in STEPS:
        raise Http404("There is no such step.")
    try:
        begun = ask_for(found, goal)
        then = "" if begun == goal else f"; '{STEPS[goal]}' follows"
        messages.success(request, f"'{STEPS[begun]}' has begun{then}.")
    except SpacerError as error:
        messages.error(request, str(error))
    return redirect("photograph", key)


@require_GET
def shown(request: HttpRequest, key: int) -> HttpResponse:
    found = get_object_or_404(Photograph, pk=key)
    return HttpResponse(read_bytes(found.at("shown.jpg")), content_type="image/jpeg")


@require_GET
def annotated(request: HttpRequest, key: int) -> HttpResponse:
    found = get_object_or_404(Photograph, pk=key, classified__isnull=False)
    return HttpResponse(read_bytes(found.at("annotated.png")), content_type="image/png")


def _first_error(form: Form) -> str:
    return next(str(error) for errors in form.errors.values() for error in errors)
