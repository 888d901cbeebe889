"""The rarity family's measures: what ours is held against computes the same, and what a large run costs adds up."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.figures import OURS
from benchmarks.measures import nothing
from benchmarks.rarity import count, original_loops
from benchmarks.rarity.cost import NEEDED, cost, rates
from benchmarks.rarity.folders import Folders
from benchmarks.rarity.make_images import characters
from benchmarks.rarity.make_pixel_art import drawn, tiles
from benchmarks.rarity.material import Pythons
from benchmarks.rarity.measures import ALL_METHODS_GLOBAL, DECODING, STORED, RarityMeasures


@pytest.fixture
def stack():
    return np.random.default_rng(1).integers(0, 256, (5, 4, 4, 3), np.uint8)


def test_the_loop_counts_each_image_once_at_each_position(stack):
    counts = original_loops.histogram(stack)
    assert counts.shape == (16, 10, 10, 10)
    assert (counts.reshape(16, -1).sum(axis=1) == 5).all()
    red, green, blue = (min(9, 2 * int(value) // 51) for value in stack[2, 1, 3])
    assert counts[7, red, green, blue] >= 1


def test_the_loop_scores_images_that_are_all_equal_by_one_less_the_logarithm_of_two(stack):
    equal = np.repeat(stack[:1], 3, axis=0)
    scores = original_loops.log_scores(equal, original_loops.histogram(equal).astype(float))
    assert scores == pytest.approx([1 - np.log(2)] * 3)


def test_sorting_packed_numbers_finds_what_the_loop_finds(stack):
    answers = [side(stack) for side in (count.by_loop, count.by_unique)]
    assert answers[0]["pairs"] == answers[1]["pairs"]
    assert answers[0]["images"] == answers[1]["images"] == 5


def test_the_drawn_collection_is_the_same_each_time_and_its_images_differ():
    once, again = (characters(3, np.random.default_rng(224)) for _ in range(2))
    assert np.array_equal(once, again)
    assert once.shape == (3, 224, 224, 3)
    assert not np.array_equal(once[0], once[1])


def test_tiles_are_cut_from_a_sheet_row_by_row(tmp_path):
    from PIL import Image

    pictures = drawn(6, np.random.default_rng(24))
    sheet = pictures.reshape(2, 3, 24, 24, 3).swapaxes(1, 2).reshape(48, 72, 3)
    Image.fromarray(sheet).save(tmp_path / "sheet.png")
    assert np.array_equal(tiles(tmp_path / "sheet.png"), pictures)


def test_every_measure_has_a_name_of_the_family_and_makes_its_material(tmp_path):
    measures = RarityMeasures(Folders(tmp_path), Pythons(Path("ours"), Path("pandas"))).all()
    assert all(measure.name.startswith("rarity-") and measure.family == "rarity" for measure in measures)
    assert all(measure.material is not nothing for measure in measures)
    assert set(NEEDED) <= {measure.name for measure in measures}


@pytest.fixture
def runs():
    """A run in which whatever is counted in images goes at a thousand a second."""
    from_files = {side: [{"images_a_second": 1000, "file_kib": 30}] for side in (OURS, STORED, DECODING)}
    merge = {f"afterwards_{name}": 0.05 for name in ("reading_seconds_each", "adding_seconds_each", "writing_seconds")}
    whole = {"images": 10_000, "count_seconds": 10, "convert_seconds": 10, "histogram_mib": 10}
    return {
        "rarity-png": from_files,
        "rarity-jpeg": from_files,
        "rarity-merge": {OURS: [{**merge, "afterwards_histogram_mib": 10}]},
        "rarity-score": {ALL_METHODS_GLOBAL: [{"images_a_second": 1000}]},
        "rarity-whole": {OURS: [whole]},
        "rarity-merge-scores": {OURS: [{"rows": 2e6, "task_seconds": 4, "megabytes": 200}]},
    }


def test_the_cost_of_a_large_run_is_computed_from_the_measured_rates(runs):
    text = cost(rates(json.loads(json.dumps(runs))), cores=(2,))
    # 10,000,000 images at 1,000 a second on two cores, twice; 1,000 histograms at .1 s and 10,000,000 rows at 500,000.
    in_one = 1000 * 0.1 + 0.05 + 20
    core_hours = (2 * 2 * 1e7 / 1000 + in_one) / 3600
    hours = (2 * 1e7 / 1000 + in_one) / 3600
    assert f"| stacks that are there: histogram, scores | {core_hours:.2g} | {hours:.2g} h |" in text
    assert "1.51 GB each, 1.51 TB in all" in text
    assert "10.0 MiB each, 9.8 GiB in all, of pixel pictures" in text
