"""Results on a disk that is full, a real one: a file system in memory of a few pages."""

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack

import pytest

from spacer_like.location import DataLocation
from spacer_like.mailman import run_task
from spacer_like.messages import TASKS
from spacer_like.storage import clear_memory_storage, list_keys, write_bytes

from .conftest import LONG_SWEEP, moved

WRITERS = {
    "points": ("extract_features", "train_classifier"),
    "rarity": ("convert_collection", "compute_histogram", "score_collection"),
    "chips": ("chips_folder", "encode_chips", "build_index"),
    "tags": ("process_images", "train_tags", "classify_images"),
    "regression": ("prepare_images", "pack_dataset"),
}
TASKS_HERE = TASKS if LONG_SWEEP else [name for names in WRITERS.values() for name in names]
FILLER = ".filler"
PAGE = os.sysconf("SC_PAGE_SIZE")


class Disk:
    """A mounted file system of a few pages, one of which is used."""

    def __init__(self, folder):
        self.folder = folder

    def leave(self, pages):
        """Let so many pages be free."""
        subprocess.run(["mount", "-o", f"remount,size={(pages + 1) * PAGE}", str(self.folder)], check=True)
        (self.folder / FILLER).write_bytes(bytes(PAGE))


@pytest.fixture
def small_disk():
    """Mounts a file system at a folder."""
    with ExitStack() as stack:

        def mount(folder):
            folder.mkdir(parents=True, exist_ok=True)
            command = ["mount", "-t", "tmpfs", "-o", f"size={PAGE}", "tmpfs", str(folder)]
            if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip("only root can mount a file system, and not in every container")
            stack.callback(subprocess.run, ["umount", str(folder)], check=True)
            return Disk(folder)

        yield mount


def pages_of(results):
    return sum(-(-len(data) // PAGE) for data in results.values())


def assert_is_full(outcome):
    assert outcome.status == "failed", outcome.result
    assert outcome.transient, outcome.error_message
    assert "\n" not in outcome.error_message
    assert "No space left" in outcome.error_message or "only a part" in outcome.error_message


@pytest.mark.parametrize("task", TASKS_HERE)
def test_a_task_whose_disk_is_full_says_so_and_does_all_when_there_is_room(task, world, small_disk):
    answer, results = world.done(task)
    if not results:
        pytest.skip("it writes nothing")
    n_pages, folder = pages_of(results), world.results(task)
    # Under the mount, the results stay for those that read them.
    disk = small_disk(folder)
    for pages in sorted({0, n_pages // 2, n_pages - 1}):
        disk.leave(pages)
        outcome = run_task(world.requests[task])
        assert_is_full(outcome)
        assert str(folder) in outcome.error_message
        assert world.tree(task).items() <= results.items()
        assert [path.name for path in folder.rglob(".*")] == [FILLER]
        world.clear(task)
    disk.leave(20 * n_pages + 1000)
    assert world.again(task) == answer
    assert world.tree(task) == results


@pytest.mark.parametrize("task", ["convert_collection", "compute_histogram", "encode_chips", "process_images"])
def test_a_folder_of_temporary_files_that_is_full_is_named(task, world, small_disk, tmp_path, monkeypatch):
    """For a storage that is none of files, results are made in the folder of temporary files first."""
    world.done(task)
    for path in world.folder.rglob("*"):
        if path.is_file() and world.results(task) not in path.parents:
            write_bytes(DataLocation("memory", str(path.relative_to(world.folder))), path.read_bytes())
    disk = small_disk(tmp_path / "small")
    monkeypatch.setattr(tempfile, "tempdir", str(disk.folder))
    request = moved(world, task, "memory")
    disk.leave(0)
    outcome = run_task(request)
    assert_is_full(outcome)
    assert str(disk.folder) in outcome.error_message
    assert not list(list_keys(DataLocation("memory", f"{task}/")))
    assert [path.name for path in disk.folder.iterdir()] == [FILLER]
    disk.leave(10_000)
    assert run_task(request).status == "done"
    clear_memory_storage()
