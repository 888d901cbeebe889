"""`--precision int8`: from photographs to a classifier and its answers, in whole numbers of eight bits."""

from pathlib import Path

import pytest

from spacer_like import config
from spacer_like.cli.extractors import _first_crops, calibrate
from spacer_like.cli.point_jobs import ImagePoints
from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.exceptions import ImageError
from spacer_like.extractors import EfficientNetLite0Extractor

CALIBRATION = "features/calibration-int8.json"
INT8 = ("--precision", "int8")
EXTRACT = ("extract", "--points", "labels.csv", "--out", "features")


@pytest.fixture
def at_int8(reef, command):
    """Four points of each photograph, with features at int8."""
    lines = Path("labels.csv").read_text().splitlines()
    Path("labels.csv").write_text("\n".join([lines[0], *lines[2::4], *lines[3::8]]))
    with config.override(onnx_cache_dir=str(reef / "models"), device="cpu"):
        said = command(*EXTRACT, *INT8)
        assert said.code == 0, said.err
        assert f"Calibration: {reef / CALIBRATION}" in said.out
        yield reef


def test_leads_to_a_classifier_and_its_answers(at_int8, command):
    calibration = Path(CALIBRATION).read_bytes()
    features = ImageFeatures.load(DataLocation("filesystem", "features/photos/3.jpg.features"))
    calibrated = EfficientNetLite0Extractor().at_int8(DataLocation.local(CALIBRATION))
    assert features.extractor_id == calibrated.extractor_id
    training = ("train", "labels.csv", "--features", "features", "--model", "reef.pkl", "--classifier", "LR")
    said = command(*training, "--reference", 0.3, "--validation", 0.2)
    assert said.code == 0, said.err
    classify = ("classify", "photos/0.jpg", "--grid", 2, "--model", "reef.pkl")
    said = command(*classify, *INT8, "--calibration", CALIBRATION, "--json")
    assert said.code == 0, said.err
    # That of full precision has other features, with which the classifier cannot be used.
    said = command(*classify)
    assert said.code != 0
    assert "the classifier was trained on features of the extractor" in said.err, said.err
    # What is added later is extracted by the calibration that is there.
    Path("photos/0.jpg").write_bytes(Path("photos/1.jpg").read_bytes())
    said = command(*EXTRACT, *INT8, "--json")
    assert [file["unchanged"] for file in said.json["files"]] == [False] + [True] * 5
    assert Path(CALIBRATION).read_bytes() == calibration


def test_is_calibrated_by_images_that_can_be_read(reef):
    Path("photos/0.jpg").write_bytes(b"no image")
    points = [(row, col, None) for row in range(30) for col in range(0, 60, 2)]
    images = [ImagePoints(str(n), DataLocation.local(f"photos/{n}.jpg"), points) for n in range(6)]
    crops = _first_crops(images, 8)
    assert len(crops) == 5 * 21
    assert {crop.shape for crop in crops} == {(8, 8, 3)}
    with pytest.raises(ImageError, match=r"0\.jpg"):
        _first_crops(images[:1], 8)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--calibration", "c.json"), "The option --calibration belongs to --precision int8."),
        (
            (*INT8, "--extractor", "lite0-dense"),
            "extractor lite0-dense has no precision int8: lite0 and lite2 have",
        ),
        ((*INT8, "--extractor", "band-statistics"), "The extractor band-statistics has no precision int8"),
        ((*INT8, "--calibration", "labels.csv"), "labels.csv: the file holds no calibration: Invalid JSON"),
    ],
)
def test_is_refused_where_it_does_not_fit(reef, command, options, why):
    said = command(*EXTRACT, *options)
    assert said.code != 0
    assert why in said.err
    assert not list(reef.glob("features/*"))


def test_of_a_classification_needs_the_calibration(reef, command):
    said = command("classify", "photos", "--grid", 2, "--model", "reef.pkl", *INT8)
    assert "--precision int8 needs --calibration, the file that extract wrote beside the features." in said.err


def test_keeps_the_calibration_that_another_run_wrote_meanwhile(reef, monkeypatch):
    loc = DataLocation.local("c.json")
    images = [ImagePoints("0", DataLocation.local("photos/0.jpg"), [(5, 5, None)])]

    def slowly(self, crops):
        Path("c.json").write_bytes(b"of the other run")
        return b"of this run"

    monkeypatch.setattr(EfficientNetLite0Extractor, "calibration_of", slowly)
    calibrate("lite0", None, None, loc, images)
    assert Path("c.json").read_bytes() == b"of the other run"


def test_writes_no_calibration_where_features_will_be(reef, command):
    taken = "features/photos/0.jpg.features"
    said = command(*EXTRACT, *INT8, "--calibration", taken)
    assert said.code == 64
    assert f"--out would overwrite --calibration, both are '{reef / taken}'" in said.err
    assert not Path(taken).exists()
