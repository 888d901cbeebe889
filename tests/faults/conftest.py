"""Requests with real data of every family, and how long the sweeps are.

The environment variable ``SPACER_LONG_SWEEP`` is a number of rounds for every task, such as 200; without it each of the
main tasks has a few.
"""

import json
import os

import pytest

from spacer_like import config
from spacer_like.messages import TASKS
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


def moved(world, task, storage_type, bucket_name=None):
    """A request of the world with all its locations in another storage, their keys from the world's folder on."""
    folder = f"{world.folder}/"

    def elsewhere(value):
        if isinstance(value, list):
            return [elsewhere(one) for one in value]
        if not isinstance(value, dict):
            return value
        if value.get("storage_type") == "filesystem" and value["key"].startswith(folder):
            key = value["key"].removeprefix(folder)
            bucket = {"bucket_name": bucket_name} if bucket_name else {}
            return value | {"storage_type": storage_type, "key": key} | bucket
        return {name: elsewhere(one) for name, one in value.items()}

    return TASKS[task].message.deserialize(elsewhere(json.loads(json.dumps(world.requests[task].serialize()))))
