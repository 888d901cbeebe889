"""Messages about the planning of surveys."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, StrictFloat, StrictInt, StrictStr
from typing_extensions import Self

from spacer_like.location import DataLocation
from spacer_like.message_base import Answered, Location, Message, ReturnMessage, Runtime
from spacer_like.points.messages.cover import Coverage

Number = StrictFloat | StrictInt
Part = Annotated[Number, Field(ge=0, le=1)]


class PlanSurveyMsg(Message, Answered["PlanSurveyReturnMsg"]):
    """Plan how many photographs, points and checks intervals of cover take, at the least cost in minutes of people.

    How much cover varies comes from a pilot, whose labels are those of `estimate_cover`, or from published variances.

    Fields:
        labels_loc: the pilot's points that people labelled; None: published variances are given.
        machine_loc: a machine's labels of the same photographs; None: it is planned without a machine.
        labels: to plan for; none: every label of the pilot.
        share: the cover of the label, 0 to 1, where there is no pilot; None: a pilot is given.
        correlation: of the points of one photograph, 0 to 1, where there is no pilot: the variance between photographs
            as a share of share * (1 - share).
        explained: the share of the variance between photographs that a machine explains (R squared), where there is no
            pilot; 0: there is no machine.
        half_width: half the width that intervals may have, 0.05 for +- 5 percent; None: as small as `minutes` allow.
        minutes: of people, that there are; None: as many as it takes.
        minutes_per_photograph: what each takes, such as to take and load it.
        minutes_per_point: what people take to label a point.
        coverage: as `estimate_cover` has it.
    """

    task: ClassVar[str] = "plan_survey"

    labels_loc: Location | None = None
    machine_loc: Location | None = None
    labels: Annotated[list[StrictStr], Field(max_length=1000)] = Field(default_factory=list)
    share: Annotated[Number, Field(gt=0, lt=1)] | None = None
    correlation: Part = 0.5
    explained: Part = 0.0
    half_width: Annotated[Number, Field(gt=0, lt=0.5)] | None = None
    minutes: Annotated[Number, Field(gt=0, le=1e9)] | None = None
    minutes_per_photograph: Annotated[Number, Field(ge=0, le=1e6)] = 1.0
    minutes_per_point: Annotated[Number, Field(gt=0, le=1e6)] = 0.1
    coverage: Coverage = 0.95

    @classmethod
    def example(cls) -> Self:
        return cls(labels_loc=DataLocation("memory", "pilot.csv"), half_width=0.05)


class PlannedLabel(ReturnMessage):
    """A label, how it varies, and its interval in the planned survey.

    Fields:
        label: the label.
        share: its cover, 0 to 1.
        correlation: of the points of one photograph, 0 to 1.
        explained: the share of the variance between photographs that the machine explains.
        half_width: half the width of its interval.
    """

    label: str
    share: float
    correlation: float
    explained: float
    half_width: float


class PlanSurveyReturnMsg(ReturnMessage):
    """The planned survey.

    Fields:
        n_photographs: photographs in all.
        n_checked: of them, those that people label or check; without a machine all.
        n_points: points of each photograph.
        minutes: of people.
        half_width: half the width of the widest interval.
        labels: that it was planned for.
    """

    n_photographs: int
    n_checked: int
    n_points: int
    minutes: float
    half_width: float
    labels: list[PlannedLabel]
    runtime: Runtime

    @classmethod
    def example(cls) -> Self:
        porites = PlannedLabel(label="Porites", share=0.3, correlation=0.5, explained=0.9, half_width=0.05)
        return cls(
            n_photographs=230,
            n_checked=60,
            n_points=20,
            minutes=350.0,
            half_width=0.05,
            labels=[porites],
            runtime=0.1,
        )
