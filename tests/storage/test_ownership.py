"""Whether somebody else may have made or changed a file: by its owner, its permissions, and the folders above it."""

import grp
import os
import pwd
from contextlib import contextmanager
from pathlib import Path

import pytest

from spacer_like.storage.ownership import _is_own_group, why_not_ours

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
STRANGER = 54321


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir(0o755)
    path.write_bytes(b"")
    path.chmod(0o644)
    return path


@contextmanager
def another_user():
    os.seteuid(STRANGER)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_only_this_user_may_write_is_ours(file):
    assert why_not_ours(file) is None
    assert why_not_ours(file.parent) is None
    assert why_not_ours(file.with_name("not there")) is None
    assert why_not_ours(file.parent / "no" / "folder" / "yet") is None


@pytest.mark.parametrize("mode", [0o666, 0o646])
def test_a_file_that_others_may_write_is_not(file, mode):
    file.chmod(mode)
    assert why_not_ours(file) == f"others may write to {file}"


@pytest.mark.parametrize("mode", [0o777, 0o757])
def test_nothing_in_a_folder_that_others_may_write_is_ours(file, mode):
    file.parent.chmod(mode)
    for path in (file, file.parent, file.with_name("not there"), file.parent / "below" / "file"):
        assert why_not_ours(path) == f"others may write to {file.parent}"


@as_root
@pytest.mark.parametrize("mode", [0o775, 0o770])
def test_a_group_is_others(file, mode):
    file.parent.chmod(mode)
    assert why_not_ours(file) == f"others may write to {file.parent}"


def test_in_a_folder_where_nobody_takes_files_away_those_of_this_user_are_ours(file):
    file.parent.chmod(0o1777)
    assert why_not_ours(file) is None


@as_root
def test_files_and_folders_of_another_user_are_not_ours(file):
    os.chown(file, STRANGER, STRANGER)
    assert why_not_ours(file) == f"{file} belongs to another user"
    os.chown(file, 0, 0)
    os.chown(file.parent, STRANGER, STRANGER)
    assert why_not_ours(file) == f"{file.parent} belongs to another user"
    assert why_not_ours(file.with_name("not there")) == f"{file.parent} belongs to another user"


@as_root
def test_what_is_roots_and_written_by_nobody_else_is_everyones():
    with another_user():
        assert why_not_ours("/etc/passwd") is None


def test_links_and_pipes_are_not_ours(file):
    file.with_name("link").symlink_to(file)
    os.mkfifo(file.with_name("pipe"))
    for name in ("link", "pipe"):
        assert why_not_ours(file.with_name(name)) == f"{file.with_name(name)} is a link, or no ordinary file"


def test_a_link_to_a_folder_is_followed_to_what_others_may_write(file, tmp_path):
    (tmp_path / "link").symlink_to(file.parent)
    assert why_not_ours(tmp_path / "link" / "file") is None
    file.parent.chmod(0o777)
    assert why_not_ours(tmp_path / "link" / "file") == f"others may write to {tmp_path / 'link'}"


def test_a_link_in_a_folder_that_others_may_write_leads_nowhere_safe(file, tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    (tmp_path / "shared" / "link").symlink_to(file.parent)
    assert why_not_ours(tmp_path / "shared" / "link" / "file") == f"others may write to {tmp_path / 'shared'}"


@pytest.mark.parametrize(
    ("group", "members", "gid", "is_own"),
    [
        ("reef", [], 1000, True),
        ("reef", ["reef"], 1000, True),
        ("reef", ["reef", "guest"], 1000, False),
        ("staff", [], 1000, False),
        ("reef", [], 1001, False),
        ("reef", [], 0, False),
    ],
)
def test_only_a_group_of_this_user_alone_is_nobody_else(monkeypatch, group, members, gid, is_own):
    monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd(("reef", "x", 1000, min(gid, 1000), "", "", "")))
    monkeypatch.setattr(grp, "getgrgid", lambda number: grp.struct_group((group, "x", number, members)))
    assert _is_own_group(gid) is is_own


@as_root
@pytest.mark.parametrize(("mode", "is_ours"), [(0o775, True), (0o757, False), (0o1777, True)])
def test_a_folder_further_up_may_be_written_by_roots_group_and_by_no_others(file, mode, is_ours):
    file.parent.parent.chmod(mode)
    os.chown(file.parent.parent, 0, 0)
    assert why_not_ours(file) == (None if is_ours else f"others may write to {file.parent.parent}")
