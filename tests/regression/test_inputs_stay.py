"""No request overwrites what it reads by files of its folders or a table beside images, and a full disk is named."""

import os
import resource
import signal

import pytest

from spacer_like.exceptions import DataLimitError, MessageError, StorageUnavailableError
from spacer_like.location import DataLocation
from spacer_like.messages import AugmentDatasetMsg, EvaluateRegressorMsg, SplitDatasetMsg, TrainRegressorMsg
from spacer_like.regression.augmentation import fly_batch
from spacer_like.regression.dataset import write_pool
from spacer_like.tasks import augment_dataset, evaluate_regressor, split_dataset, train_regressor

from .shaded import SIZE, pool, written

LAYOUTS = pytest.mark.parametrize("layout", ["npz", "npy"])


def at(folder, name=""):
    return DataLocation("filesystem", os.path.join(folder, name).rstrip("/"))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_part_of_a_split_is_not_split_into_its_own_folder(tmp_path):
    part = written(tmp_path, f"r_{SIZE}x{SIZE}_train_000.npy", pool(30, 1, filters=("r",)))
    before = contents(tmp_path)
    with pytest.raises(MessageError, match=r"a file of the result would overwrite packed_locs\.r"):
        split_dataset(SplitDatasetMsg({"r": part}, at(tmp_path), layout="npy"))
    assert contents(tmp_path) == before


@LAYOUTS
def test_a_batch_is_not_made_of_the_file_that_it_replaces(tmp_path, layout):
    (tmp_path / "Uset_000_npz").mkdir()
    batch = written(tmp_path, f"Uset_000_npz/{SIZE}x{SIZE}_train_aug_00.{layout}", pool(40, 1))
    before = contents(tmp_path)
    with pytest.raises(MessageError, match=r"a file of the result would overwrite sample_locs\.0"):
        augment_dataset(AugmentDatasetMsg([batch], at(tmp_path), per_bin=1, layout=layout))
    assert contents(tmp_path) == before
    assert augment_dataset(AugmentDatasetMsg([batch], at(tmp_path), batch=1, per_bin=1, layout=layout)).n_images


@pytest.mark.parametrize("field", ["batch_locs", "sample_locs", "validation_locs"])
def test_a_training_does_not_overwrite_the_tables_beside_its_images(tmp_path, field):
    images = {} if field == "sample_locs" else {"batch_locs": [written(tmp_path, "batch.npz", pool(10, 1))]}
    images[field] = [written(tmp_path, "images.npy", pool(10, 2))]
    before = contents(tmp_path)
    with pytest.raises(MessageError, match=r"metrics_loc would overwrite the table of images\.npy"):
        train_regressor(TrainRegressorMsg(at(tmp_path, "net"), metrics_loc=at(tmp_path, "images.csv"), **images))
    assert contents(tmp_path) == before


def test_an_evaluation_does_not_overwrite_the_table_that_it_reads(tmp_path):
    (tmp_path / "predictions.csv").write_text("pgc,filter,inc_m,a,b\n1,g,60,61,62\n")
    before = contents(tmp_path)
    with pytest.raises(MessageError, match="a file of the result would overwrite table_loc"):
        evaluate_regressor(
            EvaluateRegressorMsg(
                at(tmp_path), table_loc=at(tmp_path, "predictions.csv"), prediction_columns={"a": ["a"]}
            )
        )
    assert contents(tmp_path) == before


def test_a_batch_that_could_not_be_read_again_is_not_made():
    images = pool(10, 1)
    with pytest.raises(DataLimitError, match=r"images of 20 pixels takes \d+\.\d GiB, more than the 8"):
        fly_batch(images, images, 1_000_000, 0)


@LAYOUTS
def test_a_disk_that_is_full_is_a_sentence_and_leaves_no_part(tmp_path, layout):
    own = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, own[1]))
        with pytest.raises(StorageUnavailableError, match=rf"The file '.*images\.{layout}' cannot be written: "):
            write_pool(at(tmp_path, f"images.{layout}"), pool(100, 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, own)
        signal.signal(signal.SIGXFSZ, before)
    assert contents(tmp_path) == {}
