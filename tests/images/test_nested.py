"""Files in archives in archives, of friends and of strangers."""

import stat
import struct
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.exceptions import ArchiveError, CollectionError, DataNotFoundError, ImageError
from spacer_like.images import archive, members, nested
from spacer_like.images.files import OpenedArchive
from spacer_like.images.nested import open_nested_files
from spacer_like.location import DataLocation
from spacer_like.storage import clear_memory_storage, write_bytes


def zipped(files, method=zipfile.ZIP_DEFLATED):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, data in files.items() if isinstance(files, dict) else files:
            made.writestr(name, data, compress_type=method)
    return stream.getvalue()


def tarred(files):
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as made:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            made.addfile(member, BytesIO(data))
    return stream.getvalue()


def at(tmp_path, name, data):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(data)
    return DataLocation("filesystem", str(tmp_path / name))


def contents(loc, **options):
    with open_nested_files(loc, **options) as files:
        found = {name: files.read(name) for name in files.names}
        return found, {entry.name: entry.reason for entry in files.unreadable}, files.archives


DEEP = {"1.png": b"one", "sub/Two.ZIP": zipped({"2.png": b"two", "read.me": b"", "three.zip": zipped({"d/3": b"3"})})}


def test_a_zip_in_a_zip_in_a_zip_is_opened(tmp_path):
    found, unreadable, archives = contents(at(tmp_path, "outer.zip", zipped(DEEP)))
    assert found == {
        "1.png": b"one",
        "sub/Two.ZIP/2.png": b"two",
        "sub/Two.ZIP/read.me": b"",
        "sub/Two.ZIP/three.zip/d/3": b"3",
    }
    assert unreadable == {}
    assert archives == [
        OpenedArchive("", None, 2, 1),
        OpenedArchive("sub/Two.ZIP", "", 3, 1),
        OpenedArchive("sub/Two.ZIP/three.zip", "sub/Two.ZIP", 1, 0),
    ]


def test_archives_in_a_folder_are_opened(tmp_path):
    at(tmp_path, "a/x.ZIP", zipped(DEEP))
    at(tmp_path, "b.tar.gz", tarred({"4.png": b"four", "z.zip": zipped({"5": b"5"})}))
    at(tmp_path, "c/6.png", b"six")
    at(tmp_path, "__MACOSX/._b.zip", b"hidden")
    at(tmp_path, "c/.DS_Store", b"hidden")
    at(tmp_path, "c/Thumbs.db", b"hidden")
    found, unreadable, archives = contents(DataLocation("filesystem", str(tmp_path)))
    assert sorted(found) == [
        "a/x.ZIP/1.png",
        "a/x.ZIP/sub/Two.ZIP/2.png",
        "a/x.ZIP/sub/Two.ZIP/read.me",
        "a/x.ZIP/sub/Two.ZIP/three.zip/d/3",
        "b.tar.gz/4.png",
        "b.tar.gz/z.zip/5",
        "c/6.png",
    ]
    assert found["b.tar.gz/z.zip/5"] == b"5"
    assert unreadable == {}
    assert {entry.path: entry.container for entry in archives} == {
        "a/x.ZIP": None,
        "a/x.ZIP/sub/Two.ZIP": "a/x.ZIP",
        "a/x.ZIP/sub/Two.ZIP/three.zip": "a/x.ZIP/sub/Two.ZIP",
        "b.tar.gz": None,
        "b.tar.gz/z.zip": "b.tar.gz",
    }


def test_a_prefix_is_a_folder():
    write_bytes(DataLocation("memory", "reefs/a.zip"), zipped(DEEP))
    write_bytes(DataLocation("memory", "reefs/6.png"), b"six")
    found, _, _ = contents(DataLocation("memory", "reefs"))
    assert sorted(found)[:2] == ["6.png", "a.zip/1.png"]
    clear_memory_storage()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_large_archive_in_an_archive_lies_in_a_temporary_file(tmp_path, monkeypatch, method):
    monkeypatch.setattr(archive, "_HELD_BYTES", 10)
    noise = bytes(range(256)) * 9000
    inner = zipped({"1": noise, "t": b"x"}, zipfile.ZIP_STORED)
    found, unreadable, _ = contents(at(tmp_path, "outer.zip", zipped({"i.zip": inner}, method)))
    assert (found, unreadable) == ({"i.zip/1": noise, "i.zip/t": b"x"}, {})


def test_a_damaged_archive_in_an_archive_is_told_in_parts_as_whole(tmp_path, monkeypatch):
    inner = zipped({"1": bytes(range(256)) * 9000}, zipfile.ZIP_STORED)
    data = bytearray(zipped({"i.zip": inner, "2": b"two"}, zipfile.ZIP_STORED))
    data[500] ^= 1
    loc = at(tmp_path, "outer.zip", bytes(data))
    answers = []
    for held in (2**30, 10):
        monkeypatch.setattr(archive, "_HELD_BYTES", held)
        answers.append(contents(loc)[:2])
    assert answers[0] == answers[1]
    assert answers[0][0] == {"2": b"two"}
    assert "its checksum is another" in answers[0][1]["i.zip"]


def test_many_archives_are_not_open_at_once_and_threads_may_read(tmp_path, monkeypatch):
    monkeypatch.setattr(nested, "_MOST_OPEN", 3)
    inner = {f"{n}.zip": zipped({"in.zip": zipped({f"{m}": f"{n} {m}".encode() for m in range(5)})}) for n in range(12)}
    loc = at(tmp_path, "outer.zip", zipped(inner))
    with open_nested_files(loc) as files, ThreadPoolExecutor(8) as pool:
        names = files.names * 3
        data = dict(zip(names, pool.map(files.read, names), strict=True))
    assert data == {f"{n}.zip/in.zip/{m}": f"{n} {m}".encode() for n in range(12) for m in range(5)}


def test_archives_lie_in_each_other_only_so_deep(tmp_path):
    data = zipped({"0": b"zero"})
    for level in range(1, nested.MOST_DEPTH + 1):
        data = zipped({f"{level}": b"", "in.zip": data})
    found, unreadable, _ = contents(at(tmp_path, "outer.zip", data))
    assert list(found) == ["4", "in.zip/3", "in.zip/in.zip/2", "in.zip/in.zip/in.zip/1"]
    [(name, reason)] = unreadable.items()
    assert name == "in.zip/in.zip/in.zip/in.zip"
    assert reason.endswith("in.zip/in.zip' is not opened: it lies in 4 others.")


def link():
    info = zipfile.ZipInfo("1")
    info.create_system = 3
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted():
    data = bytearray(zipped({"1": b"one"}))
    struct.pack_into("<H", data, data.index(b"PK\1\2") + 8, 1)
    return bytes(data)


BAD = {
    "leads out of it": zipped({"../x": b""}),
    "has an absolute path": zipped({"/etc/passwd": b""}),
    "is a link": zipped([(link(), b"/etc/passwd")]),
    "is encrypted": encrypted(),
    "is no zip archive, or is damaged": b"text",
    "cut short": zipped({"1": b"one"})[:-8],
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_archive_is_a_row_in_another_one_and_an_error_alone(tmp_path, reason):
    files = {"a.zip": zipped({"1": b"1"}), "bad.zip": BAD[reason], "z.zip": zipped({"2": b"2"})}
    words = "damaged" if reason == "cut short" else reason
    in_zip = at(tmp_path, "outer.zip", zipped(files))
    for name, data in files.items():
        at(tmp_path, f"folder/{name}", data)
    for loc in (in_zip, DataLocation("filesystem", f"{tmp_path}/folder")):
        found, unreadable, archives = contents(loc)
        assert found == {"a.zip/1": b"1", "z.zip/2": b"2"}
        assert list(unreadable) == ["bad.zip"]
        assert words in unreadable["bad.zip"]
        assert "bad.zip" not in [entry.path for entry in archives]
    with pytest.raises(ArchiveError, match=words):
        open_nested_files(DataLocation("filesystem", f"{tmp_path}/folder/bad.zip"))


def test_a_bomb_that_is_spread_over_archives_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "FREE_BYTES", 2**20)
    inner = zipped({"0": bytes(4 * 2**20)})
    shell = zipped({"i.zip": zipped({"j.zip": inner, "k.zip": inner, "small": b"1"})})
    assert len(shell) * members.MOST_RATIO < 8 * 2**20
    found, unreadable, _ = contents(at(tmp_path, "bomb.zip", shell))
    assert list(found) == ["i.zip/small"]
    assert sorted(unreadable) == ["i.zip/j.zip", "i.zip/k.zip"]
    assert "more than 100 times" in unreadable["i.zip/k.zip"]


def test_members_are_counted_over_all_archives(tmp_path, monkeypatch):
    monkeypatch.setattr(members, "MOST_MEMBERS", 30)
    inner = {f"{n}.zip": zipped({f"{m}": b"" for m in range(10)}) for n in range(4)}
    found, unreadable, _ = contents(at(tmp_path, "outer.zip", zipped(inner)))
    assert len(found) == 20
    assert list(unreadable) == ["2.zip", "3.zip"]
    assert "it has more than 30 members" in unreadable["2.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_equal_names_are_told(tmp_path):
    inner = zipped([("1", b"first"), ("1", b"second")])
    made = [("i.zip", inner), ("i.zip/1", b"folder"), ("i.zip/2", b"two")]
    found, unreadable, _ = contents(at(tmp_path, "outer.zip", zipped(made)))
    assert sorted(found) == ["i.zip/1", "i.zip/2"]
    assert found["i.zip/1"] == b"folder"
    assert list(unreadable) == ["i.zip/1 [1]"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["1", "i.zip/1", "i.zip", "j.zip", "x/i.zip"]), st.binary(max_size=2))))
def test_a_file_that_is_not_read_is_never_called_as_one_that_is(tmp_path_factory, entries):
    inner = zipped(entries)
    made = [(name, inner if name.endswith(".zip") else data) for name, data in entries]
    found, unreadable, _ = contents(at(tmp_path_factory.mktemp("a"), "outer.zip", zipped(made)))
    assert not found.keys() & unreadable.keys()
    assert {name for name, _ in entries if name == "1"} <= found.keys()


def test_the_longest_names_are_read(tmp_path):
    name = "é" * 255
    found, unreadable, _ = contents(at(tmp_path, "outer.zip", zipped({f"red/{name}": b"1", f"{name}x": b"2"})))
    assert list(found) == [f"red/{name}"]
    assert list(unreadable.values()) == ["Its name is longer than 255 letters."]


@pytest.mark.parametrize(("name", "data"), [("a.7z", b""), ("a.RAR", b""), ("a.zip", b"7z\xbc\xaf\x27\x1c....")])
def test_other_archives_are_told_in_one_sentence(tmp_path, name, data):
    with pytest.raises(CollectionError, match=r"^'.*' is a (7z|RAR) archive, which is not opened: unpack it into a"):
        open_nested_files(at(tmp_path, name, data))


def test_other_archives_in_archives_are_rows(tmp_path):
    made = zipped({"a.rar": b"", "b.7Z": b"", "c.tar.gz": b"", "1": b"1"})
    found, unreadable, _ = contents(at(tmp_path, "outer.zip", made))
    assert list(found) == ["1"]
    assert {name: reason.split(",")[0] for name, reason in unreadable.items()} == {
        "a.rar": "'a.rar' is a RAR archive",
        "b.7Z": "'b.7Z' is a 7z archive",
        "c.tar.gz": "'c.tar.gz' is a .tar.gz archive",
    }


def test_patterns_leave_files_and_archives_out(tmp_path):
    with open_nested_files(at(tmp_path, "o.zip", zipped(DEEP)), ["three.zip", "*.me", "none*"]) as files:
        assert files.names == ["1.png", "sub/Two.ZIP/2.png"]
        assert len(files.archives) == 2
        assert files.excluded == ["sub/Two.ZIP/read.me", "sub/Two.ZIP/three.zip"]
        assert files.unmatched == ["none*"]


def test_inner_archives_are_files_where_that_is_wanted(tmp_path):
    found, _, archives = contents(at(tmp_path, "o.zip", zipped(DEEP)), inner=False)
    assert list(found) == ["1.png", "sub/Two.ZIP"]
    assert len(archives) == 1


def test_an_archive_that_changes_while_it_is_read_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(nested, "_MOST_OPEN", 0)
    loc = at(tmp_path, "o.zip", zipped({"1": b"1"}))
    with open_nested_files(loc) as files:
        at(tmp_path, "o.zip", zipped({"2": b"2"}))
        with pytest.raises(ImageError, match=r"^The file '1' is not in its archive any more"):
            files.read("1")


def test_what_is_not_entered_is_told(tmp_path):
    at(tmp_path, "set/a/1.png", b"one")
    at(tmp_path, "other/2.png", b"two")
    (tmp_path / "set/a/linked").symlink_to(tmp_path / "other")
    (tmp_path / "set/a/3.png").symlink_to(tmp_path / "none")
    (tmp_path / "set/a/4.png").symlink_to(tmp_path / "other/2.png")
    found, unreadable, _ = contents(DataLocation("filesystem", f"{tmp_path}/set"))
    assert found == {"a/1.png": b"one", "a/4.png": b"two"}
    assert unreadable == {
        "a/3.png": "It is no ordinary file, or a link that leads to none.",
        "a/linked": "It is a link to a folder, which is not entered.",
    }


def test_a_folder_that_is_missing_is_told(tmp_path):
    for name in ("none", "none.zip"):
        with pytest.raises(DataNotFoundError):
            open_nested_files(DataLocation("filesystem", f"{tmp_path}/{name}"))
