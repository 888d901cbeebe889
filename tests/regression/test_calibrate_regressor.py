"""`calibrate_regressor`: from a table of predictions and labels to a file of intervals."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from spacer_like.exceptions import MessageError, ModelFileError, TableError
from spacer_like.location import DataLocation
from spacer_like.messages import CalibrateRegressorMsg
from spacer_like.regression.answers import Models
from spacer_like.regression.calibration_file import calibration_bytes, read_calibration
from spacer_like.regression.tasks.calibrate import NO_BIAS
from spacer_like.storage import read_bytes, write_bytes
from spacer_like.tables.files import table_bytes
from spacer_like.tasks import calibrate_regressor

from .predictions import NETS, table_of
from .small_networks import network, store

GOLDEN = Path(__file__).parent / "golden" / "calibration-v1.json"


def at(name: str) -> DataLocation:
    return DataLocation("memory", f"calibrate/{name}")


def calibrate(data: bytes, name: str = "table.csv", **fields):
    write_bytes(at(name), data)
    given = {"prediction_columns": list(NETS), "out_loc": at("calibration.json")} | fields
    return calibrate_regressor(CalibrateRegressorMsg(table_loc=at(name), **given))


def written():
    return read_calibration(read_bytes(at("calibration.json")), "calibration.json")


def test_it_writes_the_intervals_of_each_band_and_answers_how_they_do():
    answer = calibrate(table_of(300, 1))
    assert (answer.n_rows, answer.n_galaxies, answer.n_left_out, answer.small_bands) == (900, 300, 0, [])
    assert [band.band for band in answer.bands] == ["any", "g", "i", "r"]
    assert all(0.84 <= band.coverage <= 0.96 and len(band.by_label) == 9 for band in answer.bands)
    calibration = written()
    assert calibration.predictions == NETS
    assert calibration.coverage == 0.9
    assert calibration.joined == "median"


def test_the_same_table_gives_the_same_bytes():
    calibrate(table_of(200, 1))
    first = read_bytes(at("calibration.json"))
    calibrate(table_of(200, 1))
    assert read_bytes(at("calibration.json")) == first


def test_files_of_version_1_stay_readable():
    calibration = read_calibration(GOLDEN.read_bytes(), "calibration-v1.json")
    assert sorted(calibration.bands) == ["any", "g", "i", "r"]
    assert calibration.bands["g"].bias is not None
    assert calibration_bytes(calibration) == GOLDEN.read_bytes()
    [corrected], [low], [high] = calibration.applied([70.0], ["r"])
    assert 45 <= low < corrected < high <= 90


def test_parquet_is_read_as_csv_is():
    from pyarrow.csv import read_csv

    calibrate(table_of(100, 1))
    csv = written()
    calibrate(table_bytes(read_csv(pa.BufferReader(table_of(100, 1))), True), "table.parquet")
    assert written() == csv


def test_the_bias_comes_from_the_table_out_of_bag():
    write_bytes(at("bag.csv"), table_of(200, 2))
    answer = calibrate(table_of(200, 1), out_of_bag_loc=at("bag.csv"))
    assert (answer.n_bias, NO_BIAS in answer.warnings) == (600, False)
    assert written().bands["g"].bias is not None
    assert written().bands["g"].n_bias == 200


def test_predictions_that_do_not_rise_with_the_labels_have_no_bias_and_that_is_said():
    lines = table_of(60, 2).decode().splitlines()
    same = [",".join([*line.split(",")[:3], "60", "60", "60"]) for line in lines[1:]]
    write_bytes(at("bag.csv"), "\n".join([lines[0], *same]).encode())
    answer = calibrate(table_of(60, 1), out_of_bag_loc=at("bag.csv"))
    assert answer.n_bias == 0
    assert answer.warnings[0].startswith("No bias is taken out: ")
    assert written().bands["any"].bias is None


def test_bins_with_too_few_rows_for_their_own_intervals_are_named():
    many = calibrate(table_of(900, 1))
    assert many.warnings == []
    [warning] = calibrate(table_of(60, 1), least_rows=20).warnings
    assert warning.startswith("There are fewer than 20 rows at 4")
    assert warning.endswith("share the intervals of their neighbours, which may hold fewer labels there than 90%.")


def test_a_table_without_bands_and_ids_is_one_band_of_as_many_galaxies_as_rows():
    answer = calibrate(table_of(50, 1), band_column=None, id_column=None)
    assert (answer.n_rows, answer.n_galaxies, [band.band for band in answer.bands]) == (150, 150, ["any"])


def test_rows_without_a_label_or_a_prediction_are_left_out_and_counted():
    more = b"7,g,,60,60,60\n8,g,60,,nan,NA\n9,g,60,,61,\n"
    answer = calibrate(table_of(50, 1) + more)
    assert (answer.n_rows, answer.n_left_out) == (151, 2)


HEAD = b"pgc,filter,inc_m,model4_0,model4_1,model6_0\n"


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"pgc,filter,model4_0,model4_1,model6_0\n1,g,60,60,60\n", "has no column 'inc_m'; it has pgc, filter, "),
        (b"pgc,filter,inc_m,model4_0,model4_0,model4_1,model6_0\n", "has two columns 'model4_0'"),
        (HEAD, "has no row"),
        (HEAD + b"1,g,60,about 60,60,60\n", "column 'model4_0' .* has 'about 60' in row 1, which is no number"),
        (HEAD + b"1,g,60,60,60,60\n2,g,30,60,60,60\n", "column 'inc_m' .* has 30 in row 2: labels are degrees from 45"),
        (HEAD + b"1,g,91,60,60,60\n", "has 91 in row 1"),
        (HEAD + b"1,g,60,60,inf,60\n", "column 'model4_1' .* infinite number in row 1"),
        (HEAD + b"1.5,g,60,60,60,60\n", "column 'pgc' .* has 1.5 in row 1, which is no galaxy's number"),
        (HEAD + b"1,g,,60,60,60\n", "has no row with a label and a prediction"),
        (HEAD + b"1,g,60,60,60,60\n", "There are 1 rows"),
        (HEAD + b"1,g,60\n", "cannot be read as CSV"),
        (b"", "has no row of names"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_what_is_wrong(data, sentence):
    with pytest.raises(TableError, match=sentence):
        calibrate(data)


def test_a_table_of_another_ending_is_refused():
    with pytest.raises(TableError, match=r"must end with \.csv or \.parquet"):
        calibrate(b"", "table.txt")


def test_a_column_of_parquet_that_is_no_number_is_refused():
    columns = {name: [True] for name in ("pgc", "filter", "inc_m", *NETS)}
    with pytest.raises(TableError, match="is of the type bool, and no"):
        calibrate(table_bytes(pa.table(columns), True), "table.parquet")


@pytest.mark.parametrize("fields", [{"coverage": 1.0}, {"coverage": 0}, {"prediction_columns": []}, {"least_rows": 1}])
def test_a_message_that_makes_no_sense_is_refused(fields):
    with pytest.raises(MessageError):
        calibrate(b"", **fields)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content.update(format_version=2), "of a version after 1"),
        (lambda content: content["bands"].pop("any"), "lacks the band 'any'"),
        (lambda content: content["bands"]["g"].pop("widenings"), "it lacks 'widenings'"),
        (lambda content: content["bands"]["g"]["half_widths"].pop(), "do not divide the inclinations"),
        (lambda content: content["bands"]["g"]["widenings"][0].update(width="wide"), "holds wide for a number"),
        (lambda content: content.update(predictions=[]), "lacks the names"),
    ],
)
def test_a_damaged_file_is_refused(change, reason):
    content = json.loads(GOLDEN.read_bytes())
    change(content)
    with pytest.raises(ModelFileError, match=reason):
        read_calibration(json.dumps(content).encode(), "c.json")


def test_a_calibration_keeps_the_digests_of_networks_and_is_refused_with_other_weights():
    first = {"small_cnn": [store(at(f"{seed}.safetensors"), network(seed)) for seed in (1, 2)]}
    names = ["small_cnn_0", "small_cnn_1"]
    table = table_of(60, 1).replace(b"model4", b"small_cnn")
    calibrate(table, prediction_columns=names, model_locs=first)
    calibration = written()
    assert list(calibration.digests) == names
    models = {"small_cnn": [network(1), network(2)]}
    assert Models(models, (), calibration).calibration is calibration
    with pytest.raises(ModelFileError, match=r"when small_cnn_1 had other weights: calibrate the networks again\.$"):
        Models({"small_cnn": [network(1), network(3)]}, (), calibration)
    calibrate(table, prediction_columns=names)
    assert b"digests" not in read_bytes(at("calibration.json"))
    Models({"small_cnn": [network(1), network(3)]}, (), written())


def test_networks_are_called_as_the_columns_are():
    loc = store(at("1.safetensors"), network(1))
    with pytest.raises(MessageError, match=r"are called model5_0, and prediction_columns are others.*\.$"):
        calibrate(table_of(60, 1), model_locs={"model5": [loc]})


@pytest.mark.parametrize("digests", [{"model9_0": "ab"}, {"model4_0": 3}, ["ab"], {"model4_0": ""}])
def test_digests_that_are_none_are_a_damaged_file(digests):
    content = json.loads(GOLDEN.read_bytes()) | {"digests": digests}
    with pytest.raises(ModelFileError, match="holds no calibration"):
        read_calibration(json.dumps(content).encode(), "calibration.json")
