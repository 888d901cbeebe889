"""Zip archives of images, from friends and from strangers."""

from __future__ import annotations

import stat
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import ArchiveError, ImageError
from spacer_like.images import members, zips
from spacer_like.images.archive import ImageArchive
from spacer_like.storage import clear_memory_storage, open_file, write_bytes


def zipped(*members, compression=zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of (name or ZipInfo, bytes)."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data, compress_type=compression)
    return stream.getvalue()


def opened(data: bytes) -> ImageArchive:
    return ImageArchive(BytesIO(data), "apes.zip")


def directory_entry(data: bytes, number: int = 0) -> int:
    """Where an entry of the list of members begins."""
    place = -1
    for _ in range(number + 1):
        place = data.index(b"PK\1\2", place + 1)
    return place


def changed(data: bytes, offset: int, layout: str, value: int) -> bytes:
    """The archive with another number in its first entry of the list."""
    place = directory_entry(data) + offset
    return data[:place] + struct.pack(layout, value) + data[place + struct.calcsize(layout) :]


COMPRESSED_SIZE, SIZE, CHECKSUM, METHOD, FLAGS, HEADER = 20, 24, 16, 10, 8, 42


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_members_are_read(compression):
    files = {f"{number}.png": bytes([number]) * 10_000 for number in range(20)} | {"empty": b""}
    with opened(zipped(*files.items(), compression=compression)) as archive:
        assert archive.names == list(files)
        assert archive.unreadable == []
        assert {name: archive.read(name) for name in archive.names} == files


@pytest.mark.parametrize("place", ["file", "memory"])
def test_threads_may_read_at_once(tmp_path, place):
    files = {str(number): bytes([number]) * 50_000 for number in range(100)}
    loc = DataLocation("memory", "apes.zip") if place == "memory" else DataLocation("filesystem", f"{tmp_path}/a.zip")
    write_bytes(loc, zipped(*files.items()))
    with ImageArchive(open_file(loc), "apes.zip") as archive, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(archive.read, files)) == list(files.values())
    clear_memory_storage()


def test_the_folder_with_the_most_files_is_looked_at():
    with opened(
        zipped(
            ("read me.txt", b""),
            ("apes/metadata/metadata.csv", b""),
            ("apes/resized/", b""),
            ("apes/resized/1", b"one"),
            ("apes/resized/2", b"two"),
            ("apes/resized/more/3", b""),
            ("__MACOSX/apes/resized/._1", b""),
            ("__MACOSX/apes/resized/._2", b""),
            ("__MACOSX/apes/resized/._3", b""),
        )
    ) as archive:
        assert archive.names == ["1", "2"]
        assert archive.read("2") == b"two"


def test_an_archive_without_members_holds_nothing():
    assert opened(zipped()).names == []


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_a_member_that_is_there_twice_the_last_one_counts():
    archive = opened(zipped(("1", b"first"), ("1", b"second")))
    assert archive.read("1") == b"second"
    assert archive.unreadable == [("1 [1]", "The archive holds '1' twice: the last one counts.")]


def test_an_archive_behind_other_bytes_is_read():
    """As self-unpacking programs have it."""
    archive = opened(b"program" * 100 + zipped(("1", b"one")))
    assert archive.read("1") == b"one"


@pytest.mark.parametrize(
    "data",
    [b"", b"no archive", zipped(("1", b"one"))[:-10], b"PK\5\6" + bytes(18) + b"x" * 9],
    # Named, for archives hold the time of day, and a test must be called the same in all processes that run tests.
    ids=["empty", "text", "cut short", "only an end"],
)
def test_what_is_no_archive_is_told(data):
    if data.startswith(b"PK\5\6"):
        assert opened(data).names == []
        return
    with pytest.raises(ArchiveError, match=r"^'apes\.zip' is no zip archive, or is damaged: .*\.$"):
        opened(data)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "..", "a\\..\\x"])
def test_a_member_that_leads_out_is_refused(name):
    with pytest.raises(ArchiveError, match=r"^The archive 'apes\.zip' is refused: its member '.*' leads out of it\.$"):
        opened(zipped(("1", b""), (name, b"")))


@pytest.mark.parametrize("name", ["/etc/passwd", "C:/x", "\\x"])
def test_a_member_with_an_absolute_path_is_refused(name):
    with pytest.raises(ArchiveError, match=r"refused: its member '.*' has an absolute path\.$"):
        opened(zipped((name, b"")))


def test_a_link_is_refused():
    link = zipfile.ZipInfo("1")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ArchiveError, match=r"refused: its member '1' is a link\.$"):
        opened(zipped((link, b"/etc/passwd")))


def test_an_encrypted_archive_is_told():
    with pytest.raises(ArchiveError, match=r"^The archive 'apes\.zip' is encrypted: pack the images without"):
        opened(changed(zipped(("1", b"one")), FLAGS, "<H", 1))


def test_an_archive_that_would_take_a_multiple_of_its_size_is_refused(monkeypatch):
    bomb = zipped(*((str(number), bytes(2**20)) for number in range(8)))
    assert len(opened(bomb).names) == 8
    monkeypatch.setattr(members, "FREE_BYTES", 2**22)
    with pytest.raises(ArchiveError, match=r"unpacked, it would take 8 MiB, more than 100 times its size\.$"):
        opened(bomb)


def test_members_that_overlap_are_refused():
    """One compressed body that many members share is a bomb without a nested archive."""
    data = zipped(("1", bytes(1000)), compression=zipfile.ZIP_STORED)
    begin = directory_entry(data)
    end = data.index(b"PK\5\6")
    entry = data[begin:end]
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 10, 10, 10 * len(entry), begin, 0)
    with pytest.raises(ArchiveError, match=r"its members overlap\.$"):
        opened(data[:begin] + entry * 10 + tail)


def test_too_many_members_are_refused(monkeypatch):
    monkeypatch.setattr(members, "MOST_MEMBERS", 99)
    with pytest.raises(ArchiveError, match=r"it has more than 99 members\.$"):
        opened(zipped(*((str(number), b"") for number in range(100))))


def test_a_huge_list_of_members_is_not_read():
    """Of half a million members, whose list alone would take hundreds of MiB once it is read."""
    entry = zipped(("1", b""), compression=zipfile.ZIP_STORED)
    entry = entry[directory_entry(entry) : entry.index(b"PK\5\6")]
    listed = entry * 400_000
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65_000, 65_000, len(listed), 0, 0)
    with pytest.raises(ArchiveError, match=r"it has more than 200000 members\.$"):
        opened(listed + tail)


def test_a_hundred_thousand_members_are_read():
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, 0, 0, 1, 0) + b"1"
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0)
    listed = b"".join(entry + b"%05d" % number for number in range(100_000))
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 34_464, 34_464, len(listed), len(local), 0)
    with opened(local + listed + tail) as archive:
        assert len(archive.names) == 100_000
        assert archive.read("99999") == b""


@pytest.mark.parametrize("announced", [0, 10, 50_000])
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_of_another_length_than_announced_is_damaged(announced, compression):
    data = zipped(("1", b"abcde" * 200), ("2", b"x" * 9000), compression=compression)
    archive = opened(changed(data, SIZE, "<L", announced))
    with pytest.raises(ImageError, match=r"^The file '1' is damaged in its archive: it is not as long as announced\.$"):
        archive.read("1")


def test_no_more_is_unpacked_than_announced(monkeypatch):
    most = 0
    real = zips.zlib.decompressobj

    class Watched:
        def __init__(self, bits):
            self.real = real(bits)

        def decompress(self, data, length):
            nonlocal most
            found = self.real.decompress(data, length)
            most = max(most, len(found))
            return found

    monkeypatch.setattr(zips.zlib, "decompressobj", Watched)
    archive = opened(changed(zipped(("1", bytes(10_000_000))), SIZE, "<L", 100))
    with pytest.raises(ImageError, match="not as long as announced"):
        archive.read("1")
    assert most == 101


@pytest.mark.parametrize(
    ("offset", "layout", "value", "reason"),
    [
        (CHECKSUM, "<L", 7, "its checksum is another"),
        (HEADER, "<L", 3, "where it should begin, none does"),
        (COMPRESSED_SIZE, "<L", 5, "it is not as long as announced"),
    ],
)
def test_a_damaged_member_is_told(offset, layout, value, reason):
    archive = opened(changed(zipped(("1", b"abcdefgh" * 10)), offset, layout, value))
    with pytest.raises(ImageError, match=rf"^The file '1' is damaged in its archive: {reason}\.$"):
        archive.read("1")


def test_a_damaged_body_is_told():
    data = zipped(("1", bytes(range(256)) * 10))
    # After the header of 30 bytes and the name of one.
    body = 31
    with pytest.raises(ImageError, match=r"'1' is damaged in its archive: it cannot be decompressed\.$"):
        opened(data[:body] + b"\xff" * 20 + data[body + 20 :]).read("1")


def test_members_that_cannot_be_images_are_told_by_the_list_alone(monkeypatch):
    monkeypatch.setattr(members, "MOST_MEMBER_BYTES", 2**20)
    data = zipped(("large", bytes(2**20 + 1)), ("n" * 300, b""), ("1", b"one"))
    stream = BytesIO(data)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("odd", b"odd", compress_type=zipfile.ZIP_BZIP2)
    found = opened(stream.getvalue())
    assert found.names == ["1"]
    assert [name for name, _ in found.unreadable] == ["large", "n" * 255, "odd"]
    assert "larger than 1 MiB" in found.unreadable[0][1]
    assert "longer than 255 letters" in found.unreadable[1][1]
    assert "compressed by method 12" in found.unreadable[2][1]
