"""Plans of surveys: what they cost, how narrow their intervals are, and that simulated surveys are as narrow."""

import numpy as np
import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import MessageError, SpacerInputError
from spacer_like.points.cover.intervals import cover_of_photographs, cover_with_machine
from spacer_like.points.cover.planning import Prices, Survey, Variances, half_width_of, planned, variances_of
from spacer_like.points.messages import PlanSurveyMsg
from spacer_like.points.tasks.plan import plan_survey

from .test_cover_intervals import CHECKED, COVER, PHOTOGRAPHS, POINTS, reef

PRICES = Prices(0.2, 0.1)
ALONE = Variances("Porites", 0.3, 0.5)
WITH_MACHINE = Variances("Porites", 0.3, 0.5, 0.97)


def test_a_plan_from_a_pilot_foretells_the_width_of_simulated_intervals():
    people, machine, _ = reef(200)
    labels = [str(number) for number in range(len(COVER))]
    pilot = variances_of(labels, people.reshape(-1, len(COVER)), machine.reshape(-1, len(COVER)), POINTS)
    alone = cover_of_photographs(people[:, :CHECKED])
    together = cover_with_machine(people[:, :CHECKED], machine[:, :CHECKED], machine)
    for number in range(3):
        one = pilot[number]
        without = Variances(one.label, one.share, one.correlation)
        for variances, n, found in ((one, PHOTOGRAPHS, together), (without, CHECKED, alone)):
            simulated = (found.high - found.low)[:, number].mean() / 2
            foretold = half_width_of([variances], Survey(n, CHECKED, POINTS, 0, 0), 0.95)
            assert foretold == pytest.approx(simulated, rel=0.15)


def test_the_cheapest_survey_of_a_width():
    alone, together = (planned([one], PRICES, 0.95, 0.05, None) for one in (ALONE, WITH_MACHINE))
    assert alone.n_checked == alone.n_photographs
    assert together.n_checked < together.n_photographs
    assert together.minutes < alone.minutes
    for one in (alone, together):
        assert 0.045 < one.half_width <= 0.05
        assert one.minutes == PRICES.of(one.n_photographs, one.n_checked, one.n_points)


def test_narrower_costs_more_and_more_minutes_narrow():
    widths = [planned([WITH_MACHINE], PRICES, 0.95, None, minutes) for minutes in (60, 200, 1000)]
    assert [one.minutes <= most for one, most in zip(widths, (60, 200, 1000), strict=True)] == [True] * 3
    assert widths[0].half_width > widths[1].half_width > widths[2].half_width
    costs = [planned([ALONE], PRICES, 0.95, width, None).minutes for width in (0.1, 0.05, 0.02)]
    assert costs == sorted(costs)


def test_points_that_are_alike_are_not_worth_many():
    alike, different = (
        planned([Variances("a", 0.3, correlation)], PRICES, 0.95, 0.05, None) for correlation in (0.9, 0.02)
    )
    assert alike.n_points < different.n_points


def test_too_little_is_said():
    with pytest.raises(SpacerInputError, match=r"take \d+ minutes; 100 are enough for"):
        planned([ALONE], PRICES, 0.95, 0.02, 100)
    with pytest.raises(SpacerInputError, match="2 minutes are not enough"):
        planned([ALONE], PRICES, 0.95, None, 2)
    with pytest.raises(SpacerInputError, match="pilot of 2 photographs"):
        variances_of(["a"], np.array([[0.1], [0.3]]), None, 50)
    with pytest.raises(SpacerInputError, match="No label varies"):
        variances_of(["a"], np.full((9, 1), 0.5), None, 50)


def pilot(path, photographs=12):
    rows = [
        f"{number}.jpg,{point},0,{'coral' if point < 3 * (number % 4) else 'sand'}"
        for number in range(photographs)
        for point in range(10)
    ]
    path.write_text("\n".join(["image,row,col,label", *rows]))
    return DataLocation("filesystem", str(path))


def test_a_pilot_and_published_variances_by_message(tmp_path):
    found = plan_survey(PlanSurveyMsg(labels_loc=pilot(tmp_path / "pilot.csv"), labels=["coral"], half_width=0.05))
    (coral,) = found.labels
    assert (coral.label, coral.share) == ("coral", pytest.approx(0.45))
    again = plan_survey(
        PlanSurveyMsg(share=coral.share, correlation=coral.correlation, half_width=0.05, minutes=100_000)
    )
    assert (again.n_photographs, again.n_points) == (found.n_photographs, found.n_points)
    with pytest.raises(SpacerInputError, match="says nothing about 'turf'"):
        plan_survey(PlanSurveyMsg(labels_loc=pilot(tmp_path / "pilot.csv"), labels=["turf"], half_width=0.05))


@pytest.mark.parametrize("fields", [{"half_width": 0.1}, {"share": 0.2}])
def test_a_plan_needs_variances_and_an_aim(fields):
    with pytest.raises(MessageError):
        plan_survey(PlanSurveyMsg(**fields))
