"""The bench of growth: every row runs, and the exponent is that of the numbers."""

import json
from pathlib import Path

import pytest

from benchmarks.growth.measure import exponent
from benchmarks.growth.measures import growth_measures
from benchmarks.growth.rows import ROWS, main


@pytest.mark.parametrize(("power", "values"), [(1, [3, 30, 300]), (2, [1, 100, 10_000]), (0, [5, 5, 5])])
def test_the_exponent_is_the_slope_of_the_logarithms(power, values):
    assert exponent([10, 100, 1000], values) == pytest.approx(power)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_does_its_work_and_prints_what_it_took(row, tmp_path, capfd):
    main(row, "10", str(tmp_path / "work"))
    answer = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert answer.keys() == {"work_seconds", "added_mib"}


def test_each_row_is_measured_in_three_sizes_a_decade_apart():
    assert [measure.family for measure in growth_measures(Path("python"))] == ["growth"] * len(ROWS)
    for _, (small, middle, large) in ROWS.values():
        assert (middle, large) == (10 * small, 100 * small)
