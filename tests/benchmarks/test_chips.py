"""The chips family's measures: what ours is held against does the same, and what a zone costs adds up."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.chips import cut_by_peers, make_tiles, search
from benchmarks.chips.cost import NEEDED, cells_of_zone, cost, rates
from benchmarks.chips.folders import FULL, Folders
from benchmarks.chips.make_vectors import vectors
from benchmarks.chips.measures import MASKED_WINDOW, RIO_TILER, UNWRITTEN, WINDOW, ChipsMeasures
from benchmarks.figures import OURS
from benchmarks.measures import nothing

# Of rasterio with the newest affine.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")


@pytest.mark.parametrize(("zoom", "count"), [(16, 256), (17, 1024), (18, 4096)])
def test_a_whole_tile_has_all_chips_of_its_cell_inside_the_apron(zoom, count):
    windows = [window for _, window in cut_by_peers.windows(FULL, zoom)]
    assert len(windows) == count
    assert (windows[0].col_off, windows[0].row_off) == (512, 512)
    assert windows[-1].col_off + windows[-1].width == FULL - 512


def test_the_ground_is_the_same_each_time_and_as_large_as_it_should_be(monkeypatch):
    monkeypatch.setattr(make_tiles, "SQUARE", 256)
    once, again = (list(make_tiles.rows_of_ground(300, np.random.default_rng(1))) for _ in range(2))
    assert [part.shape for part in once] == [(256, 300, 3), (44, 300, 3)]
    assert all(np.array_equal(*parts) for parts in zip(once, again, strict=True))


def test_about_a_sixth_of_the_masked_tile_has_no_data():
    share = make_tiles.has_data(np.arange(1000), np.arange(1000), 1000).mean()
    assert share == pytest.approx(1 - 0.35 / 2, abs=0.01)


@pytest.fixture(scope="module")
def tile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tile")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_tiles, "SQUARE", 512)
        make_tiles.write_tile(folder, "masked", 1536)
    return next(folder.rglob("*.tif"))


def test_all_peers_cut_the_same_chips(tile, tmp_path):
    from PIL import Image

    for name, cutter in cut_by_peers.CUTTERS.items():
        (tmp_path / name).mkdir()
        counts = cutter(tile, tmp_path / name, 17)
        assert counts["chips"] == 4
        if name == "masked-window":
            assert counts["all_data"] + counts["partial_data"] + counts["no_data"] == 4
    for chip in (tmp_path / "window").iterdir():
        with Image.open(chip) as image:
            pixels = np.asarray(image, int)
        for name in ("masked-window", "rio-tiler"):
            with Image.open(tmp_path / name / chip.name) as image:
                # Two encoders of the same pixels differ by little.
                assert abs(np.asarray(image, int) - pixels).mean() < 2


def test_a_loop_over_numpy_finds_the_nearest_of_drawn_vectors():
    drawn = vectors(400, np.random.default_rng(1))
    assert np.linalg.norm(drawn.astype(float), axis=1) == pytest.approx(1, abs=1e-3)
    queries = drawn[:20].astype(np.float32)
    found = search.by_numpy(drawn)(queries)
    assert search.recall(found, drawn, queries) > 0.99
    assert search.recall(np.full((20, 10), -1), drawn, queries) == 0


def test_every_measure_has_a_name_of_the_family_and_makes_its_material(tmp_path):
    measures = ChipsMeasures(Folders(tmp_path), Path("ours")).all()
    assert all(measure.name.startswith("chips-") and measure.family == "chips" for measure in measures)
    # Its chips are drawn where they are measured.
    assert [measure.name for measure in measures if measure.material is nothing] == ["chips-bands"]
    assert set(NEEDED) <= {measure.name for measure in measures}
    for measure in measures:
        sides = {figure.ours for figure in measure.figures} | {figure.other for figure in measure.figures}
        assert sides - {None} == set(measure.sides)


def test_the_cost_of_a_zone_is_computed_from_the_measured_rates():
    cut = {"task_cpu_seconds": 2.0, "chips": 1024, "chip_bytes": 50_000, "manifest_bytes": 40_000}
    runs = {
        "chips-nodata": {side: [cut] for side in (OURS, UNWRITTEN, WINDOW, MASKED_WINDOW, RIO_TILER)},
        "chips-labels": {OURS: [{"task_cpu_seconds": 4.0, "table_bytes": 1e6}]},
    }
    text = cost(rates(json.loads(json.dumps(runs))), cores=(2,))
    land = cells_of_zone() * 0.29
    # The Earth's 510 million square kilometres, less what lies around the poles.
    assert cells_of_zone() == pytest.approx(510e6 / 60 / 25, rel=0.02)
    assert f"| tiles to chips: chips and manifest | 2 s | {land * 2 / 3600:,.3g} | {land / 3600:.2g} h |" in text
    assert f"| 4 s | {land * 4 / 3600:,.3g} | {land * 2 / 3600 / 24:.2g} days |" in text
    assert f"- chips: 51 MB a cell, {land * 51.2e6 / 1e12:.2g} TB in all" in text
