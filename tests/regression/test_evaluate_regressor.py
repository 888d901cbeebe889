"""`evaluate_regressor`: errors of networks and ensembles, figures, intervals, and labels far from predictions."""

import csv
import io
import json
from itertools import count

import numpy as np
import pytest
from PIL import Image

from spacer_like.exceptions import MessageError, ModelFileError, SpacerInputError, TableError
from spacer_like.location import DataLocation
from spacer_like.messages import CalibrateRegressorMsg, EvaluateRegressorMsg
from spacer_like.regression.evaluation import bootstrap_intervals, fit_bias, measure
from spacer_like.regression.evaluation_report import find_suspicious, good_bad_report
from spacer_like.regression.prediction_table import PredictionTable
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tasks import calibrate_regressor, evaluate_regressor

from .predictions import NETS, simulated, table_of
from .small_networks import SIZE, network, samples, store

GROUPS = {"model4": list(NETS[:2]), "model6": [NETS[2]]}
_folders = count()


@pytest.fixture
def at():
    folder = f"evaluate-{next(_folders)}"
    return lambda name: DataLocation("memory", f"{folder}/{name}")


def evaluate(at, table=None, **fields):
    if table is not None:
        write_bytes(at("table.csv"), table)
        fields = {"table_loc": at("table.csv"), "prediction_columns": GROUPS} | fields
    answer = evaluate_regressor(EvaluateRegressorMsg(out_loc=at("out"), **fields))
    return answer, json.loads(read_bytes(at("out/report.json")))


def rows_in(at, name):
    return list(csv.DictReader(io.StringIO(read_bytes(at(f"out/{name}")).decode())))


def test_it_measures_networks_groups_and_all_of_a_table(at):
    answer, report = evaluate(at, table_of(60, 1))
    _, _, labels, predictions = simulated(60, 1)
    assert list(report["predictions"]) == ["all median", "all mean", "model4 median", "model4 mean", *NETS]
    for name, values in (
        ("all median", np.median(predictions, axis=0)),
        ("model4 mean", predictions[:2].mean(axis=0)),
        ("model6_0", predictions[2]),
    ):
        found, wanted = report["predictions"][name]["errors"], measure(labels, values)
        assert found["rms"] == pytest.approx(wanted.rms)
        assert found["mae"] == pytest.approx(wanted.mae)
        assert found["bias"] == pytest.approx(wanted.bias)
    assert answer.rms == report["predictions"]["all median"]["errors"]["rms"]
    assert (answer.n_rows, answer.n_galaxies) == (180, 60)
    assert report["format_version"] == 1


def test_errors_are_told_by_five_degrees_and_by_band(at):
    _, report = evaluate(at, table_of(60, 1))
    entry = report["predictions"]["all median"]
    assert sum(one["count"] for one in entry["by_bin"]) == 180
    assert sorted(entry["by_band"]) == ["g", "i", "r"]
    assert entry["by_band"]["g"]["rms"] < entry["by_band"]["i"]["rms"]


def test_the_files_are_named_and_drawn(at):
    answer, _ = evaluate(at, table_of(60, 1))
    assert answer.files == ["predictions.csv", "errors.png", "bins.png", "suspicious.csv", "report.txt", "report.json"]
    for name in ("errors.png", "bins.png"):
        assert Image.open(io.BytesIO(read_bytes(at(f"out/{name}")))).width > 500
    assert "all median" in read_bytes(at("out/report.txt")).decode()
    again = {name: read_bytes(at(f"out/{name}")) for name in answer.files}
    evaluate(at, table_of(60, 1))
    assert {name: read_bytes(at(f"out/{name}")) for name in answer.files} == again


def test_galaxies_are_drawn_again_and_not_their_rows():
    ids, _, labels, predictions = simulated(100, 1)
    of_rows = bootstrap_intervals(labels, predictions[0], 0)["bias"]
    of_galaxies = bootstrap_intervals(labels, predictions[0], 0, ids=ids)["bias"]
    assert of_galaxies[1] - of_galaxies[0] > 1.1 * (of_rows[1] - of_rows[0])


def test_the_bias_is_fitted_out_of_bag_alone_and_taken_out(at):
    write_bytes(at("bag.csv"), table_of(200, 2))
    _, report = evaluate(at, table_of(200, 1), out_of_bag_loc=at("bag.csv"))
    entry = report["predictions"]["all median"]
    assert entry["corrected"]["n_out_of_bag"] == 600
    _, _, labels, predictions = simulated(200, 2)
    bias = fit_bias(labels, np.median(predictions, axis=0))
    assert entry["corrected"]["slope"] == pytest.approx(bias.slope)
    assert entry["corrected"]["offset"] == pytest.approx(bias.offset)


def test_a_classical_measurement_stands_beside_the_networks(at):
    lines = table_of(40, 1).decode().splitlines()
    measured = [f"{line},{60 if row % 2 else ''}" for row, line in enumerate(lines[1:])]
    table = "\n".join([f"{lines[0]},hubble", *measured])
    _, report = evaluate(at, table.encode(), baseline_column="hubble")
    assert report["predictions"]["baseline"]["errors"]["count"] == 60
    assert rows_in(at, "predictions.csv")[1]["hubble"] == "60.0"


def test_a_calibration_is_checked_on_other_galaxies(at):
    write_bytes(at("held_out.csv"), table_of(400, 3))
    calibrate_regressor(
        CalibrateRegressorMsg(
            table_loc=at("held_out.csv"), prediction_columns=list(NETS), out_loc=at("calibration.json")
        )
    )
    answer, report = evaluate(at, table_of(400, 4), calibration_loc=at("calibration.json"))
    assert answer.coverage == report["intervals"]["holding"]["share"] == pytest.approx(0.9, abs=0.03)
    assert "intervals.png" in answer.files


def test_networks_are_asked_about_samples_and_odd_labels_shown(at):
    write_bytes(at("s.npz"), samples([50, 60, 70, 80, 90, 0] * 5))
    nets = {"model4": [store(at("n0"), network(0)), store(at("n1"), network(1))]}
    answer, _ = evaluate(at, sample_locs=[at("s.npz")], model_locs=nets, suspicious_ratio=0.5)
    assert (answer.n_rows, answer.n_left_out) == (25, 5)
    rows = rows_in(at, "predictions.csv")
    assert [row["inc_m"] for row in rows[:6]] == ["50.0", "60.0", "70.0", "80.0", "90.0", ""]
    assert list(rows[0]) == ["pgc", "filter", "inc_m", "model4_0", "model4_1", "axis_ratio"]
    suspicious = rows_in(at, "suspicious.csv")
    assert len(suspicious) == answer.n_suspicious > 0
    ratios = [float(row["ratio"]) for row in suspicious]
    assert ratios == sorted(ratios, reverse=True)
    assert Image.open(io.BytesIO(read_bytes(at("out/suspicious.png")))).width > 500


def test_networks_stand_beside_the_axis_ratios_of_the_same_images(at):
    """Discs of known axis ratios, of which the network has learnt nothing."""
    labels = [50, 60, 70, 80] * 3
    rows, cols = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    images = np.zeros((len(labels), SIZE, SIZE, 3), np.uint8)
    for image, label in zip(images, labels, strict=True):
        ratio = np.sqrt(np.cos(np.radians(label)) ** 2 * (1 - 0.2**2) + 0.2**2)
        image[...] = np.exp(-((cols**2 + (rows / ratio) ** 2) / (SIZE / 8) ** 2))[..., None] * 200
    write_bytes(at("s.npz"), samples(labels, images=images))
    _, report = evaluate(at, sample_locs=[at("s.npz")], model_locs={"model4": [store(at("n0"), network(0))]})
    assert report["predictions"]["baseline"]["errors"]["rms"] < 6 < report["predictions"]["all median"]["errors"]["rms"]


def test_networks_of_two_classes_are_measured_by_their_votes(at):
    write_bytes(at("s.npz"), samples([50, 0, 1, 90] * 4))
    bad = [store(at(f"bad{seed}"), network(seed, 2)) for seed in range(3)]
    answer, report = evaluate(at, sample_locs=[at("s.npz")], good_bad_locs=bad)
    assert answer.rms is None
    assert answer.accuracy == report["good_bad"]["median"]["accuracy"]
    assert (report["good_bad"]["n_good"], report["good_bad"]["n_bad"]) == (8, 8)
    assert [row["code"] for row in rows_in(at, "good_bad.csv")[:4]] == ["50", "0", "1", "90"]


def test_precision_recall_and_accuracy():
    codes = np.array([60, 60, 0, 1])
    report = good_bad_report(codes, np.array([[0.9, 0.1, 0.9, 0.2], [0.1, 0.1, 0.9, 0.9], [0.2, 0.2, 0.9, 0.9]]))
    assert report["good_bad_0"] == {"precision": 0.5, "recall": 0.5, "accuracy": 0.5}
    assert report["median"] == {"precision": 1.0, "recall": 1.0, "accuracy": 1.0}
    assert good_bad_report(codes, np.zeros((1, 4)))["mean"]["precision"] is None


def test_a_wrong_label_is_found():
    _, bands, labels, predictions = simulated(300, 1)
    labels = labels.copy()
    labels[7] = 90.0 if labels[7] < 68 else 45.0
    table = PredictionTable(np.arange(900), bands, labels, NETS, predictions)
    assert find_suspicious(table, np.median(predictions, axis=0), 2.0)[0].row == 7


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Give either networks"),
        ({"model_locs": {"m": [DataLocation("memory", "n")]}}, "give sample_locs"),
        ({"table_loc": DataLocation("memory", "t.csv")}, "needs prediction_columns"),
        (
            {"table_loc": DataLocation("memory", "t.csv"), "prediction_columns": {"a": ["x"], "b": ["x"]}},
            "'x' is named twice",
        ),
    ],
)
def test_a_message_that_makes_no_sense_is_refused(at, fields, sentence):
    with pytest.raises(MessageError, match=sentence):
        evaluate(at, **fields)


def test_a_table_without_a_usable_row_or_a_column_is_refused(at):
    head = "pgc,filter,inc_m,model4_0,model4_1,model6_0\n"
    with pytest.raises(SpacerInputError, match="no row with a label"):
        evaluate(at, f"{head}1,g,,60,60,60\n".encode())
    with pytest.raises(TableError, match="no column 'hubble'"):
        evaluate(at, f"{head}1,g,60,60,60,60\n".encode(), baseline_column="hubble")


@pytest.mark.parametrize(
    ("groups", "name"),
    [
        ({"all": list(NETS[:2]), "b": ["baseline"]}, "all median"),
        ({"a": ["baseline"], "b": list(NETS[:1])}, "baseline"),
    ],
)
def test_no_prediction_takes_the_name_of_another(at, groups, name):
    table = table_of(20, 1).replace(NETS[2].encode(), b"baseline")
    baseline = {"baseline_column": "baseline"} if name == "baseline" else {}
    with pytest.raises(SpacerInputError, match=f"'{name}' would be the name of two predictions in the report"):
        evaluate(at, table, prediction_columns=groups, **baseline)


def test_networks_are_asked_about_galaxies_out_of_their_bags_and_the_bias_is_fitted_to_that(at):
    models = [store(at(f"{seed}.safetensors"), network(seed)) for seed in (1, 2, 3)]
    locs = {}
    for name, codes, seed in (("held", [50, 60, 80, 0], 1), ("one", [47, 55, 65, 75, 1], 2), ("two", [50, 85], 3)):
        locs[name] = at(f"r_{SIZE}x{SIZE}_{name}.npz")
        write_bytes(locs[name], samples(codes, seed, "r"))
    given = {
        "sample_locs": [locs["held"]],
        "model_locs": {"small_cnn": models},
        "out_of_bag_sample_locs": {"small_cnn_1": [locs["one"]], "small_cnn_2": [locs["one"], locs["two"]]},
    }
    answer, report = evaluate(at, **given)
    assert "out_of_bag.csv" in answer.files
    rows = rows_in(at, "out_of_bag.csv")
    assert [row["inc_m"] for row in rows] == ["50.0", "85.0", "65.0", "75.0", ""], "the last file's label of a galaxy"
    assert {row["small_cnn_0"] for row in rows} == {""}
    assert all(row["small_cnn_1"] and row["small_cnn_2"] for row in rows)
    assert report["predictions"]["small_cnn_0"]["corrected"] is None
    write_bytes(at("bag.csv"), read_bytes(at("out/out_of_bag.csv")))
    given.pop("out_of_bag_sample_locs")
    assert evaluate(at, **given, out_of_bag_loc=at("bag.csv"))[1] == report


def test_samples_out_of_the_bag_of_no_network_are_refused(at):
    loc = store(at("1.safetensors"), network(1))
    given = {"sample_locs": [at("r.npz")], "model_locs": {"small_cnn": [loc]}}
    with pytest.raises(
        MessageError, match=r"samples of the network small_cnn_1, and the networks are called small_cnn_0\.$"
    ):
        evaluate(at, **given, out_of_bag_sample_locs={"small_cnn_1": [at("r.npz")]})
    with pytest.raises(MessageError, match=r"without out_of_bag_loc\.$"):
        evaluate(at, **given, out_of_bag_sample_locs={"small_cnn_0": [at("r.npz")]}, out_of_bag_loc=at("bag.csv"))


def test_a_calibration_of_other_weights_is_refused(at):
    loc = store(at("1.safetensors"), network(1))
    write_bytes(at("table.csv"), table_of(60, 1))
    fields = {"prediction_columns": ["model4_0"], "out_loc": at("calibration.json")}
    models = {"model_locs": {"model4": [loc]}}
    calibrate_regressor(CalibrateRegressorMsg(table_loc=at("table.csv"), **fields, **models))
    store(at("1.safetensors"), network(2))
    write_bytes(at("r.npz"), samples([50, 60], 1, "r"))
    with pytest.raises(ModelFileError, match="when model4_0 had other weights"):
        evaluate(at, sample_locs=[at("r.npz")], calibration_loc=at("calibration.json"), **models)
