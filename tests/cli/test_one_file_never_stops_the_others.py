"""A file that cannot be worked on is named, the others are done, and the exit code says that something failed."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from spacer_like.mailman import ExitCode

from ..readers.rows import picture
from .conftest import COLOURS

WIDE = Path(__file__).parents[1] / "data" / "damaged" / "wide.png"
GRID = ("--grid", "2", "--extractor", COLOURS)


@pytest.fixture
def with_damaged(trained):
    """The reef with an empty photograph, one whose decoder raises an empty MemoryError, and one of text."""
    photos = trained / "photos"
    (photos / "empty.jpg").write_bytes(b"")
    shutil.copy(WIDE, photos / "wide.png")
    (photos / "text.jpg").write_text("no photograph")
    return trained


def assert_all_but_the_damaged(said, done):
    assert said.code == ExitCode.PERMANENT_FAILURE
    assert sorted(done) == [f"{number}.jpg" for number in range(6)]
    failures = {failure["name"]: failure["message"] for failure in said.json["failures"]}
    assert set(failures) == {"empty.jpg", "wide.png", "text.jpg"}
    assert all(name in message and message.endswith(".") for name, message in failures.items())
    assert all(message in said.err for message in failures.values())
    assert said.json["ok"] is False


@pytest.mark.parametrize("how", [("--grid", "2"), ("--random", "3")])
def test_extract_does_the_other_images(with_damaged, command, how):
    said = command("extract", "photos", *how, "--extractor", COLOURS, "--out", "new", "--json")
    assert_all_but_the_damaged(said, [one["image"] for one in said.json["files"]])
    assert len(list((with_damaged / "new").rglob("*.features"))) == 6


def test_classify_does_the_other_images(with_damaged, command):
    said = command("classify", "photos", *GRID, "--model", "reef.pkl", "--out", "all.csv", "--json")
    assert_all_but_the_damaged(said, [one["image"] for one in said.json["images"]])
    assert len((with_damaged / "all.csv").read_text().splitlines()) == 1 + 6 * 4


def test_classify_does_the_other_feature_files(with_damaged, command):
    files = sorted(str(path) for path in (with_damaged / "features").rglob("*.features"))
    Path(files[0]).write_bytes(Path(files[0]).read_bytes()[:-30])
    said = command("classify", *files, "--model", "reef.pkl", "--json")
    assert said.code == ExitCode.PERMANENT_FAILURE
    assert len(said.json["images"]) == 5
    assert Path(files[0]).name in said.json["failures"][0]["message"]


def test_images_of_a_table_are_done_where_one_is_damaged(with_damaged, command):
    (with_damaged / "photos" / "3.jpg").write_bytes(b"")
    said = command("extract", "--points", "labels.csv", "--extractor", COLOURS, "--out", "new", "--json")
    assert said.code == ExitCode.PERMANENT_FAILURE
    assert [one["name"] for one in said.json["failures"]] == ["photos/3.jpg"]
    assert len(said.json["files"]) == 5


def test_a_folder_of_nothing_but_damaged_images_fails_with_the_first_reason(tmp_path, command):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"")
    said = command("extract", tmp_path, *GRID, "--out", tmp_path / "new", "--json")
    assert said.code == ExitCode.PERMANENT_FAILURE
    assert "a.jpg" in said.json["error"]["message"]
    assert said.json["error"]["message"].endswith("None of the 2 tasks succeeded.")


def test_an_image_whose_name_fits_no_table_leaves_the_others_in_it(trained, command):
    nameless = Path(os.fsdecode(os.fsencode(trained / "photos") + b"/\xff.jpg"))
    shutil.copy(trained / "photos" / "0.jpg", nameless)
    for table, arguments in (
        ("points.csv", ("extract", "photos", *GRID, "--out", "new", "--points-out", "points.csv")),
        ("all.csv", ("classify", "photos", *GRID, "--model", "reef.pkl", "--out", "all.csv")),
    ):
        said = command(*arguments, "--json")
        assert said.code == ExitCode.PERMANENT_FAILURE
        (failure,) = said.json["failures"]
        assert failure["name"] == nameless.name
        assert failure["message"].endswith("The name of the file is no text in UTF-8: give it another one.")
        assert len((trained / table).read_text().splitlines()) == 1 + 6 * 4


def test_a_picture_that_cannot_be_drawn_loses_no_numbers(trained, command, monkeypatch):
    replace = os.replace

    def refuse_one(source, target):
        # Places that refuse files are found before the work; this one does so after it.
        if str(target).endswith("2.jpg.png"):
            raise PermissionError(errno.EACCES, "Permission denied")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_one)
    said = command(
        "classify", "photos", *GRID, "--model", "reef.pkl", "--out", "all.csv", "--annotate", "drawn", "--json"
    )
    assert said.code == ExitCode.PERMANENT_FAILURE
    assert [one["name"] for one in said.json["failures"]] == ["2.jpg"]
    assert len((trained / "all.csv").read_text().splitlines()) == 1 + 6 * 4
    assert len([path for path in (trained / "drawn").iterdir() if path.is_file()]) == 5


class TestChips:
    NAMES = tuple(f"Z33-031111212322{last}_1050410012C31100.jpg" for last in ("00000", "00001", "00002"))

    @pytest.fixture
    def chips(self, tmp_path):
        for name in self.NAMES:
            (tmp_path / name).write_bytes(picture("JPEG"))
        (tmp_path / self.NAMES[1]).write_bytes(b"")
        return tmp_path

    def test_nodata_lists_the_other_chips(self, chips, command):
        said = command("chips", "nodata", chips, "--out", chips / "index.json", "--json")
        assert said.code == ExitCode.PERMANENT_FAILURE
        assert [one["name"] for one in said.json["unreadable"]] == [self.NAMES[1]]
        assert sum(map(len, json.loads((chips / "index.json").read_bytes()).values())) == 2

    def test_nodata_reads_the_other_manifests(self, tmp_path, command):
        golden = (Path(__file__).parents[1] / "chips" / "golden" / "manifest-v1.parquet").read_bytes()
        (tmp_path / "a.parquet").write_bytes(golden)
        (tmp_path / "b.parquet").write_bytes(golden.replace(b'"zoom": 13', b'"zoom": 31'))
        said = command("chips", "nodata", tmp_path, "--out", tmp_path / "index.json", "--json")
        assert said.code == ExitCode.PERMANENT_FAILURE
        assert [Path(one["name"]).name for one in said.json["unreadable"]] == ["b.parquet"]
        assert said.json["n_all_data"] == 1

    def test_a_damaged_map_of_a_cell_leaves_the_other_cells(self, tmp_path, command):
        cells = ("031111212322", "031111212323")
        chips = [f"Z33-{cell}00000_1050410012C31100.jpg" for cell in cells]
        (tmp_path / "index.json").write_text(json.dumps({"all_data": chips, "partial_data": [], "no_data": []}))
        (tmp_path / "labels.json").write_text('{"water": {"water": ["*"]}}')
        for cell, text in zip(cells, ('{"quadkey": "031111212322", "nodes": [', None), strict=True):
            folder = tmp_path / "ard" / "33" / cell
            folder.mkdir(parents=True)
            whole = {"quadkey": cell, "nodes": [], "ways": [], "relations": []}
            (folder / "osm_data.json").write_text(text or json.dumps(whole))
        said = command(
            *("chips", "label-table", tmp_path / "index.json", tmp_path / "labels.json", "--tiles", tmp_path / "ard"),
            *("--out", tmp_path / "labels.csv", "--json"),
        )
        assert said.code == ExitCode.PERMANENT_FAILURE
        assert [one["cell"] for one in said.json["damaged_maps"]] == ["Z33-031111212322"]
        assert said.json["n_chips"] == 1
        assert chips[1] in (tmp_path / "labels.csv").read_text()
