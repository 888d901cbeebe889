"""The pictures that axis ratios are measured on, and the figures of the measurement."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from PIL import Image

from benchmarks.regression.pictures import STELLARIUM, sky_pictures
from benchmarks.regression.real_sky import calibrated, crude_inclination, figures


def written(folder):
    """A picture of NGC 7 at 10 degrees by -.5 degrees, 0.1 degrees wide, as Stellarium and OpenNGC describe it."""
    place = folder / STELLARIUM
    place.mkdir(parents=True)
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[45:55, 30:70] = (90, 120, 200)
    Image.fromarray(pixels).save(place / "n7.png")
    corners = "[[[10.05,-.55], [9.95,-.55], [9.95,-.45], [10.05,-.45]]]"
    texture = "[[[0,0], [1,0], [1,1], [0,1]]]"
    tile = '{"imageUrl": "n7.png", "worldCoords": ' + corners + ', "textureCoords": ' + texture + ",}"
    (place / "textures.json").write_text('{"subTiles": [' + tile + "]}")
    with closing(sqlite3.connect(folder / "ongc.db")) as database:
        database.execute("create table objects (name, type, messier, identifiers, ra, dec, majax, minax, hubble)")
        row = ("NGC0007", "G", "", "UGC 5", np.radians(10), np.radians(-0.5), 2.4, 1.2, "Sb")
        database.execute("insert into objects values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        database.commit()
    return folder / "ongc.db"


def test_a_spiral_is_cut_out_at_its_place(tmp_path):
    (picture,) = sky_pictures(tmp_path, written(tmp_path))
    assert (picture.name, picture.axis_ratio) == ("n7.png", 0.5)
    assert picture.diameter == pytest.approx(40, abs=0.1)
    assert picture.pixels.shape == (80, 80, 3)
    assert picture.pixels[40, 40].tolist() == [90, 120, 200]
    assert crude_inclination(picture.pixels) == pytest.approx(80, abs=8)


def test_figures_leave_out_what_failed_and_what_is_face_on():
    found = figures(np.array([50.0, np.nan, 70.0, 9.0]), np.array([53.0, 60.0, 66.0, 30.0]))
    assert (found.n, found.failed, found.mae, found.bias) == (2, 1, 3.5, 0.5)
    assert json.loads(json.dumps(found._asdict()))["rms"] == pytest.approx(12.5**0.5)


def test_a_calibration_takes_a_bias_off():
    random = np.random.default_rng(0)
    truth = random.uniform(50, 85, 200)
    seen = np.column_stack([np.ones(200), truth + 7])
    assert np.abs(calibrated(seen[:100], truth[:100], seen[100:]) - truth[100:]).max() < 0.2
