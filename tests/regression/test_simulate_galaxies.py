"""simulate_galaxies and measure_axis_ratios: files, the catalog, the table, and rows with reasons."""

import csv
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from spacer_like.exceptions import CollectionError
from spacer_like.location import DataLocation
from spacer_like.messages import MeasureAxisRatiosMsg, PrepareImagesMsg, SimulateGalaxiesMsg
from spacer_like.regression.catalog import read_catalog
from spacer_like.tasks import measure_axis_ratios, prepare_images, simulate_galaxies

pytest.importorskip("galsim")


def at(folder, *names):
    return DataLocation("filesystem", str(folder.joinpath(*names)))


def simulated(folder, **fields):
    answer = simulate_galaxies(SimulateGalaxiesMsg(out_loc=at(folder), **fields))
    return answer, {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def rows_of(path):
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_images_and_a_catalog_that_the_other_tasks_take(tmp_path):
    answer, files = simulated(tmp_path / "made", count=3, size=32)
    assert (answer.n_galaxies, answer.n_files, answer.labels["inclination"]) == (3, 12, 3)
    assert list(files)[:5] == [
        "catalog.txt",
        *(f"pgc1_d25x2_rot_{end}" for end in ("g.png", "gri.jpg", "i.png", "r.png")),
    ]
    with Image.open(BytesIO(files["pgc2_d25x2_rot_gri.jpg"])) as image:
        assert (image.mode, image.size) == ("RGB", (32, 32))
    catalog = read_catalog(files["catalog.txt"], "catalog.txt")
    assert [row.id for row in catalog.rows] == [1, 2, 3]
    assert all(45 <= row.inclination <= 90 and row.code == row.inclination for row in catalog.rows)
    prepared = prepare_images(
        PrepareImagesMsg(
            images_loc=at(tmp_path / "made"),
            catalog_loc=at(tmp_path / "made", "catalog.txt"),
            out_loc=at(tmp_path / "prepared"),
            band="gri",
            size=16,
        )
    )
    assert prepared.n_written == 3


def test_a_galaxy_does_not_depend_on_the_others(tmp_path):
    _, together = simulated(tmp_path / "a", count=4, size=24, seed=5, randomised=True, rotated=False)
    _, last = simulated(tmp_path / "b", count=2, first_id=3, size=24, seed=5, randomised=True, rotated=False)
    shared = last.keys() - {"catalog.txt"}
    assert len(shared) == 8
    assert all(together[name] == last[name] for name in shared)


def test_galaxies_seen_face_on_are_marked(tmp_path):
    answer, files = simulated(tmp_path, count=30, size=16, least_inclination=0, bands=["r"])
    codes = [row.code for row in read_catalog(files["catalog.txt"], "catalog.txt").rows]
    assert answer.labels == {"inclination": 30 - codes.count(1), "face_on": codes.count(1), "rejected": 0}
    assert 5 < codes.count(1) < 25


def test_counts_go_to_fits_files(tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    _, files = simulated(tmp_path, count=1, size=24, bands=["gri", "r"], fits=True)
    cube, plane = (fits.getdata(BytesIO(files[f"pgc1_d25x2_rot_{band}.fits"])) for band in ("gri", "r"))
    assert (cube.shape, cube.dtype.kind) == ((3, 24, 24), "f")
    assert np.array_equal(cube[1], plane)


def test_axis_ratios_of_simulated_galaxies(tmp_path):
    simulated(tmp_path / "made", count=12, size=64, bands=["gri", "r"], fits=True)
    answer = measure_axis_ratios(
        MeasureAxisRatiosMsg(
            images_loc=at(tmp_path / "made"),
            table_loc=at(tmp_path, "axes.csv"),
            catalog_loc=at(tmp_path / "made", "catalog.txt"),
        )
    )
    assert (answer.n_images, answer.n_failed, answer.n_compared) == (48, 0, 48)
    assert answer.mae < 6
    rows = rows_of(tmp_path / "axes.csv")
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    assert {row["filter"] for row in rows} == {"c", "r"}
    assert all(float(row["semi_minor"]) <= float(row["semi_major"]) for row in rows)


def test_what_cannot_be_measured_is_a_row_with_a_reason(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    simulated(folder, count=1, size=32, bands=["g"])
    (folder / "pgc2_d25x2_rot_g.png").write_bytes(b"no image")
    Image.new("L", (32, 32), 7).save(folder / "blank.png")
    Image.new("L", (5, 5)).save(folder / "small.png")
    (folder / "pgc4_32x32_67.g.png").write_bytes((folder / "pgc1_d25x2_rot_g.png").read_bytes())
    answer = measure_axis_ratios(MeasureAxisRatiosMsg(images_loc=at(folder), table_loc=at(tmp_path, "axes.csv")))
    assert (answer.n_images, answer.n_failed, answer.n_compared) == (5, 3, 1)
    rows = {row["name"]: row for row in rows_of(tmp_path / "axes.csv")}
    assert rows["blank.png"]["reason"] == "Nothing stands out from the background near the middle."
    assert rows["pgc2_d25x2_rot_g.png"]["axis_ratio"] == ""
    assert (rows["pgc4_32x32_67.g.png"]["inc_m"], rows["pgc4_32x32_67.g.png"]["pgc"]) == ("67", "4")
    assert rows["small.png"]["flag"] == "2"


def test_a_folder_without_an_image_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(CollectionError, match="There is no image"):
        measure_axis_ratios(MeasureAxisRatiosMsg(images_loc=at(tmp_path), table_loc=at(tmp_path, "axes.csv")))
