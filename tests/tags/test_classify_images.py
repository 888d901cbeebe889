"""classify_images: scores, sorts and tells images of folders and archives, and decodes none that it knows."""

import json
import sqlite3
import zipfile
from io import BytesIO
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from spacer_like.exceptions import (
    CollectionError,
    ExtractorMismatchError,
    InvalidKeyError,
    MessageError,
    ModelFileError,
)
from spacer_like.location import DataLocation
from spacer_like.messages import ClassifyImagesMsg, ProcessImagesMsg
from spacer_like.tags.tasks.classify import classify_images
from spacer_like.tags.tasks.process import process_images
from spacer_like.testing.extractors import MeanColour

from .colours import BLUE, LR, RED, colour_model, image, red_and_blue, store


def at(path: Path) -> DataLocation:
    return DataLocation("filesystem", str(path))


@pytest.fixture
def images(tmp_path) -> Path:
    """A folder with a red and a blue image, each in a folder, another blue one of the same name, and no image."""
    folder = tmp_path / "new"
    for name, colour in (("a/1.png", RED), ("b/2.JPG", BLUE), ("c/1.png", BLUE)):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes(image(colour, form="JPEG" if name.endswith("JPG") else "PNG"))
    (folder / "notes.txt").write_text("no image")
    (folder / "broken.png").write_bytes(b"no image either")
    return folder


def classify(tmp_path: Path, images: Path, **fields):
    models = fields.pop("models_loc", None) or red_and_blue(tmp_path / "models")
    given = {"images_loc": at(images), "output_loc": at(tmp_path / "out"), "extractor": MeanColour()}
    return classify_images(ClassifyImagesMsg(models_loc=models, **{**given, **fields}))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_images_are_sorted_by_their_scores(tmp_path, images):
    answer = classify(tmp_path, images)

    assert (answer.n_images, answer.n_models, answer.tags) == (3, 2, {"blue": 2, "red": 1})
    assert (answer.n_untagged, answer.n_review, answer.n_failed) == (0, 0, 2)
    assert [one.name for one in answer.failed] == [f"{images}/broken.png", f"{images}/notes.txt"]
    copied = [name for name in files(tmp_path / "out") if "/" in name]
    assert [name for name in copied if name.startswith(f"{LR}/red/1.0/1-")]
    assert f"{LR}/blue/1.0/2.JPG" in copied
    assert len(copied) == 6


def test_copies_have_the_bytes_of_the_files(tmp_path, images):
    classify(tmp_path, images)

    assert (tmp_path / "out" / LR / "blue" / "1.0" / "2.JPG").read_bytes() == (images / "b/2.JPG").read_bytes()


def test_the_images_are_not_touched(tmp_path, images):
    before = files(images)

    for sink in ("link", "copy", "sidecar", "manifest"):
        classify(tmp_path, images, sink=sink)

    assert files(images) == before


def test_sidecars(tmp_path, images):
    classify(tmp_path, images, sink="sidecar")

    assert {name: data for name, data in files(tmp_path / "out").items() if name.endswith(".txt")} == {
        "a/1.png.txt": b"red\n",
        "b/2.JPG.txt": b"blue\n",
        "c/1.png.txt": b"blue\n",
    }


def test_one_image_and_one_model(tmp_path, images):
    red_and_blue(tmp_path / "models")
    model = at(tmp_path / "models" / f"model-{LR}-tag-red.safetensors")

    answer = classify(tmp_path, images / "a" / "1.png", models_loc=model)

    assert (answer.n_images, answer.n_models, answer.tags) == (1, 1, {"red": 1})


def test_only_the_models_that_are_asked_for_score(tmp_path, images):
    assert classify(tmp_path, images, tags=["blue"]).tags == {"blue": 2}

    with pytest.raises(ModelFileError, match="There is no model of 'green'"):
        classify(tmp_path, images, tags=["green"])


def test_no_tag_where_no_score_reaches_its_threshold_and_a_person_is_asked_between(tmp_path, images):
    models = store(
        at(tmp_path / "models"),
        colour_model("red", 0, threshold=None, review_threshold=0.5),
        colour_model("blue", 2, threshold=1.0, review_threshold=1.0),
    )

    answer = classify(tmp_path, images, models_loc=models)

    assert (answer.tags, answer.n_untagged, answer.n_review) == ({"blue": 0, "red": 0}, 3, 1)


class TestArchives:
    @pytest.fixture
    def archive(self, tmp_path) -> Path:
        inner = BytesIO()
        with zipfile.ZipFile(inner, "w") as members:
            members.writestr("1.png", image(BLUE))
        with zipfile.ZipFile(tmp_path / "new.zip", "w") as members:
            members.writestr("main/it's.png", image(RED))
            members.writestr("main/notes.txt", "no image")
            members.writestr("main/sub.zip", inner.getvalue())
        return tmp_path / "new.zip"

    def test_members_are_classified_with_their_own_bytes(self, tmp_path, archive):
        answer = classify(tmp_path, archive)

        assert (answer.n_images, answer.tags) == (2, {"blue": 1, "red": 1})
        assert (tmp_path / "out" / LR / "red" / "1.0" / "it's.png").read_bytes() == image(RED)
        found = json.loads((tmp_path / "out" / "output.json").read_bytes())
        assert {record["file_path"] for record in found.values()} == {
            f"{archive}/main/it's.png",
            f"{archive}/main/sub.zip/1.png",
        }

    def test_the_database_has_a_row_for_every_archive(self, tmp_path, archive):
        classify(tmp_path, archive, database_loc=at(tmp_path / "stage4.db"))

        with sqlite3.connect(tmp_path / "stage4.db") as database:
            rows = database.execute(
                "SELECT file_name, file_path, archive_path, type, n_img_content, tag_name FROM stage4"
            ).fetchall()
        assert rows == [
            ("new.zip", None, str(archive), ".zip", 3, None),
            ("sub.zip", None, f"{archive}/main/sub.zip", ".zip", 1, None),
            ("it's.png", f"{archive}/main/it's.png", str(archive), ".png", None, "blue"),
            ("it's.png", f"{archive}/main/it's.png", str(archive), ".png", None, "red"),
            ("1.png", f"{archive}/main/sub.zip/1.png", f"{archive}/main/sub.zip", ".png", None, "blue"),
            ("1.png", f"{archive}/main/sub.zip/1.png", f"{archive}/main/sub.zip", ".png", None, "red"),
        ]


def test_the_database_of_a_folder(tmp_path, images):
    classify(tmp_path, images, database_loc=at(tmp_path / "stage3.db"))

    with sqlite3.connect(tmp_path / "stage3.db") as database:
        rows = database.execute("SELECT file_name, file_path, type, model_type, tag_name, tag_prob FROM stage3")
        found = rows.fetchall()
    assert len(found) == 6
    assert found[1][:5] == ("1.png", f"{images}/a/1.png", ".png", LR, "red")
    assert found[1][5] > 0.9 > 0.1 > found[0][5]


class TestKnownVectors:
    def test_images_of_a_table_are_not_decoded(self, tmp_path, images):
        first = classify(tmp_path, images, new_embeddings_loc=at(tmp_path / "new.parquet"))
        before = files(tmp_path / "out")

        again = classify(tmp_path, images, embeddings_loc=at(tmp_path / "new.parquet"))

        assert (first.n_encoded, again.n_encoded) == (3, 0)
        assert files(tmp_path / "out") == before

    def test_only_images_that_the_table_lacks_are_decoded(self, tmp_path, images):
        classify(tmp_path, images, new_embeddings_loc=at(tmp_path / "new.parquet"))
        (images / "d.png").write_bytes(image((21, 20, 200)))

        assert classify(tmp_path, images, embeddings_loc=at(tmp_path / "new.parquet")).n_encoded == 1

    def test_records_of_image_tagging_tools_are_used(self, tmp_path, images):
        metadata = at(tmp_path / "metadata.json")
        process_images(
            ProcessImagesMsg(
                images_loc=at(images),
                embeddings_loc=at(tmp_path / "e.parquet"),
                extractor=MeanColour(),
                tagged=False,
                metadata_json_loc=metadata,
            )
        )
        plain = classify(tmp_path, images)

        assert classify(tmp_path, images, metadata_json_loc=metadata).tags == plain.tags

    def test_records_of_another_encoder_score_the_images_that_they_have(self, tmp_path, images):
        records = self.of_another_encoder(tmp_path, images, without="c/1.png")
        model = colour_model("red", 0)
        models = store(at(tmp_path / "clip"), type(model)("red", LR, model.scorer, "open_clip:ViT-B-32:openai"))

        answer = classify(tmp_path, images, models_loc=models, metadata_json_loc=records)

        assert (answer.n_images, answer.tags) == (1, {"red": 1})
        reasons = {Path(one.name).name: one.reason for one in answer.failed}
        assert "does not have the image, and the extractor is not the one that made its vectors" in reasons["2.JPG"]

    def of_another_encoder(self, tmp_path: Path, images: Path, without: str) -> DataLocation:
        loc = at(tmp_path / "clip.json")
        process_images(
            ProcessImagesMsg(
                images_loc=at(images),
                embeddings_loc=at(tmp_path / "e.parquet"),
                extractor=MeanColour(),
                tagged=False,
                exclude=[without, "*.JPG"],
                metadata_json_loc=loc,
            )
        )
        found = json.loads(Path(loc.key).read_bytes())
        for record in found.values():
            record.update(embeddings_type="CLIP", model="ViT-B-32", pretrained="openai")
        Path(loc.key).write_text(json.dumps(found))
        return loc

    def test_a_table_of_another_encoder_is_refused(self, tmp_path, images):
        table = at(tmp_path / "e.parquet")
        process_images(ProcessImagesMsg(images_loc=at(images), embeddings_loc=table, tagged=False))

        with pytest.raises(ExtractorMismatchError, match=r"The table '.*e\.parquet' was made with the encoder"):
            classify(tmp_path, images, embeddings_loc=table)

    def test_a_model_of_another_encoder_is_refused_before_the_work(self, tmp_path, images):
        model = colour_model("red", 0)
        models = store(at(tmp_path / "other"), type(model)("red", LR, model.scorer, "f" * 40))

        with pytest.raises(
            ExtractorMismatchError, match="model of the tag 'red' was trained on vectors of the encoder"
        ):
            classify(tmp_path, images, models_loc=models)


def test_the_manifest_has_every_score(tmp_path, images):
    classify(tmp_path, images, sink="manifest")

    found = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert [(Path(row["path"]).name, row["tag"], row["decision"]) for row in found] == [
        ("1.png", "blue", "none"),
        ("1.png", "red", "given"),
        ("2.JPG", "blue", "given"),
        ("2.JPG", "red", "none"),
        ("1.png", "blue", "given"),
        ("1.png", "red", "none"),
    ]


def test_patterns_leave_images_out(tmp_path, images):
    answer = classify(tmp_path, images, exclude=["*.txt", "broken.*", "a/**", "nothing/*"])

    assert (answer.n_images, answer.n_failed, answer.unused_patterns) == (2, 0, ["nothing/*"])


def test_where_no_image_can_be_scored_it_is_an_error(tmp_path, images):
    with pytest.raises(CollectionError, match=r"None of the 2 files in '.*' can be scored, the first because"):
        classify(tmp_path, images, exclude=["a/**", "b/**", "c/**"])

    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(CollectionError, match=r"There is no image in '.*empty'"):
        classify(tmp_path, tmp_path / "empty")


@pytest.mark.parametrize("field", ["output_loc", "database_loc", "new_embeddings_loc", "failures_loc"])
def test_no_output_may_lie_among_the_images(tmp_path, images, field):
    (tmp_path / "link").symlink_to(images)
    before = files(images)

    with pytest.raises(MessageError, match="would be one of the files of images_loc"):
        classify(tmp_path, images, **{field: at(tmp_path / "link" / "tagged.csv")})

    assert files(images) == before


@pytest.mark.parametrize("name", ["manifest.parquet", "output.json"])
def test_no_output_may_be_one_of_the_files_in_the_output_folder(tmp_path, images, name):
    with pytest.raises(MessageError, match=f"new_embeddings_loc and {name} of output_loc are both"):
        classify(tmp_path, images, new_embeddings_loc=at(tmp_path / "out" / name))


def test_an_output_folder_that_cannot_be_is_refused_before_the_work(tmp_path, images):
    (tmp_path / "out").write_text("a file")

    with pytest.raises(InvalidKeyError, match="leads through a file as if that were a folder"):
        classify(tmp_path, images, new_embeddings_loc=at(tmp_path / "new.parquet"))

    assert not (tmp_path / "new.parquet").exists()


def test_images_that_a_classification_sorted_are_not_sorted_away(tmp_path, images):
    classify(tmp_path, images)
    before = files(tmp_path / "out")

    with pytest.raises(MessageError, match="earlier classification put into"):
        classify(tmp_path, tmp_path / "out" / LR / "red" / "1.0", bins=20)

    assert files(tmp_path / "out") == before
