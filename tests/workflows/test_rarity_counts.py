"""What a rarity workflow says of failures and of what has no score: on the terminal, in the report, by its code."""

from __future__ import annotations

import json
import os
import resource
import shutil
import socket
from contextlib import contextmanager
from pathlib import Path

import pytest

from spacer_like import config
from spacer_like.cli import main
from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import CollectionError, MessageError, StorageUnavailableError
from spacer_like.rarity.tasks.tables import read_scores
from spacer_like.workflows.rarity import RarityOptions, check_collections, score_collections
from spacer_like.workflows.rarity_pictures import _Table
from spacer_like.workflows.rarity_run import RarityRun

SMALL = RarityOptions(size=16, processes=1, methods=("ratio",))


@pytest.fixture
def collections(make_transparent, tmp_path):
    return make_transparent(tmp_path / "collections")


@pytest.fixture
def rarity(collections, tmp_path, capfd):
    """Runs the command; its exit code, standard output and error, and report.json, None where there is none."""

    def run(*options):
        output = tmp_path / "output"
        arguments = [str(collections), "--out", str(output), "--size", "16", "--methods", "ratio", "--processes", "1"]
        code = main(["rarity", *arguments, *options])
        said = capfd.readouterr()
        report = output / "report.json"
        return code, said.out, said.err, json.loads(report.read_text()) if report.exists() else None

    return run


def states(report):
    return {one["collection_id"]: one["state"] for one in report["collections"]}


@contextmanager
def largest_file(size: int):
    """No file may become larger, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def add_metadata(collections: Path, text: str | bytes, name: str = "apes") -> Path:
    file = collections / name / "metadata" / "metadata.csv"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


@pytest.mark.parametrize(
    ("size", "options", "failed", "named"),
    [
        # Pixels of 4 images take 3 kB, a histogram of all 2 kB, the table of 256 positions 1 MB.
        (1000, ["--no-pictures"], ["apes", "punks"], "collections/apes/pixels.npz"),
        (900_000, ["--no-pictures"], [], "global/table.npy"),
    ],
)
def test_what_cannot_be_written_is_named(rarity, size, options, failed, named):
    with largest_file(size):
        code, out, err, report = rarity(*options)
    assert code == 75
    assert f"{named}' cannot be written: File too large." in err
    assert "[Errno" not in out + err
    assert "Exception ignored" not in err
    assert [name for name, state in states(report).items() if state == "failed"] == failed
    assert "scored" not in states(report).values()
    assert "No collection could be scored." in out
    assert (report["ok"], report["transient"], report["n_scored"]) == (False, True, 0)
    assert rarity("--no-pictures")[0] == 0


def test_when_merging_histograms_fails_it_is_said_first_and_once(rarity, tmp_path):
    (tmp_path / "output" / "global").mkdir(parents=True)
    (tmp_path / "output" / "global" / "table.npy").mkdir()
    code, out, err, report = rarity()
    assert code == 64
    assert err.startswith("merge histograms: ")
    assert err.count("table.npy") == 1
    assert "table.npy" not in out
    assert list(report["failures"]) == ["merge histograms"]
    assert states(report) == {"apes": "not scored", "punks": "not scored"}
    assert "Scored" not in out


@pytest.mark.parametrize(
    ("hindrance", "step"),
    [("ratio.parquet", "merge scores ratio"), ("ratio_edges.npz", "bucketize ratio")],
)
def test_when_merging_or_bucketing_scores_fails_the_rest_is_drawn(rarity, tmp_path, hindrance, step):
    assert rarity()[0] == 0
    shutil.rmtree(tmp_path / "output" / "records")
    (tmp_path / "output" / "scores" / hindrance).unlink()
    (tmp_path / "output" / "scores" / hindrance).mkdir()
    code, out, err, report = rarity("--json")
    answer = json.loads(out)
    assert code == 64
    assert err.startswith(f"{step}: ")
    assert err.count("\n") == 1
    assert list(answer["failures"]) == list(report["failures"]) == [step]
    assert answer["ok"] is report["ok"] is False
    drawn = {Path(picture).stem for picture in answer["pictures"]}
    assert "commonest_colours" in drawn
    assert "buckets" not in drawn
    assert drawn == {path.stem for path in (tmp_path / "output" / "pictures").iterdir()}


def test_a_picture_that_cannot_be_written_is_a_failure_of_drawing_alone(rarity, tmp_path):
    (tmp_path / "output" / "pictures" / "buckets.png").mkdir(parents=True)
    code, out, err, report = rarity()
    assert code == 64
    assert err.startswith("draw buckets: ")
    assert list(report["failures"]) == ["draw buckets"]
    assert set(states(report).values()) == {"scored"}
    assert "Scored 8 images of 2 collections." in out


@pytest.mark.parametrize("stream", [[], ["--stream"]])
@pytest.mark.parametrize("content", [None, b"no image"])
def test_a_collection_without_an_image_is_empty_whether_or_not_pixels_are_kept(rarity, collections, stream, content):
    (collections / "none").mkdir()
    if content is not None:
        (collections / "none" / "7.png").write_bytes(content)
    code, out, err, report = rarity("--no-pictures", *stream)
    assert (code, err) == (0, "")
    one = next(one for one in report["collections"] if one["collection_id"] == "none")
    assert one["state"] == "empty"
    assert "none" in one["reason"]
    assert len(one["unreadable"]) == (content is not None)
    assert "empty" in out


def test_where_nothing_was_scored_the_exit_says_so(rarity, collections):
    for name in ("apes", "punks"):
        shutil.rmtree(collections / name)
        (collections / name).mkdir()
    code, out, _, report = rarity()
    assert code == 64
    assert "No collection could be scored." in out
    assert report["ok"] is False


@pytest.mark.parametrize(
    "text",
    [
        "1;1;1;u\n2;2;2;u\n9;3;3;u\n",
        "1\t1\t1\tu\n2\t2\t2\tu\n9\t3\t3\tu\n",
        "sep=;\n1;1,5;1;u\n2;2,5;2;u\n9;3;3;u\n",
        "id;rarityScore;rarityRank;url\r\n1;1;1;u\r\n2;2;2;u\r\n9;3;3;u\r\n",
        "1\t1\t1\tu\n2\t2\t2\tu\n9\t3\t3\tu\n".encode("utf-16"),
        "1,1,1,http://x/?a;b;c;d;e\n2,2,2,\n9,3,3,u\n",
    ],
)
def test_images_and_rows_without_a_match_are_counted(rarity, collections, text):
    add_metadata(collections, text)
    code, out, err, report = rarity("--no-pictures")
    one = report["collections"][0]
    assert (code, err) == (0, "")
    assert (one["n_images"], one["n_scored"], one["left_out"], one["n_without_image"]) == (4, 2, ["0", "3"], 1)
    assert (report["n_images"], report["n_scored"]) == (8, 6)
    assert "Scored 6 images of 2 collections." in out
    assert "Not scored: 2 images without a row in the metadata" in out
    assert "Not scored: 1 row of the metadata without an image." in out


def test_the_rarity_in_metadata_with_semicolons_may_have_decimal_commas(rarity, collections):
    add_metadata(collections, "0;1,5;4;\n1;2,5;3;\n2;3,5;2;\n3;4,5;1;\n")
    report = rarity("--no-pictures")[3]
    assert report["collections"][0]["correlations"]["global_ratio"]["n"] == 4


def test_metadata_of_other_images_fail_their_collection(rarity, collections):
    file = add_metadata(collections, "100,1,1,u\n101,2,2,u\n")
    code, out, err, report = rarity("--no-pictures")
    assert code == 64
    assert err == f"apes: None of its 4 images has a row in the metadata '{file}', such as token 0.\n"
    assert states(report) == {"apes": "failed", "punks": "scored"}
    assert "Scored 4 images of 1 collection." in out


def test_what_metadata_say_later_counts_in_the_next_run(rarity, collections):
    add_metadata(collections, "0,1,1,u\n1,2,2,u\n")
    assert rarity("--no-pictures")[3]["collections"][0]["left_out"] == ["2", "3"]
    add_metadata(collections, "0,1,1,u\n2,2,2,u\n3,3,3,u\n")
    assert rarity("--no-pictures")[3]["collections"][0]["left_out"] == ["1"]
    shutil.rmtree(collections / "apes" / "metadata")
    assert rarity("--no-pictures")[3]["collections"][0]["left_out"] == []


def test_a_collection_that_fails_for_now_makes_the_report_one_to_try_again(collections, tmp_path, monkeypatch):
    monkeypatch.setattr(RarityRun, "_check_step", _unavailable)
    report = score_collections(collections, tmp_path / "output", SMALL)
    assert {one.state for one in report.collections} == {"failed"}
    assert report.transient
    assert check_collections(collections, tmp_path / "checked", SMALL).transient


def _unavailable(run, name):
    raise StorageUnavailableError("busy")


def test_lists_between_semicolons_are_read(rarity, tmp_path):
    (tmp_path / "white.csv").write_text("number;collection_id\n1;apes\n")
    assert list(states(rarity("--no-pictures", "--whitelist", str(tmp_path / "white.csv"))[3])) == ["apes"]


def test_what_is_no_ordinary_file_is_reported_and_never_opened(rarity, collections):
    os.mkfifo(collections / "apes" / "0")
    os.mkfifo(collections / "apes" / "7.png")
    (collections / "apes" / "8.png").symlink_to("/dev/zero")
    (collections / "apes" / "9.png").symlink_to("nowhere")
    os.mkfifo(collections / "apes" / ".hidden")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(collections / "apes" / "s.png"))
    os.mkfifo(collections / "pipe.zip")
    (collections / "punks" / "metadata").mkdir()
    os.mkfifo(collections / "punks" / "metadata" / "metadata.csv")
    code, out, err, report = rarity("--no-pictures")
    one = report["collections"][0]
    assert [file["name"] for file in one["unreadable"]] == ["0", "7.png", "8.png", "9.png", "s.png"]
    assert (one["n_images"], one["n_scored"]) == (4, 4)
    assert states(report) == {"apes": "scored", "pipe": "failed", "punks": "failed"}
    assert code == 64
    assert "pipe.zip' is no ordinary file" in err
    assert "metadata.csv' is no ordinary file" in err
    assert "Not scored: 5 files that cannot be read as an image." in out


def test_a_file_that_no_decoder_takes_is_one_unreadable_image(rarity, collections):
    header = "89504e470d0a1a0a0000000d4948445205f5e100000000010802000000"
    (collections / "apes" / "99.png").write_bytes(bytes.fromhex(header))
    shutil.copy(Path(__file__).parent.parent / "data" / "damaged" / "wide.png", collections / "apes" / "98.png")
    code, _, err, report = rarity("--no-pictures", "--stream")
    assert (code, err) == (0, "")
    unreadable = report["collections"][0]["unreadable"]
    assert [file["name"] for file in unreadable] == ["98.png", "99.png"]
    assert all(len(file["reason"]) > 10 for file in unreadable)
    assert report["n_scored"] == 8


def test_tokens_that_look_like_formulas_survive_tables_lists_and_pictures(rarity, collections, tmp_path):
    for number, name in enumerate(("-001.png", "=reef.png", "@x.png", "+1.png")):
        (collections / "punks" / f"{number}.png").rename(collections / "punks" / name)
    (collections / "punks").rename(collections / "=punks")
    add_metadata(collections, "-001,1,1,u\n=reef,2,2,u\n@x,3,3,u\n+1,4,4,u\n", "=punks")
    (tmp_path / "white.csv").write_text("collection_id\n=punks\napes\n")
    code, _, err, report = rarity("--whitelist", str(tmp_path / "white.csv"))
    assert (code, err) == (0, "")
    assert report["n_scored"] == 8
    for ending in ("ratio.csv", "ratio.parquet"):
        table = read_scores(DataLocation("filesystem", str(tmp_path / "output" / "scores" / ending)))
        assert set(table.token_ids) >= {"-001", "=reef", "@x", "+1"}
        assert set(table.collections()[0]) == {"=punks", "apes"}


def test_a_limit_that_changes_what_is_an_image_is_a_change_of_the_collection(rarity):
    with config.override(max_image_pixels=100):
        assert rarity("--no-pictures")[0] == 64
    assert rarity("--no-pictures")[3]["n_scored"] == 8


def test_a_second_collection_of_one_name_is_said(rarity, collections):
    shutil.make_archive(str(collections / "apes"), "zip", collections / "punks")
    code, _, err, report = rarity("--no-pictures")
    assert code == 64
    assert states(report) == {"apes": "scored", "apes.zip": "failed", "punks": "scored"}
    assert "give" in err


@pytest.mark.parametrize(
    ("place", "error", "sentence"),
    [
        (".", MessageError, "--out would overwrite the folder of collections"),
        *(
            (place, CollectionError, "would come among the collections")
            for place in ("apes", "apes/sub", "apes/../punks")
        ),
    ],
)
def test_results_do_not_come_among_the_images(collections, place, error, sentence):
    with pytest.raises(error, match=sentence):
        score_collections(collections, collections / place, SMALL)


def test_results_of_earlier_runs_are_no_collections(collections):
    score_collections(collections, collections / "first", SMALL)
    report = score_collections(collections, collections / "second" / "deep", SMALL)
    report = score_collections(collections, collections / "second" / "deep", SMALL)
    assert [one.collection_id for one in report.collections] == ["apes", "punks"]
    assert report.steps_run == 0


def test_images_of_two_collections_never_share_a_name_on_the_contact_sheet(rarity, collections, tmp_path):
    (collections / "apes").rename(collections / "a")
    (collections / "punks").rename(collections / "a b")
    (collections / "a" / "0.png").rename(collections / "a" / "b 1.png")
    assert rarity("--no-pictures")[0] == 0
    table = _Table(tmp_path / "output" / "scores" / "ratio.parquet")
    assert len(set(table.names)) == len(table.names) == 8
    assert {name: len(scores) for name, scores in table.scores_by_collection().items()} == {"a": 4, "a b": 4}


def zipped(
    collections: Path, metadata: bytes | None = None, place: str = "metadata/metadata.csv", form: str = "zip"
) -> Path:
    """The apes as an archive."""
    if metadata is not None:
        images = collections / "apes" / "resized"
        images.mkdir()
        for image in (collections / "apes").glob("*.png"):
            image.rename(images / image.name)
        (collections / "apes" / place).parent.mkdir(exist_ok=True)
        (collections / "apes" / place).write_bytes(metadata)
    archive = Path(shutil.make_archive(str(collections / "apes"), form, collections / "apes"))
    shutil.rmtree(collections / "apes")
    return archive


@pytest.mark.parametrize(
    ("place", "form"),
    [
        ("metadata/metadata.csv", "zip"),
        ("metadata.csv", "zip"),
        ("beside", "zip"),
        ("metadata/metadata.csv", "tar"),
        ("metadata.csv", "gztar"),
        ("beside", "gztar"),
    ],
)
def test_an_archive_has_its_metadata_inside_or_beside(rarity, collections, place, form):
    rows = b"1;1,5;1;u\n2;2,5;2;u\n9;3;3;u\n"
    if place == "beside":
        zipped(collections, form=form)
        (collections / "apes.csv").write_bytes(rows)
    else:
        zipped(collections, rows, place, form)
    code, _, err, report = rarity("--no-pictures")
    one = report["collections"][0]
    assert (code, err, one["collection_id"]) == (0, "", "apes")
    assert (one["n_images"], one["n_scored"], one["left_out"], one["n_without_image"]) == (4, 2, ["0", "3"], 1)


def test_metadata_in_an_archive_are_unpacked_once(rarity, collections, tmp_path):
    zipped(collections, b"1,1,1,u\n2,2,2,u\n")
    assert rarity("--no-pictures")[0] == 0
    before = (tmp_path / "output" / "collections" / "apes" / "metadata.csv").stat().st_mtime_ns
    scores = (tmp_path / "output" / "scores" / "ratio.csv").stat().st_mtime_ns
    assert rarity("--no-pictures")[0] == 0
    assert (tmp_path / "output" / "collections" / "apes" / "metadata.csv").stat().st_mtime_ns == before
    assert (tmp_path / "output" / "scores" / "ratio.csv").stat().st_mtime_ns == scores


def test_damaged_metadata_in_an_archive_fail_its_collection_alone(rarity, collections):
    archive = zipped(collections, b"1,1,1,u\n" * 40)
    data = archive.read_bytes()
    at = data.index(b"metadata/metadata.csv") + len("metadata/metadata.csv")
    archive.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
    code, _, err, report = rarity("--no-pictures")
    assert code == 64
    assert "apes: The metadata in '" in err
    assert "metadata.csv' is damaged in its archive" in err
    assert states(report) == {"apes": "failed", "punks": "scored"}
