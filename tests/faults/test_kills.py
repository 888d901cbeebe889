"""Tasks and workflows that ``kill -9`` ends at random moments, once or several times, and that are then done again."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from random import Random

import pytest

from spacer_like.messages import TASKS, JobMsg
from spacer_like.storage.unfinished_files import UNFINISHED, UNFINISHED_FOLDER

from ..conftest import plain_environment
from .conftest import LONG_SWEEP

MAIN = ("train_classifier", "score_collection", "chips_folder", "process_images", "prepare_images")
SWEPT = TASKS if LONG_SWEEP else MAIN
KILLS = LONG_SWEEP or 2


@pytest.mark.parametrize("task", SWEPT)
def test_a_task_that_is_killed_leaves_whole_results_and_done_again_all(task, world, session_killing):
    _, results = world.done(task)
    if not results:
        pytest.skip("it writes nothing")
    job, folder = JobMsg(task, [world.requests[task]]), world.results(task)
    begun = time.monotonic()
    session_killing.run(job, str(folder))
    seconds = time.monotonic() - begun
    random, killed = Random(task), 0
    for kill in range(KILLS):
        if kill % 3 != 2:
            # Else it goes on with what the kill before has left.
            world.clear(task)
        ended = session_killing.run(job, str(folder), kill_after=random.uniform(0, seconds))
        killed += ended.code == -signal.SIGKILL
        left = world.tree(task)
        assert without_metrics(left).items() <= results.items()
        assert_metrics_are_of_the_first_steps(left, results)
        assert_only_unfinished_files_are_left(folder)
        if kill % 3 != 0 or kill == KILLS - 1:
            assert session_killing.run(job, str(folder)).code == 0
            assert world.tree(task) == results
    print(f"{task}: {killed} of {KILLS} were killed before their end.")


def without_metrics(tree):
    """Those of a training, and its snapshots, are written anew after each step or epoch, whole."""
    return {name: data for name, data in tree.items() if not (is_metrics(name) or "-epoch-" in name)}


def is_metrics(name):
    return name.endswith("metrics.json")


def assert_metrics_are_of_the_first_steps(left, results):
    for name in filter(is_metrics, left):
        assert json.loads(left[name]).items() <= json.loads(results[name]).items()


def assert_only_unfinished_files_are_left(folder):
    """Hidden files have the names that are documented, and that a later process removes."""
    for path in folder.rglob(".*"):
        assert UNFINISHED.fullmatch(path.name) or UNFINISHED_FOLDER.fullmatch(path.name), path


def _of_chips(inputs, out):
    return ["chips", "cut", inputs / "ard", "--out", out, "--processes", "2"]


def _of_rarity(inputs, out):
    collections = inputs / "collections"
    for name in ("first", "second"):
        collections.mkdir(exist_ok=True)
        shutil.copy(inputs / "collection.zip", collections / f"{name}.zip")
    return ["rarity", collections, "--out", out, "--size", "32", "--methods", "ratio,log", "--processes", "2"]


def _of_regression(inputs, out):
    images = out.parent / "galaxies"
    shutil.copytree(inputs / "galaxies", images, dirs_exist_ok=True)
    for path in images.glob("*_gri.*"):
        # A grey band of the same galaxy, without which no batch can be made.
        shutil.copy(path, path.with_name(path.name.replace("_gri.", "_g.")))
    values = {"size": 24, "bands": ["gri", "g"], "networks": ["small_cnn"], "sub_samples": 1, "batches": 2}
    where = {"images": f"{images}", "catalog": f"{inputs}/galaxies.txt", "out": f"{out}"}
    config = values | where | {"per_bin": 2, "minibatch": 8, "held_out": 0.5}
    (out.parent / "pipeline.json").write_text(json.dumps(config))
    return ["regression", "pipeline", out.parent / "pipeline.json"]


@pytest.mark.skipif(not LONG_SWEEP, reason="takes minutes: set SPACER_LONG_SWEEP")
@pytest.mark.parametrize("workflow", [_of_chips, _of_rarity, _of_regression])
def test_a_workflow_that_is_killed_and_run_again_has_all_results(workflow, world, tmp_path):
    out, random = tmp_path / "out", Random(0)
    command = [sys.executable, "-m", "spacer_like", *map(str, workflow(world.folder / "in", out))]
    begun = time.monotonic()
    run_to_the_end(command)
    seconds, unbroken = time.monotonic() - begun, contents(out)
    for kill in range(max(1, LONG_SWEEP // 4)):
        shutil.rmtree(out)
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=plain_environment(),
            start_new_session=True,
        ) as run:  # fmt: skip
            time.sleep(random.uniform(0.1, 0.95) * seconds)
            # With its processes, and without: those must end by themselves.
            os.killpg(run.pid, signal.SIGKILL) if kill % 2 else run.kill()
        wait_until_gone(run.pid)
        run_to_the_end(command)
        assert contents(out) == unbroken


def run_to_the_end(command):
    run = subprocess.run(command, capture_output=True, text=True, env=plain_environment(), check=False)
    assert run.returncode == 0, run.stderr


def wait_until_gone(group):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("processes of a command that was killed go on")


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith((".unfinished", ".log"))
    }
