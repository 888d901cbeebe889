"""The folder of classified images: a copy, a link or a sidecar where it belongs, none left over, no image lost."""

import json
import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from spacer_like.embeddings.embeddings_table import ImageRecord
from spacer_like.exceptions import ImageError, MessageError, TableError
from spacer_like.location import DataLocation
from spacer_like.storage import list_keys, read_bytes, write_bytes
from spacer_like.tags.scored_images import ScoredBy, ScoredImages
from spacer_like.tags.tasks import output_folder
from spacer_like.tags.tasks.output_folder import ImageFiles, check_output, write_output

LR, SVM = "ovr-logistic-regression", "ovr-svm"
MODELS = [ScoredBy(LR, "cat", 0.5, 0.5), ScoredBy(SVM, "cat", 0.5, 0.5), ScoredBy(SVM, "a/../b", 0.5, 0.5)]


@pytest.fixture(params=["filesystem", "memory"])
def folder(request, tmp_path) -> DataLocation:
    return DataLocation(request.param, str(tmp_path / "out"))


def scored(scores: dict[str, list[float]]) -> ScoredImages:
    records = [ImageRecord(path, f"{path} bytes", f"{path} pixels", "PNG", 1, 2, 3) for path in scores]
    return ScoredImages(records, MODELS, np.array(list(scores.values())))


def nowhere(path: str) -> None:
    return None


def written(folder: DataLocation, scores: dict[str, list[float]], sink: str, form: str = "txt") -> dict[str, bytes]:
    files = ImageFiles(lambda path: f"bytes of {path}".encode(), nowhere)
    write_output(folder, scored(scores), files, "new", sink, form)
    return contents(folder)


def contents(folder: DataLocation) -> dict[str, bytes]:
    begin = folder.below("").key
    found = {loc.key.removeprefix(begin): read_bytes(loc) for loc in list_keys(folder.below(""))}
    assert {"manifest.parquet", "output.json"} <= set(found)
    return {name: data for name, data in sorted(found.items()) if name not in ("manifest.parquet", "output.json")}


def test_copies_lie_in_the_bin_of_each_model(folder):
    assert written(folder, {"new/1.png": [0.04, 0.93, 1.0]}, "copy") == {
        f"{LR}/cat/0.1/1.png": b"bytes of new/1.png",
        f"{SVM}/a%2F..%2Fb/1.0/1.png": b"bytes of new/1.png",
        f"{SVM}/cat/0.9/1.png": b"bytes of new/1.png",
    }


def test_tags_that_differ_in_case_alone_have_folders_of_their_own(folder):
    records = [ImageRecord("new/1.png", "bytes", "pixels", "PNG", 1, 2, 3)]
    models = [ScoredBy(SVM, tag, 0.5, 0.5) for tag in ("Cat", "cat", "dog")]
    files = ImageFiles(lambda _: b"", nowhere)
    write_output(folder, ScoredImages(records, models, np.ones((1, 3))), files, "new", "copy", "txt")
    assert [*contents(folder)] == [f"{SVM}/{name}/1.0/1.png" for name in ("%43at", "cat", "dog")]


def test_images_of_one_name_do_not_overwrite_each_other(folder):
    found = written(folder, {"new/a/1.png": [1, 1, 1], "new/b/1.png": [1, 1, 1]}, "copy")

    assert len(found) == 6
    assert set(found.values()) == {b"bytes of new/a/1.png", b"bytes of new/b/1.png"}


def test_the_same_again_adds_nothing(folder):
    scores = {"new/1.png": [0.04, 0.93, 1.0], "new/2.png": [0.5, 0.5, 0.5]}

    assert written(folder, scores, "copy") == written(folder, scores, "copy")


def test_an_image_that_moves_to_another_bin_leaves_nothing_behind(folder):
    written(folder, {"new/1.png": [0.1, 0.1, 0.1], "new/gone.png": [1, 1, 1]}, "copy")

    found = written(folder, {"new/1.png": [0.9, 0.1, 0.1]}, "copy")

    assert list(found) == [f"{LR}/cat/0.9/1.png", f"{SVM}/a%2F..%2Fb/0.1/1.png", f"{SVM}/cat/0.1/1.png"]


def test_what_somebody_else_put_there_stays(folder):
    write_bytes(folder.below("notes.txt"), b"mine")

    written(folder, {"new/1.png": [1, 1, 1]}, "copy")

    assert written(folder, {"new/1.png": [0, 0, 0]}, "manifest") == {"notes.txt": b"mine"}


@pytest.mark.parametrize(
    ("sink", "form", "name"),
    [
        ("copy", "txt", f"{SVM}/cat/1.0/1.png"),
        ("link", "txt", f"{SVM}/cat/1.0/1.png"),
        ("sidecar", "txt", "1.png.txt"),
        ("sidecar", "xmp", "1.png.xmp"),
    ],
)
@pytest.mark.parametrize("scores", [[1, 1, 1], [0, 0, 0]])
@pytest.mark.parametrize("is_again", [False, True])
def test_a_file_of_somebody_else_is_neither_replaced_nor_deleted(folder, sink, form, name, scores, is_again):
    if is_again:
        written(folder, {"new/2.png": [1, 1, 1]}, sink, form)
    write_bytes(folder.below(name), b"mine")
    before = {loc.key: read_bytes(loc) for loc in list_keys(folder)}

    if any(scores):
        with pytest.raises(MessageError, match=r"1\.png.* is no file of an earlier classification"):
            written(folder, {"new/1.png": scores}, sink, form)
        assert {loc.key: read_bytes(loc) for loc in list_keys(folder)} == before
    else:
        assert written(folder, {"new/1.png": scores}, sink, form)[name] == b"mine"


@pytest.mark.parametrize("form", ["txt", "xmp"])
def test_the_sidecar_of_one_image_bears_its_name(folder, form):
    files = ImageFiles(lambda path: b"", nowhere)
    write_output(folder, scored({"new/1.png": [1, 1, 1]}), files, "new/1.png", "sidecar", form)

    assert list(contents(folder)) == [f"1.png.{form}"]


@pytest.mark.parametrize("inside", ["", "/1.0", "/1.0/1.png"])
def test_images_that_a_classification_put_there_are_not_sorted_away(folder, inside):
    written(folder, {"new/1.png": [1, 1, 1]}, "copy")

    with pytest.raises(MessageError, match="are files that an earlier classification put into"):
        check_output(folder, "copy", folder.below(f"{SVM}/cat{inside}"))

    check_output(folder, "copy", folder.below("others"))
    check_output(folder, "copy", DataLocation(folder.storage_type, f"{folder.key}-others"))


@pytest.mark.parametrize("name", ["../notes.txt", "/notes.txt", "a/../../notes.txt", "a//b"])
def test_a_manifest_cannot_have_files_elsewhere_deleted(folder, name):
    written(folder, {"new/1.png": [1, 1, 1]}, "manifest")
    loc = folder.below("manifest.parquet")
    outside = DataLocation(folder.storage_type, str(Path(folder.key).parent / "notes.txt"))
    write_bytes(outside, b"mine")
    write_bytes(folder.below("a", "b"), b"mine")
    table = pq.read_table(BytesIO(read_bytes(loc)))
    forged = table.set_column(table.schema.get_field_index("file"), "file", [[name] * table.num_rows])
    stream = BytesIO()
    pq.write_table(forged, stream)
    write_bytes(loc, stream.getvalue())

    assert written(folder, {"new/1.png": [1, 1, 1]}, "manifest") == {"a/b": b"mine"}
    assert read_bytes(outside) == b"mine"


def test_a_damaged_manifest_is_named(folder):
    write_bytes(folder.below("manifest.parquet"), b"PAR1")

    with pytest.raises(TableError, match=r"manifest\.parquet' is no manifest"):
        written(folder, {"new/1.png": [1, 1, 1]}, "copy")


def test_sidecars_lie_as_their_images_do_and_only_beside_those_with_tags(folder):
    scores = {"new/a/1.png": [1, 1, 0], "new/a/2.png": [0, 0, 0], "new/b.zip/1.JPG": [1, 0, 1]}

    assert written(folder, scores, "sidecar") == {
        "a/1.png.txt": b"cat\n",
        "b.zip/1.JPG.txt": b"a/../b, cat\n",
    }
    assert list(written(folder, scores, "sidecar", "xmp")) == ["a/1.png.xmp", "b.zip/1.JPG.xmp"]


def test_the_manifest_says_where_each_file_is(folder):
    found = written(folder, {"new/1.png": [0.04, 0.93, 1.0]}, "copy")

    with_files = pq.read_table(BytesIO(read_bytes(folder.below("manifest.parquet"))))
    assert sorted(with_files["file"].to_pylist()) == list(found)


def test_output_json(folder):
    written(folder, {"new/1.png": [0.25, 0.5, 1.0]}, "manifest")

    found = json.loads(read_bytes(folder.below("output.json")))
    assert found["new/1.png pixels"]["classifiers_output"][0] == {
        "model_type": LR,
        "tag_name": "cat",
        "tag_prob": 0.25,
    }


class TestLinks:
    @pytest.fixture
    def images(self, tmp_path) -> Path:
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "1.png").write_bytes(b"the image")
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "1.png").write_bytes(b"another image")
        return tmp_path

    def write(self, images: Path, name: str, sink: str) -> Path:
        path = str(images / name / "1.png")
        files = ImageFiles(lambda path: Path(path).read_bytes(), lambda path: path)
        folder = DataLocation("filesystem", str(images / "out"))
        write_output(folder, scored({path: [1, 1, 1]}), files, str(images / name), sink, "txt")
        return images / "out" / SVM / "cat" / "1.0" / "1.png"

    def test_a_link_leads_to_the_image(self, images):
        link = self.write(images, "new", "link")

        assert link.is_symlink()
        assert os.readlink(link) == str(images / "new" / "1.png")

    def test_a_link_that_is_right_stays_and_leaves_nothing_beside_it(self, images):
        link = self.write(images, "new", "link")
        before = os.lstat(link)

        self.write(images, "new", "link")

        assert os.lstat(link) == before
        assert os.listdir(link.parent) == ["1.png"]

    def test_links_are_made_again(self, images):
        self.write(images, "new", "link")

        assert os.readlink(self.write(images, "other", "link")) == str(images / "other" / "1.png")

    def test_a_copy_in_place_of_a_link_leaves_the_linked_image_alone(self, images):
        self.write(images, "new", "link")

        copy = self.write(images, "other", "copy")

        assert not copy.is_symlink()
        assert copy.read_bytes() == b"another image"
        assert (images / "new" / "1.png").read_bytes() == b"the image"

    def test_links_that_are_not_wanted_any_more_go_and_their_images_stay(self, images):
        link = self.write(images, "new", "link")

        self.write(images, "other", "manifest")

        assert not link.is_symlink()
        assert (images / "new" / "1.png").read_bytes() == b"the image"

    def test_a_member_of_an_archive_is_copied(self, tmp_path):
        found = written(DataLocation("filesystem", str(tmp_path / "out")), {"new.zip/1.png": [1, 1, 1]}, "link")

        assert set(found.values()) == {b"bytes of new.zip/1.png"}

    def test_elsewhere_than_on_this_machine_there_are_none(self):
        with pytest.raises(MessageError, match="Links are made in folders of this machine, and 'memory://out' is none"):
            check_output(DataLocation("memory", "out"), "link", DataLocation("memory", "new"))


def test_an_image_that_cannot_be_read_any_more_ends_the_writing_before_output_json(folder):
    def read(path: str) -> bytes:
        raise ImageError(f"The file '{path}' is gone.")

    with pytest.raises(ImageError, match=r"'new/1\.png' is gone"):
        write_output(folder, scored({"new/1.png": [1, 1, 1]}), ImageFiles(read, nowhere), "new", "copy", "txt")

    assert [loc.filename for loc in list_keys(folder.below(""))] == ["manifest.parquet"]


@pytest.mark.parametrize("stopped_by", ["a copy", "the deleting", "the manifest", "output.json"])
def test_nothing_is_left_over_from_a_classification_that_was_stopped(folder, stopped_by, monkeypatch):
    names = {"the deleting": "delete", "the manifest": "growing_table", "output.json": "_write_json"}
    written(folder, {"new/1.png": [0.1, 0.1, 0.1], "new/2.png": [0.1, 0.1, 0.1]}, "copy")

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    def read(path: str) -> bytes:
        return stop() if stopped_by == "a copy" and path == "new/2.png" else f"bytes of {path}".encode()

    images = scored({"new/1.png": [0.5, 0.5, 0.5], "new/2.png": [0.5, 0.5, 0.5]})
    with monkeypatch.context() as patched:
        if stopped_by in names:
            patched.setattr(output_folder, names[stopped_by], stop)
        with pytest.raises(KeyboardInterrupt):
            write_output(folder, images, ImageFiles(read, nowhere), "new", "copy", "txt")

    write_bytes(folder.below(SVM, "cat", "0.5", "mine.png"), b"mine")
    found = written(folder, {"new/1.png": [0.9, 0.9, 0.9], "new/2.png": [0.9, 0.9, 0.9]}, "copy")
    folders = [f"{LR}/cat/0.9", f"{SVM}/a%2F..%2Fb/0.9", f"{SVM}/cat/0.9"]
    assert list(found) == sorted([f"{name}/{n}.png" for name in folders for n in (1, 2)] + [f"{SVM}/cat/0.5/mine.png"])


def test_sidecars_of_a_classification_that_was_stopped_go_and_those_of_others_stay(folder, monkeypatch):
    write_bytes(folder.below("3.png.txt"), b"mine")
    scores = {"new/1.png": [1, 1, 1], "new/2.png": [1, 1, 1], "new/3.png": [0, 0, 0]}

    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(output_folder, "_write_json", stop)
        with pytest.raises(KeyboardInterrupt):
            written(folder, scores, "sidecar")

    assert written(folder, {**scores, "new/1.png": [0, 0, 0]}, "sidecar") == {
        "2.png.txt": b"a/../b, cat\n",
        "3.png.txt": b"mine",
    }
