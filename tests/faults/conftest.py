"""Requests with real data of every family, and how long the sweeps are.

The environment variable ``SPACER_LONG_SWEEP`` is a number of rounds for every task, such as 200; without it each of the
main tasks has a few.
"""

import os

import pytest

from spacer_like import config
from spacer_like.testing.killing import Killing
from spacer_like.testing.task import World

from ..tasks import prepared

LONG_SWEEP = int(os.environ.get("SPACER_LONG_SWEEP", "0"))
PREFIXES = ("spacer_like.testing",)
MAIN_TASKS = {
    "points": ("extract_features", "train_classifier", "classify_image"),
    "rarity": ("compute_histogram", "score_collection"),
    "chips": ("chips_folder",),
    "tags": ("process_images", "train_tags"),
    "regression": ("prepare_images", "pack_dataset"),
}


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    with config.override(allowed_class_prefixes=PREFIXES, torch_threads=1):
        yield World(folder, prepared.requests(folder))


@pytest.fixture(autouse=True)
def _classes_of_the_requests():
    with config.override(allowed_class_prefixes=PREFIXES, torch_threads=1):
        yield


@pytest.fixture(scope="session")
def killing():
    with Killing(PREFIXES) as made:
        yield made
