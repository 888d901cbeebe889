"""No task overwrites what it reads: whatever family, field, storage and spelling."""

import os
import re
from pathlib import Path

import pytest

from spacer_like import overwriting
from spacer_like.data_classes import DataLocation, ImageLabels, TrainingTaskLabels
from spacer_like.exceptions import AccessDeniedError, InvalidKeyError, MessageError
from spacer_like.mailman import process_job
from spacer_like.messages import (
    ChipTileMsg,
    EncodeChipsMsg,
    FetchLabelsMsg,
    FindSimilarMsg,
    JobMsg,
    MergeHistogramsMsg,
    ScoreCollectionMsg,
    TrainClassifierMsg,
)
from spacer_like.overwriting import check_message, check_outputs, check_tasks, named_locations, same_location
from spacer_like.testing.task import full_message


def memory(key):
    return DataLocation("memory", key)


def local(path):
    return DataLocation("filesystem", str(path))


def test_the_sentence_names_both_fields_and_the_place():
    message = full_message("extract_features", image_loc=memory("a"), feature_loc=memory("a"))
    with pytest.raises(
        MessageError,
        match=r"^feature_loc would overwrite image_loc, both are 'memory://a': "
        r"give the output a location of its own\.$",
    ):
        check_message(message)


class TestSameFile:
    @pytest.fixture
    def file(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a.jpg").write_bytes(b"image")
        return tmp_path / "a.jpg"

    @pytest.mark.parametrize("spelling", ["a.jpg", "./a.jpg", "{folder}//a.jpg", "{folder}/./a.jpg"])
    def test_by_another_spelling(self, file, spelling):
        assert same_location(local(file), local(spelling.format(folder=file.parent)))

    @pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
    def test_by_a_link(self, file, link):
        link(file.parent / "b.jpg", file)
        assert same_location(local(file), local("b.jpg"))

    def test_by_a_linked_folder_also_before_it_is_made(self, file):
        Path("other").symlink_to(file.parent)
        assert same_location(local(file), local("other/a.jpg"))
        assert same_location(local("new.csv"), local(file.parent / "other" / "new.csv"))

    def test_by_a_link_that_leads_nowhere_yet(self, file):
        Path("link.csv").symlink_to("new.csv")
        assert same_location(local("new.csv"), local("link.csv"))

    def test_by_a_name_in_other_case_where_the_disk_ignores_it(self, file, monkeypatch):
        """Stands in for a disk that nobody has on Linux."""
        assert not same_location(local("new.csv"), local("NEW.csv"))
        monkeypatch.setattr(overwriting, "_ignores_case", lambda folder: True)
        assert same_location(local("new.csv"), local("NEW.csv"))

    def test_not_by_equal_bytes(self, file):
        (file.parent / "b.jpg").write_bytes(b"image")
        assert not same_location(local(file), local("b.jpg"))

    @pytest.mark.parametrize(
        ("one", "other", "same"),
        [
            (DataLocation("s3", "a", "reef"), DataLocation("s3", "a", "reef"), True),
            (DataLocation("s3", "a", "reef"), DataLocation("s3", "a", "sand"), False),
            (DataLocation("s3", "folder/", "reef"), DataLocation("s3", "folder", "reef"), True),
            (memory("a"), memory("a"), True),
            (memory("a"), local("a"), False),
        ],
    )
    def test_of_other_storages_by_bucket_and_key(self, one, other, same):
        assert same_location(one, other) is same

    def test_a_name_that_no_file_has(self):
        assert not same_location(local("a\0b"), local("a"))


class TestInputsInside:
    def test_feature_files_of_labels_are_inputs(self):
        labels = ImageLabels({memory("1.features"): [(1, 1, "a")]})
        message = full_message(
            "train_classifier",
            labels=TrainingTaskLabels(ImageLabels(), ImageLabels(), labels),
            model_loc=memory("1.features"),
        )
        with pytest.raises(MessageError, match=r"model_loc would overwrite labels\.val"):
            check_message(message)

    def test_the_files_of_an_extractor_are_inputs(self):
        message = full_message("extract_features", feature_loc=local("/path/to/weights.pt"))
        with pytest.raises(MessageError, match=r"feature_loc would overwrite extractor\.weights"):
            check_message(message)

    def test_what_lies_beside_a_file_is_an_input_or_output_too(self):
        for name, values, sentence in (
            ("convert_collection", {"stack_loc": memory("a/ids.npz"), "ids_loc": None}, "the ids of stack_loc"),
            (
                "convert_collection",
                {"images_loc": memory("a/x.npz"), "stack_loc": memory("a/y.npz"), "ids_loc": None},
                "the ids of stack_loc would overwrite the ids of images_loc",
            ),
            ("merge_histograms", {"table_loc": memory("t.npy"), "merged_loc": memory("t.npy.json")}, "the description"),
            (
                "score_collection",
                {"histogram_loc": memory("t.npy"), "not_scored_loc": memory("t.npy.json")},
                "not_scored_loc would overwrite the description of histogram_loc",
            ),
        ):
            with pytest.raises(MessageError, match=sentence):
                check_message(full_message(name, **values))


class TestFolders:
    @pytest.mark.parametrize("name", ["7.png", "7", "IMG_1.JPG"])
    @pytest.mark.parametrize("place", [memory, lambda key: DataLocation("s3", key, "nft"), local])
    def test_an_output_is_not_named_like_an_image_of_the_folder_that_is_read(self, name, place):
        values = {"images_loc": place("punks/resized"), "histogram_loc": place(f"punks/resized/{name}")}
        with pytest.raises(MessageError, match=r"^histogram_loc '.*' would be one of the files of images_loc"):
            check_message(full_message("compute_histogram", **values))

    def test_other_outputs_may_lie_in_the_folder_that_is_read(self):
        check_message(full_message("compute_histogram", images_loc=memory("a"), histogram_loc=memory("a/h.parquet")))
        check_message(full_message("index_nodata", chips_loc=memory("33"), index_loc=memory("33/nodata-index.json")))

    def test_a_manifest_is_not_overwritten_by_a_table(self):
        table = memory("33/manifests/Z33-031111212322_1050410012C31100_zoom17.parquet")
        with pytest.raises(MessageError, match="would be one of the files of chips_loc"):
            check_message(EncodeChipsMsg(chips_loc=memory("33/manifests"), embeddings_loc=table))

    def test_a_contact_sheet_is_no_chip(self):
        values = {"index_loc": memory("i"), "chip": "a", "chips_loc": memory("33")}
        with pytest.raises(MessageError, match="would be one of the files of chips_loc"):
            check_message(FindSimilarMsg(**values, contact_sheet_loc=memory("33/sheet.jpg")))
        check_message(FindSimilarMsg(**values, contact_sheet_loc=memory("33/sheet.png")))

    def test_chips_may_lie_beside_or_around_their_tiles_but_not_in_the_same_folder(self):
        tile = memory("ard/33/031111212322/2015-05-28/1-visual.tif")
        check_message(ChipTileMsg(tile_loc=tile, manifest_loc=memory("m.parquet"), chips_loc=memory("")))
        with pytest.raises(MessageError, match="chips_loc would overwrite ard_loc"):
            check_message(full_message("chips_folder", ard_loc=memory("ard/"), chips_loc=memory("ard")))


class TestTasksOfOneJob:
    def job(self, *pairs):
        return [
            full_message("extract_features", image_loc=memory(image), feature_loc=memory(features))
            for image, features in pairs
        ]

    def test_do_not_write_to_one_place(self):
        with pytest.raises(
            MessageError, match=r"^tasks\.0\.feature_loc and tasks\.2\.feature_loc are both 'memory://x'"
        ):
            process_job(JobMsg("extract_features", self.job(("a", "x"), ("b", "y"), ("c", "x"))))

    @pytest.mark.parametrize("pairs", [[("a", "x"), ("b", "a")], [("a", "b"), ("b", "y")]])
    def test_do_not_overwrite_each_others_images(self, pairs):
        with pytest.raises(MessageError, match=r"^tasks\.\d\.feature_loc would overwrite tasks\.\d\.image_loc"):
            process_job(JobMsg("extract_features", self.job(*pairs)))

    def test_may_be_equal(self):
        check_tasks(self.job(("a", "x"), ("a", "x")))

    def merge(self, *keys, to):
        return MergeHistogramsMsg([memory(key) for key in keys], memory(to))

    def test_may_read_what_an_earlier_one_writes_but_not_overwrite_what_it_read(self):
        check_tasks([self.merge("a", "b", to="ab"), self.merge("ab", "c", to="abc")])
        with pytest.raises(MessageError, match=r"tasks\.1\.merged_loc would overwrite tasks\.0\.histogram_locs\.0"):
            check_tasks([self.merge("a", "b", to="ab"), self.merge("ab", "c", to="a")])

    def test_may_compare_with_a_classifier_that_an_earlier_one_trained(self):
        first = full_message("train_classifier", model_loc=memory("1.pkl"), previous_model_locs=[])
        values = {name: memory(f"second {name}") for name in ("valresult_loc", "report_loc")}
        check_tasks([first, full_message("train_classifier", previous_model_locs=[memory("1.pkl")], **values)])
        assert TrainClassifierMsg.reads_earlier_outputs == {"previous_model_locs"}

    def test_may_share_a_folder(self):
        check_tasks([FetchLabelsMsg(zone=zone, quadkeys=["0" * 12], ard_loc=memory("ard")) for zone in (33, 34)])


def test_scores_of_one_method_do_not_overwrite_those_of_another():
    scores = {"ratio": [memory("s.csv")], "log": [memory("l.csv"), memory("s.csv")]}
    with pytest.raises(MessageError, match=r"scores_locs\.(ratio|log)\.\d and scores_locs\.(ratio|log)\.\d are both"):
        check_message(
            ScoreCollectionMsg(
                collection_id="a", images_loc=memory("i/"), histogram_loc=memory("h.parquet"), scores_locs=scores
            )
        )


class TestOutputsThatCannotBeWritten:
    @staticmethod
    def check(key):
        check_outputs(named_locations({"--out": local(key)}, {}))

    @pytest.mark.parametrize("granted", [0, os.R_OK, os.W_OK, os.X_OK, os.R_OK | os.X_OK, os.R_OK | os.W_OK])
    def test_lie_in_a_folder_that_this_user_may_not_both_write_and_enter(self, tmp_path, monkeypatch, granted):
        monkeypatch.setattr(os, "access", lambda path, mode: mode & granted == mode)
        sentence = f"--out '{tmp_path}/new/a.csv' cannot be written: the permissions of '{tmp_path}' forbid it."
        with pytest.raises(AccessDeniedError, match=re.escape(sentence)):
            self.check(tmp_path / "new" / "a.csv")
        monkeypatch.setattr(os, "access", lambda path, mode: mode & (os.W_OK | os.X_OK) == mode)
        self.check(tmp_path / "new" / "a.csv")

    def test_are_folders_or_lead_through_files(self, tmp_path):
        with pytest.raises(InvalidKeyError, match="is a folder: name a file in it"):
            self.check(tmp_path)
        (tmp_path / "file").write_bytes(b"")
        for key in ("file/a.csv", "file/new/a.csv"):
            with pytest.raises(InvalidKeyError, match="leads through a file as if that were a folder"):
                self.check(tmp_path / key)

    def test_are_looked_for_among_outputs_alone(self, tmp_path):
        check_outputs(named_locations({"--json": None}, {"--points": local(tmp_path)}))
