"""A pipeline from images of galaxies to networks and intervals: what it leaves, and how it goes on when interrupted."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from spacer_like.cli.app import main
from spacer_like.engines.base import Serial
from spacer_like.exceptions import MessageError, SpacerInputError, TableError, TooFewRowsError
from spacer_like.location import DataLocation
from spacer_like.workflows import regression_plan
from spacer_like.workflows.regression import LOG, PipelineReport, run_pipeline
from spacer_like.workflows.regression_config import PipelineConfig, read_config
from spacer_like.workflows.regression_plan import plan
from spacer_like.workflows.steps import Ended, Failure, Steps

TINY = {
    "size": 32,
    "bands": ["g", "gri"],
    "networks": ["small_cnn"],
    "sub_samples": 1,
    "batches": 2,
    "per_bin": 2,
    "minibatch": 8,
    "held_out": 0.5,
    "coverage": 0.8,
}


class Killed(BaseException):
    pass


def contents(folder: Path) -> dict[str, str]:
    """A digest of every file below a folder, records included, but for the log of all runs."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != LOG
    }


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory):
    pytest.importorskip("galsim")
    folder = tmp_path_factory.mktemp("sky") / "galaxies"
    given = ["simulate", str(folder), "--count", "30", "-s", "32", "--bands", "g,gri", "--json"]
    assert main(["regression", *given]) == 0
    return folder


@pytest.fixture(scope="module")
def config(galaxies, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "out"
    values = {**TINY, "images": str(galaxies), "catalog": str(galaxies / "catalog.txt"), "out": str(out)}
    return PipelineConfig.of(values, "config")


@pytest.fixture(scope="module")
def finished(config):
    """What a run that nothing disturbed has left."""
    report = run_pipeline(config, Serial())
    assert report.ok, report.failures
    return contents(Path(config.out))


@pytest.fixture
def out(config, finished, tmp_path):
    """The same output once more, at the same path, which records name."""
    folder, kept = Path(config.out), tmp_path / "kept"
    shutil.copytree(folder, kept, copy_function=shutil.copy2)
    yield folder
    shutil.rmtree(folder)
    shutil.move(kept, folder)


def run_until(number: int, config: PipelineConfig, monkeypatch) -> None:
    """Run until the step of this number has written its files, and has no record yet."""
    ended = iter(range(1000))
    record = Steps._record

    def record_or_die(self, step, result):
        if next(ended) == number:
            raise Killed
        record(self, step, result)

    with monkeypatch.context() as patch:
        patch.setattr(Steps, "_record", record_or_die)
        with pytest.raises(Killed):
            run_pipeline(config, Serial(), clean=True)


class TestARun:
    def test_leaves_networks_predictions_and_intervals(self, config, finished):
        for name in (
            "models/Uset_000_small_cnn.safetensors",
            "models/Uset_001_small_cnn_evalDict.json",
            "evaluation/predictions.csv",
            "evaluation/errors.png",
            "evaluation/out_of_bag.csv",
            "calibration.json",
            "report.json",
        ):
            assert name in finished
        report = json.loads((Path(config.out) / "report.json").read_text())
        assert report["ok"]
        assert report["steps"]["Uset_001_small_cnn"]["rms"] > 0
        # Networks that have learnt next to nothing have a bias that cannot be told.
        assert "No bias is taken out" in report["steps"]["calibrate"]["warnings"][0]
        calibration = json.loads((Path(config.out) / "calibration.json").read_text())
        assert sorted(calibration["digests"]) == ["small_cnn_0", "small_cnn_1"]
        assert not list((Path(config.out) / "models").glob("*_ckpt"))

    def test_has_one_log(self, config, finished):
        log = (Path(config.out) / LOG).read_text()
        assert "prepare gri: begun." in log
        assert "Training: 2 of 2 steps done" in log

    def test_again_repeats_nothing(self, config, out, finished):
        assert run_pipeline(config, Serial()).steps_run == 0
        assert contents(out) == finished

    @pytest.mark.parametrize("number", [4, 9, 10])
    def test_that_was_killed_goes_on_to_the_same_bytes(self, number, config, out, finished, monkeypatch):
        run_until(number, config, monkeypatch)
        assert not (out / "report.json").exists()
        report = run_pipeline(config, Serial())
        assert 0 < report.steps_run < len(report.answers)
        assert contents(out) == finished

    @pytest.mark.parametrize("name", ["packed/32x32_g.npz", "prepared"])
    def test_makes_again_what_was_removed(self, name, config, out, finished):
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert run_pipeline(config, Serial()).steps_run > 0
        assert contents(out) == finished

    def test_of_another_seed_leaves_no_file_of_the_first(self, config, out):
        other = PipelineConfig(**{**vars(config), "batches": 1, "coverage": None})
        assert run_pipeline(other, Serial()).ok
        names = set(contents(out))
        assert "calibration.json" not in names
        assert "augmented/Uset_000_npz/32x32_train_aug_01.npz" not in names

    def test_that_is_to_begin_anew_removes_nothing_of_others(self, config, out):
        (out / "mine.txt").write_text("mine")
        report = run_pipeline(config, Serial(), clean=True)
        assert report.steps_run == len(report.answers)
        assert (out / "mine.txt").read_text() == "mine"

    def test_with_too_few_galaxies_to_calibrate_says_so_and_has_not_failed(self, config, out):
        other = PipelineConfig(**{**vars(config), "coverage": 0.99})
        for steps_run in (0, 0):
            report = run_pipeline(other, Serial())
            assert report.ok
            assert report.steps_run == steps_run
        assert "intervals that hold 99% need 99" in report.skipped["calibrate"]
        assert json.loads((out / "report.json").read_text())["skipped"] == report.skipped
        assert not (out / "calibration.json").exists()
        assert "calibrate: left out: There are" in (out / LOG).read_text()

    def test_only_leaves_out_what_has_too_few_rows(self, config):
        for error_class, skipped in ((TableError, {}), (TooFewRowsError, {"calibrate": "Why."})):
            report = PipelineReport(config)
            failure = Failure("Why.", f"{error_class.__module__}.{error_class.__qualname__}")
            report.add(Ended(failures={"calibrate": failure}), may_lack_rows=True)
            assert report.skipped == skipped
            assert report.ok == bool(skipped)

    def test_also_tells_good_galaxies_from_bad(self, config, out):
        catalog = out.parent / "catalog.txt"
        lines = Path(config.catalog).read_text().splitlines()
        flag, start = lines[0].split("|").index("inc_flg"), lines[1:]
        cells = [line.split("|") for line in start]
        bad = [[*row[:flag], "1", *row[flag + 1 :]] if number % 2 else row for number, row in enumerate(cells)]
        catalog.write_text("\n".join([lines[0], *("|".join(row) for row in bad)]))
        other = PipelineConfig(**{**vars(config), "catalog": str(catalog), "good_bad": ("small_cnn",)})
        report = run_pipeline(other, Serial())
        assert report.ok, report.failures
        assert (out / "models/Uset_000_small_cnn-binary.safetensors").exists()
        assert 0 <= report.answers["evaluate_good_bad"].accuracy <= 1
        assert report.answers["evaluate"].accuracy is None

    def test_in_which_a_step_fails_says_which(self, config, out):
        other = PipelineConfig(**{**vars(config), "held_out": 0.98})
        report = run_pipeline(other, Serial())
        assert not report.ok
        assert "too few" in report.failures["split"]
        assert "split: failed" in (out / LOG).read_text()


def test_the_command_shows_networks_errors_and_intervals(config, out, tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(vars(config)))
    assert main(["regression", "pipeline", str(path)]) == 0
    said = capsys.readouterr().out
    for text in ("Uset_001_small_cnn", "The median of all networks: RMS", "coverage", "0 of them in this run"):
        assert text in said


class TestTheConfiguration:
    @pytest.fixture
    def read(self, tmp_path):
        def read(text, name="config.toml"):
            (tmp_path / name).write_text(text)
            return read_config(DataLocation.local(tmp_path / name))

        return read

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('{"images": "nothere.png"}', "config.json: There is no "),
            ('{"bands": ["g"]}', "config.json: The bands of the configuration are g"),
            ('{"size": 9000}', "config.json: "),
        ],
    )
    def test_is_named_where_what_it_asks_for_cannot_be(self, text, said, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        Path("config.json").write_text(text)
        assert main(["regression", "pipeline", "config.json"]) == 64
        assert said in capsys.readouterr().err.replace("\n", " ")

    def test_has_a_default_for_every_value(self, read):
        assert read("") == read("{}", "config.json") == PipelineConfig()

    def test_is_toml_or_json(self, read):
        pytest.importorskip("tomllib")
        assert read('size = 64\nbands = ["g"]') == read('{"size": 64, "bands": ["g"]}', "c.json")

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ('{"sise": 64}', "the key 'sise', and there is none of this name. Did you mean size?"),
            ('{"size": "64"}', "the value of size must be a whole number, and is 64"),
            ('{"size": true}', "must be a whole number"),
            ('{"bands": "g"}', "must be a list of texts"),
            ('{"original": 1}', "must be true or false"),
            ('{"held_out": "a"}', "must be a number or null"),
            ("[1]", "must be an object"),
            ("{", "cannot be read"),
            ("[" * 100_000, "cannot be read"),
        ],
    )
    def test_is_refused_in_a_sentence(self, text, sentence, read):
        with pytest.raises(MessageError, match=sentence.replace("?", "[?]")):
            read(text, "config.json")

    def test_of_another_ending_is_refused(self, read):
        with pytest.raises(MessageError, match=r"must end with \.json or \.toml"):
            read("", "config.yaml")

    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            ({"networks": ("model9",)}, SpacerInputError),
            ({"networks": ("model5",), "size": 64}, SpacerInputError),
            ({"schedule": "never"}, MessageError),
            ({"format": "bmp"}, MessageError),
            ({"sub_samples": -1}, MessageError),
            ({"coverage": 1.5}, MessageError),
            ({"images": "no-such-folder"}, SpacerInputError),
            ({"bands": ("g", "r")}, MessageError),
            ({"bands": ("gri",)}, MessageError),
            ({"bands": ("g", "g", "gri")}, MessageError),
            ({"bands": ()}, MessageError),
        ],
    )
    def test_is_checked_before_the_first_step(self, values, kind, config):
        with pytest.raises(kind):
            plan(PipelineConfig(**{**vars(config), **values}))

    def test_that_would_write_among_the_images_is_refused(self, config):
        with pytest.raises(MessageError):
            run_pipeline(PipelineConfig(**{**vars(config), "out": config.images}), Serial())


def test_an_image_that_was_written_to_is_another_version(tmp_path):
    (tmp_path / "a.png").write_bytes(b"1")
    first = regression_plan.version_of(DataLocation.local(tmp_path))
    (tmp_path / "a.png").write_bytes(b"22")
    assert regression_plan.version_of(DataLocation.local(tmp_path)) != first
