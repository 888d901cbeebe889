"""What numba compiled is kept only where nobody else can write, for who reads it runs it."""

import pytest

numba = pytest.importorskip("numba")

from spacer_like.rarity.counting_numba import compiled  # noqa: E402


def one_more(number):
    return number + 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "numba").mkdir(0o755)
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "numba"))
    return tmp_path / "numba"


def test_compiled_code_is_kept_in_a_folder_of_this_user(folder):
    assert compiled(one_more)(1) == 2
    assert list(folder.rglob("*.nbi"))


def test_in_a_folder_that_others_may_write_nothing_is_read_or_kept(folder, caplog):
    folder.chmod(0o777)
    assert compiled(one_more)(1) == 2
    assert not list(folder.rglob("*.nb*"))
    assert f"because others may write to {folder}: each process compiles" in caplog.text


def test_a_file_that_others_may_write_is_not_read(folder, caplog):
    compiled(one_more)(1)
    kept = next(folder.rglob("*.nbi"))
    kept.chmod(0o666)
    kept.write_bytes(b"planted")
    from spacer_like.rarity import counting_numba

    counting_numba._is_ours.cache_clear()
    assert compiled(one_more)(1) == 2
    assert kept.read_bytes() == b"planted"
    assert f"because others may write to {kept}" in caplog.text
