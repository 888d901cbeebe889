"""`predict_regressor`: answers in the shape of InclinET's service, a table, intervals, warnings and failures."""

import json
import zipfile
from io import BytesIO
from itertools import count

import numpy as np
import pytest
from pyarrow import parquet

from spacer_like.exceptions import CollectionError, ImageError, ModelFileError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.messages import PredictRegressorMsg
from spacer_like.regression.answers import Models, answer_for, predictions_of
from spacer_like.regression.calibration import ANY, BandCalibration, Calibration, Group
from spacer_like.regression.calibration_file import calibration_bytes
from spacer_like.regression.predicting import predicted
from spacer_like.regression.regressor import Domain
from spacer_like.regression.stamps import prepared_pixels
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tasks import predict_regressor

from .small_networks import DOMAIN, SIZE, galaxy, network, samples, store

_folders = count()


@pytest.fixture
def at():
    folder = f"predict-{next(_folders)}"
    return lambda name: DataLocation("memory", f"{folder}/{name}")


@pytest.fixture
def nets(at):
    return {
        "model4": [store(at("nets/0"), network(0)), store(at("nets/1"), network(1))],
        "model6": [store(at("nets/2"), network(2))],
    }


def predict(at, nets, locs, **fields):
    msg = PredictRegressorMsg(images_locs=locs, model_locs=nets, out_loc=at("answers.json"), **fields)
    return predict_regressor(msg), json.loads(read_bytes(at("answers.json")))


def images_of(at, **files):
    for name, data in files.items():
        write_bytes(at(f"images/{name}.png"), data)
    return [at("images/")]


def calibration_of(*names: str) -> bytes:
    band = BandCalibration(100, 100, None, 0, (Group(45.0, 90.0, 100, 4.0),), (Group(45.0, 90.0, 100, 0.0),), None)
    return calibration_bytes(Calibration(0.9, names, "median", {ANY: band}))


def test_answers_have_the_shape_of_the_service_in_whole_degrees(at, nets):
    answer, [first, _] = predict(at, nets, images_of(at, a=galaxy(0), b=galaxy(1)))
    assert (answer.n_images, answer.n_failed) == (2, 0)
    assert first["status"] == "success"
    assert first["filename"] == "a.png"
    assert {group: list(each) for group, each in first["inclinations"].items()} == {
        "Group_0": ["model4_0", "model4_1"],
        "Group_1": ["model6_0"],
        "summary": ["mean", "median", "stdev"],
    }
    degrees = [value for group in ("Group_0", "Group_1") for value in first["inclinations"][group].values()]
    assert all(type(value) is int and 45 <= value <= 90 for value in degrees)
    assert first["inclinations"]["summary"]["median"] == sorted(degrees)[1]
    assert "rejection_likelihood" not in first
    assert "interval" not in first


def test_a_network_says_the_median_of_its_views(at, nets):
    predict(at, nets, images_of(at, a=galaxy(0)), views=4, table_loc=at("table.parquet"))
    table = parquet.read_table(BytesIO(read_bytes(at("table.parquet"))))
    pixels = prepared_pixels(galaxy(0), "a.png", SIZE, "RGB")[None]
    assert table["model4_1"].to_pylist() == [np.median(predicted(network(1), pixels, 4))]
    assert table["inclination"].to_pylist() == [
        np.median([np.median(predicted(network(seed), pixels, 4)) for seed in range(3)])
    ]


def test_networks_of_two_classes_say_how_likely_an_image_is_rejected(at, nets):
    bad = [store(at(f"nets/bad{seed}"), network(seed, 2)) for seed in (5, 6)]
    _, [answer] = predict(at, nets, images_of(at, a=galaxy(0)), good_bad_locs=bad)
    likely = answer["rejection_likelihood"]
    assert list(likely) == ["good_bad_0", "good_bad_1", "summary"]
    assert all(0 <= likely[name] <= 100 for name in ("good_bad_0", "good_bad_1"))


def test_intervals_are_clamped_and_rounded_outwards(at, nets):
    write_bytes(at("c.json"), calibration_of("model4_0", "model4_1", "model6_0"))
    files = {"calibration_loc": at("c.json"), "table_loc": at("table.parquet")}
    _, [answer] = predict(at, nets, images_of(at, a=galaxy(0)), **files)
    [row] = parquet.read_table(BytesIO(read_bytes(at("table.parquet")))).to_pylist()
    assert (row["low"], row["high"]) == (max(row["inclination"] - 4, 45), min(row["inclination"] + 4, 90))
    interval = answer["interval"]
    assert interval["coverage"] == 0.9
    assert interval["low"] == np.floor(row["low"])
    assert interval["high"] == np.ceil(row["high"])


def test_a_calibration_of_other_networks_is_refused(at, nets):
    write_bytes(at("c.json"), calibration_of("model5_0"))
    with pytest.raises(ModelFileError, match="calibration is that of model5_0, and the networks are model4_0, "):
        predict(at, nets, images_of(at, a=galaxy(0)), calibration_loc=at("c.json"))


def test_a_broken_image_is_a_failure_and_the_others_are_predicted(at, nets):
    locs = images_of(at, a=galaxy(0), b=b"no image", c=galaxy(1)[:300])
    answer, answers = predict(at, nets, locs, table_loc=at("table.csv"))
    assert (answer.n_images, answer.n_failed) == (1, 2)
    assert [(one["status"], one["filename"]) for one in answers] == [
        ("success", "a.png"), ("failure", "b.png"), ("failure", "c.png")
    ]  # fmt: skip
    assert answers[1]["message"]
    lines = read_bytes(at("table.csv")).decode().splitlines()
    assert len(lines) == 4
    assert lines[0] == "pgc,filter,inc_m,model4_0,model4_1,model6_0,inclination,low,high,image,warning,failure"


def test_no_image_that_can_be_decoded_is_an_error(at, nets):
    with pytest.raises(CollectionError, match=r"The one file in .* cannot be decoded: "):
        predict(at, nets, images_of(at, a=b"no image"))


def test_one_image_an_archive_and_a_list_give_the_same_answers(at, nets):
    write_bytes(at("images/a.png"), galaxy(0))
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.png", galaxy(0))
    write_bytes(at("images.zip"), sink.getvalue())
    write_bytes(at("images/b.png"), galaxy(1))
    _, [alone] = predict(at, nets, [at("images/a.png")])
    _, [zipped] = predict(at, nets, [at("images.zip")])
    _, listed = predict(at, nets, [at("images/a.png"), at("images/b.png")])
    assert alone["inclinations"] == zipped["inclinations"] == listed[0]["inclinations"]


def test_a_file_of_samples_says_which_galaxy_an_answer_is_of(at, nets):
    write_bytes(at("s.npz"), samples([50, 60, 0]))
    answer, answers = predict(at, nets, [at("s.npz")], table_loc=at("t.csv"))
    assert answer.n_images == 3
    assert answers[1]["galaxy"] == {"pgc": 2, "filter": "c"}
    rows = [line.split(",")[:3] for line in read_bytes(at("t.csv")).decode().splitlines()[1:]]
    assert rows == [["1", "c", "50"], ["2", "c", "60"], ["3", "c", ""]]


@pytest.mark.parametrize("mode", ["L", "RGBA", "RGB"])
def test_uploads_of_every_mode_and_shape_are_answered(mode):
    models = Models({"model4": [network(0)]})
    assert answer_for(galaxy(3, mode, (30, 20)), "a.png", models)["status"] == "success"


def test_transparency_is_dropped():
    import io

    from PIL import Image

    models = Models({"model4": [network(0), network(1)]})
    opaque = galaxy(3)
    clear = Image.open(io.BytesIO(opaque))
    clear.putalpha(7)
    sink = io.BytesIO()
    clear.save(sink, "PNG")
    assert answer_for(opaque, "a", models) == answer_for(sink.getvalue(), "a", models)


def test_what_is_no_image_raises():
    with pytest.raises(ImageError, match=r"a\.png"):
        answer_for(b"no image", "a.png", Models({"model4": [network(0)]}))


def doubts_of(images, bands=("c",), domain=DOMAIN):
    models = Models({"model4": [network(0, domain=domain)]})
    return predictions_of(models, {SIZE: images}, list(bands)).doubts[0]


def ordinary():
    return np.random.default_rng(0).integers(0, 200, (1, SIZE, SIZE, 3), dtype=np.uint8)


def test_an_image_like_those_of_the_training_casts_no_doubt():
    assert doubts_of(ordinary()) == []


@pytest.mark.parametrize("value", [0, 255])
def test_an_image_of_another_brightness_is_warned_of(value):
    assert doubts_of(np.full_like(ordinary(), value))[0].startswith("Its brightness is unlike that of the images")


def test_a_band_that_was_not_learnt_is_warned_of():
    assert doubts_of(ordinary(), ["r"]) == ["It is of the band r, on which the networks were not trained."]
    assert doubts_of(ordinary(), [None]) == []


def test_nothing_is_said_of_a_network_whose_training_is_not_known():
    assert doubts_of(np.zeros_like(ordinary()), ["r"], None) == []


def test_a_prediction_at_an_end_is_warned_of():
    from dataclasses import replace

    one = network(0, domain=Domain(("c",), 1, (100.0, 90.0), (60.0, 90.0)))
    for bias, words in ((50.0, "at 90 degrees"), (-50.0, "at 45 degrees")):
        weights = dict(one.weights) | {"out.bias": np.full_like(one.weights["out.bias"], bias)}
        found = predictions_of(Models({"m": [replace(one, weights=weights)]}), {SIZE: ordinary()}, ["c"])
        assert words in found.doubts[0][0]


def test_networks_of_the_wrong_kind_are_refused(at, nets):
    with pytest.raises(ModelFileError, match="model4_0 tells good galaxies from bad"):
        Models({"model4": [network(0, 2)]})
    with pytest.raises(ModelFileError, match="good_bad_0 gives inclinations"):
        Models({}, [network(0)])
    with pytest.raises(ModelFileError, match="no network to ask"):
        Models({})


def test_samples_of_another_size_are_refused(at):
    from spacer_like.regression.augmentation import Pool
    from spacer_like.regression.dataset import pool_bytes

    pool = Pool(np.zeros((1, 8, 8, 3), np.uint8), np.array([50]), np.array([1]), np.array(["c"]))
    write_bytes(at("s.npz"), pool_bytes(pool, True))
    with pytest.raises(SpacerInputError, match="prepare them in the size 16"):
        predict(at, {"m": [store(at("net"), network(0))]}, [at("s.npz")])


def test_the_same_message_gives_the_same_bytes(at, nets):
    locs = images_of(at, a=galaxy(0), b=galaxy(1))
    predict(at, nets, locs)
    first = read_bytes(at("answers.json"))
    predict(at, nets, locs)
    assert read_bytes(at("answers.json")) == first


def test_no_group_is_called_as_the_networks_of_two_classes(at, nets):
    with pytest.raises(ModelFileError, match="The networks of two classes are called good_bad: call the group"):
        predict(at, {"good_bad": nets["model6"]}, images_of(at, a=galaxy(0)))
