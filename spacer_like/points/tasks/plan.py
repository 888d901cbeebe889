"""The task that plans a survey."""

from __future__ import annotations

import time

import numpy as np

from spacer_like.exceptions import MessageError, SpacerInputError
from spacer_like.overwriting import task
from spacer_like.points.cover.photographs import photographs_of
from spacer_like.points.cover.planning import Prices, Variances, half_width_of, planned, variances_of
from spacer_like.points.messages import PlannedLabel, PlanSurveyMsg, PlanSurveyReturnMsg
from spacer_like.points.point_table import read_points
from spacer_like.storage import read_bytes

PUBLISHED = "published"


@task
def plan_survey(msg: PlanSurveyMsg) -> PlanSurveyReturnMsg:
    """Plan how many photographs, points and checks intervals of cover take, at the least cost in minutes of people.

    Raises:
        MessageError: a pilot and published variances, or neither; neither a width nor minutes.
        SpacerInputError: a pilot that is too small, lacks a label, or is no table of points; no survey will do.
    """
    start = time.perf_counter()
    _check(msg)
    variances = _published(msg) if msg.share is not None else _of_pilot(msg)
    prices = Prices(float(msg.minutes_per_photograph), float(msg.minutes_per_point))
    survey = planned(variances, prices, msg.coverage, msg.half_width, msg.minutes)
    return PlanSurveyReturnMsg(
        n_photographs=survey.n_photographs,
        n_checked=survey.n_checked,
        n_points=survey.n_points,
        minutes=survey.minutes,
        half_width=survey.half_width,
        labels=[
            PlannedLabel(
                label=one.label,
                share=one.share,
                correlation=one.correlation,
                explained=one.explained,
                half_width=half_width_of([one], survey, msg.coverage),
            )
            for one in sorted(variances, key=lambda one: -one.share)
        ],
        runtime=time.perf_counter() - start,
    )


def _check(msg: PlanSurveyMsg) -> None:
    if (msg.share is None) == (msg.labels_loc is None):
        raise MessageError("Give labels_loc, the labels of a pilot, or share, a published cover, and not both.")
    if msg.half_width is None and msg.minutes is None:
        raise MessageError("Give half_width, minutes, or both: there is nothing to plan for.")


def _published(msg: PlanSurveyMsg) -> list[Variances]:
    return [Variances(PUBLISHED, float(msg.share or 0), float(msg.correlation), float(msg.explained))]


def _of_pilot(msg: PlanSurveyMsg) -> list[Variances]:
    people, machine = (
        None if loc is None else read_points(read_bytes(loc), loc.display_name)
        for loc in (msg.labels_loc, msg.machine_loc)
    )
    photographs = photographs_of(people, machine)
    used = photographs.checked & photographs.by_machine if machine is not None else photographs.checked
    n_points = round(float(np.median(photographs.n_people[used])))
    seen = photographs.machine_checked[used] if machine is not None else None
    found = variances_of(photographs.labels, photographs.people[used], seen, n_points)
    if missing := [label for label in msg.labels if label not in {one.label for one in found}]:
        raise SpacerInputError(f"The pilot says nothing about '{missing[0]}': no photograph has it, or all are alike.")
    return [one for one in found if not msg.labels or one.label in msg.labels]
