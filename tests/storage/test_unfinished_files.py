"""What killed processes leave is removed once it is a day old, and never what may be in use."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from spacer_like import storage
from spacer_like.storage import unfinished_files
from spacer_like.storage.unfinished_files import OLD_SECONDS, remove_old, remove_old_once, temporary_folder

files = storage.storage_factory("filesystem")
NAME = ".spacer-0123456789abcdef.unfinished"
WRITING = {
    "write": lambda key: files.write(key, b"1"),
    "write_many": lambda key: files.write_many([(key, [b"1"])]),
    "write_file": lambda key: files.write_file(key, __file__),
    "temporary_file": lambda key: files.temporary_file(key).__enter__(),
}


def make(path: Path, hours: float) -> Path:
    path.write_bytes(b"1")
    return aged(path, hours)


def aged(path: Path, hours: float) -> Path:
    moment = time.time() - hours * 3600
    os.utime(path, (moment, moment))
    return path


@pytest.mark.parametrize("use", WRITING)
def test_who_writes_into_a_folder_removes_what_is_old_there(tmp_path, use):
    old = make(tmp_path / NAME, 25)
    young = make(tmp_path / NAME.replace("0", "1"), 23)
    others = [
        make(tmp_path / name, 999) for name in ("reef.jpg", ".spacer-01.unfinished", f"x{NAME}", "spacer-projects")
    ]
    WRITING[use](f"{tmp_path}/value")
    assert not old.exists()
    assert all(path.exists() for path in (young, *others))


def test_a_process_looks_through_a_folder_once(tmp_path):
    files.write(f"{tmp_path}/value", b"1")
    old = make(tmp_path / NAME, 25)
    files.write(f"{tmp_path}/value", b"2")
    assert old.exists()


def test_what_is_known_of_folders_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished_files, "_looked_through", set())
    monkeypatch.setattr(unfinished_files, "_MOST_KNOWN", 3)
    for number in range(10):
        remove_old_once(tmp_path / f"{number}")
    assert len(unfinished_files._looked_through) <= 3


def test_a_file_that_is_moved_to_its_place_is_as_young_as_the_move(tmp_path):
    source = make(tmp_path / "source", 99)
    files.write_file(f"{tmp_path}/value", source, consume=True)
    assert time.time() - (tmp_path / "value").stat().st_mtime < 60


def test_what_is_old_is_removed_below_a_folder_where_that_is_asked_for(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    kept = make(elsewhere / NAME, 25)
    (tmp_path / "a/link").symlink_to(elsewhere)
    deep = make(tmp_path / "a/b" / NAME, 25)
    assert remove_old(tmp_path / "a") == []
    assert remove_old(tmp_path / "a", below=True) == [str(deep)]
    assert kept.exists()


def test_a_folder_that_is_not_there_holds_nothing_old(tmp_path):
    assert remove_old(tmp_path / "nowhere") == []


def test_a_link_of_such_a_name_is_left(tmp_path):
    make(tmp_path / "reef.jpg", 99)
    (tmp_path / NAME).symlink_to("reef.jpg")
    assert remove_old(tmp_path) == []


def abandoned(folder: Path) -> Path:
    """A temporary folder that a killed process left in another one."""
    code = (
        "import sys, time\n"
        "from spacer_like.storage.unfinished_files import temporary_folder\n"
        "with temporary_folder(sys.argv[1]) as made:\n"
        "    (made / 'pixels').write_bytes(b'1')\n"
        "    print(made, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        made = Path(process.stdout.readline().strip())
        aged(made / "pixels", 25)
        aged(made, 25)
        # As long as the process lives, it is in use, however old.
        assert remove_old(folder) == []
        process.send_signal(signal.SIGKILL)
    return made


def test_the_temporary_folder_of_a_killed_process_is_removed_when_it_is_old(tmp_path):
    left = abandoned(tmp_path)
    assert left.parent == tmp_path
    aged(left / "pixels", 23)
    assert remove_old(tmp_path) == []
    aged(left / "pixels", 25)
    descriptors = len(os.listdir("/proc/self/fd"))
    assert remove_old(tmp_path) == [str(left)]
    assert len(os.listdir("/proc/self/fd")) == descriptors
    with temporary_folder(tmp_path):
        assert not left.exists()
    assert os.listdir(tmp_path) == []


def test_temporary_folders_lie_where_the_system_has_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with temporary_folder() as folder:
        assert folder.parent == tmp_path
        (folder / "1").write_bytes(b"1")
    assert os.listdir(tmp_path) == []


def test_what_lies_in_a_temporary_folder_is_not_listed(tmp_path):
    with temporary_folder(tmp_path) as folder:
        (folder / "1").write_bytes(b"1")
        assert list(files.list(f"{tmp_path}/")) == []


def test_old_means_a_day():
    assert OLD_SECONDS == 24 * 60 * 60


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_an_old_temporary_folder_of_another_user_is_left(tmp_path):
    folder = tmp_path / ".spacer-abcd1234.unfinished"
    folder.mkdir()
    aged(folder, 25)
    os.chown(folder, 54321, 54321)
    assert remove_old(tmp_path) == []
    os.chown(folder, 0, 0)
    assert remove_old(tmp_path) == [str(folder)]


def test_who_writes_into_a_folder_removes_nothing_in_the_folders_below_it(tmp_path):
    (tmp_path / "below").mkdir()
    left = make(tmp_path / "below" / NAME, 25)
    remove_old_once(tmp_path)
    assert left.exists()
    remove_old_once(left.parent)
    assert not left.exists()
