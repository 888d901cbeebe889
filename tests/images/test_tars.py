"""Tar archives of images, packed by gzip or not, from friends and from strangers."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from spacer_like.exceptions import ArchiveError
from spacer_like.images import members
from spacer_like.images.archive import ImageArchive, archive_stem
from spacer_like.location import DataLocation
from spacer_like.storage import open_file, write_bytes

FILES = {f"{number}.png": bytes([number]) * (number * 100) for number in range(20)}
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def member(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def tarred(*contents: tuple[str | tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """An archive of (name or TarInfo, bytes)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, data in contents:
            archive.addfile(member(name, len(data)) if isinstance(name, str) else name, io.BytesIO(data))
    return stream.getvalue()


def opened(data: bytes, name: str = "reef.tar", **options: bool) -> ImageArchive:
    return ImageArchive(io.BytesIO(data), name, **options)


def header(name: bytes = b"1.png", size: int | bytes = 0, kind: bytes = b"0") -> bytes:
    """A header as no honest program writes it, with its true checksum."""
    block = bytearray(512)
    block[:100] = name.ljust(100, b"\0")
    block[124:136] = b"%011o\0" % size if isinstance(size, int) else size
    block[156:157] = kind
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\0 " % (sum(block) + 8 * ord(" "))
    return bytes(block)


END = bytes(1024)


def refused(data: bytes, text: str, name: str = "reef.tar") -> None:
    with pytest.raises(ArchiveError, match=text) as caught:
        opened(data, name)
    assert "reef.tar" in str(caught.value)


class TestRealArchives:
    @pytest.mark.parametrize("form", FORMATS)
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_members_are_read(self, form, pack):
        with opened(pack(tarred(*FILES.items(), form=FORMATS[form]))) as archive:
            assert archive.names == list(FILES)
            assert archive.unreadable == []
            assert {name: archive.read(name) for name in archive.names} == FILES

    @pytest.mark.parametrize("options", ["-cf", "-czf"])
    @pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7", "oldgnu"])
    def test_archives_of_tar_are_read(self, tmp_path, options, form):
        (tmp_path / "reef" / "deep").mkdir(parents=True)
        for name, data in FILES.items():
            (tmp_path / "reef" / name).write_bytes(data)
        (tmp_path / "reef" / "deep" / "a.png").write_bytes(b"a")
        path = tmp_path / "reef.tar"
        subprocess.run(["tar", f"--format={form}", options, path, "."], cwd=tmp_path / "reef", check=True)
        with ImageArchive(path.open("rb"), "reef.tar") as archive:
            assert {name: archive.read(name) for name in sorted(archive.names)} == dict(sorted(FILES.items()))
        with ImageArchive(path.open("rb"), "reef.tar", deep=True) as archive:
            assert sorted(archive.names) == sorted([*FILES, "deep/a.png"])

    @pytest.mark.parametrize("form", ["gnu", "pax"])
    def test_long_names_and_those_of_other_scripts_are_read(self, form):
        names = ["r" * 200 + ".png", "珊瑚礁.png", f"{'d' * 100}/{'f' * 150}.png"]
        with opened(tarred(*((name, b"x") for name in names), form=FORMATS[form]), deep=True) as archive:
            assert archive.names == names

    def test_a_long_path_of_posix_is_put_together(self):
        name = f"{'d' * 100}/{'f' * 90}.png"
        with opened(tarred((name, b"x"), form=tarfile.USTAR_FORMAT), deep=True) as archive:
            assert archive.names == [name]

    def test_the_folder_with_the_most_files_is_looked_at(self):
        found = opened(
            tarred(
                ("read me.txt", b""),
                (member("reef", kind=tarfile.DIRTYPE), b""),
                ("reef/1", b"one"),
                ("reef/2", b"two"),
                ("reef/more/3", b""),
            )
        )
        assert found.names == ["1", "2"]
        assert found.read("2") == b"two"
        assert found.companion("read me.txt") == b""

    def test_of_a_member_that_is_there_twice_the_last_one_counts(self):
        archive = opened(tarred(("1", b"first"), ("1", b"second")))
        assert archive.read("1") == b"second"
        assert archive.unreadable == [("1 [1]", "The archive holds '1' twice: the last one counts.")]

    def test_an_archive_without_members_holds_nothing(self):
        assert opened(tarred()).names == []

    def test_members_that_cannot_be_images_are_told_by_the_list_alone(self, monkeypatch):
        monkeypatch.setattr(members, "MOST_MEMBER_BYTES", 1000)
        found = opened(tarred(("large", bytes(1001)), ("n" * 300, b""), ("1", b"one")))
        assert found.names == ["1"]
        assert [name for name, _ in found.unreadable] == ["large", "n" * 255]

    @pytest.mark.parametrize("place", ["file", "memory"])
    @pytest.mark.parametrize("pack", [bytes, gzip.compress])
    def test_threads_may_read_at_once(self, tmp_path, place, pack):
        files = {str(number): bytes([number]) * 50_000 for number in range(100)}
        loc = DataLocation("memory", "r.tar") if place == "memory" else DataLocation("filesystem", f"{tmp_path}/r.tar")
        write_bytes(loc, pack(tarred(*files.items())))
        with ImageArchive(open_file(loc), "r.tar") as archive, ThreadPoolExecutor(8) as pool:
            assert list(pool.map(archive.read, files)) == list(files.values())

    def test_a_far_archive_is_fetched_once(self, moto, monkeypatch):
        with moto.settings():
            loc = DataLocation("s3", "reef.tar", moto.make_bucket())
            write_bytes(loc, tarred(*FILES.items()))
            with ImageArchive(open_file(loc), "reef.tar") as archive:
                monkeypatch.setattr("spacer_like.storage.s3.S3Storage.read_range", None)
                assert {name: archive.read(name) for name in archive.names} == FILES

    def test_an_archive_says_what_it_is_by_its_ending(self):
        for name in ("reef.tar", "reef.TAR.GZ", "reef.tgz"):
            assert opened(tarred(("1", b"")), name).names == ["1"]
            assert archive_stem(name)[0] == "reef"


class TestHostileArchives:
    @pytest.mark.parametrize("name", ["../x", "a/../../x", "..", "a\\..\\x"])
    def test_a_member_that_leads_out_is_refused(self, name):
        refused(tarred((name, b"")), r"^The archive 'reef\.tar' is refused: its member '.*' leads out of it\.$")

    @pytest.mark.parametrize("name", ["/etc/passwd", "C:/x", "\\x"])
    def test_a_member_with_an_absolute_path_is_refused(self, name):
        refused(tarred((name, b"")), r"refused: its member '.*' has an absolute path\.$")

    def test_a_path_that_is_hidden_in_attributes_is_refused(self):
        refused(tarred((member("1.png", pax_headers={"path": "../../etc/passwd"}), b"")), "leads out of it")

    @pytest.mark.parametrize(
        ("kind", "what"),
        [
            (tarfile.SYMTYPE, "a link"),
            (tarfile.LNKTYPE, "a link"),
            (tarfile.CHRTYPE, "a device"),
            (tarfile.BLKTYPE, "a device"),
            (tarfile.FIFOTYPE, "a pipe"),
            (tarfile.GNUTYPE_SPARSE, "a sparse file"),
            (b"Q", "of an unknown kind"),
        ],
    )
    def test_what_is_no_file_is_refused(self, kind, what):
        data = header(b"1.png") + header(b"trap.png", kind=kind) + END
        refused(data, rf"refused: its member 'trap\.png' is {what}\.$")

    def test_a_sparse_file_of_posix_is_refused(self):
        info = member("1.png", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.realsize": "99999999999"})
        refused(tarred((info, b"")), "is a sparse file")

    def test_too_many_members_are_refused(self, monkeypatch):
        monkeypatch.setattr(members, "MOST_MEMBERS", 99)
        refused(tarred(*((str(number), b"") for number in range(100))), r"it has more than 99 members\.$")

    def test_one_that_would_take_a_multiple_of_its_size_is_refused_before_it_is_unpacked(self, monkeypatch):
        bomb = gzip.compress(tarred(*((str(number), bytes(2**20)) for number in range(8))))
        with opened(bomb) as archive:
            assert len(archive.names) == 8
        monkeypatch.setattr(members, "FREE_BYTES", 2**20)
        refused(bomb, r"unpacked, it would take at least 2 MiB, more than 100 times its size\.$")

    @pytest.mark.parametrize("size", [b"77777777777\0", b"\x80" + b"\xff" * 11, b"\xff" * 12, b"-1\0" + bytes(9)])
    def test_an_impossible_size_is_refused(self, size):
        refused(header(size=size) + END, r"^'reef\.tar' is no tar archive, or is damaged: .*\.$")

    @pytest.mark.parametrize("size", [b"-512", b"1" * 30, b"1e3", b""])
    def test_an_impossible_size_in_attributes_is_refused(self, size):
        record = b" size=" + size + b"\n"
        record = b"%d" % (len(record) + 2) + record
        data = header(size=len(record), kind=b"x") + record.ljust(512, b"\0") + header() + END
        refused(data, "what it says of a file is malformed")

    @pytest.mark.parametrize("record", [b"0 a=b\n", b"99 a=b\n", b"a=b\n", b"6 a=b ", b"6 a_b\n", b"9" * 500])
    def test_malformed_attributes_are_refused(self, record):
        data = header(size=len(record), kind=b"x") + record.ljust(512, b"\0") + header() + END
        refused(data, "what it says of a file is malformed")

    def test_attributes_that_take_the_usual_reader_minutes_take_none(self):
        """CPython's issue 121285: a search in them took a time of the square of their length."""
        record = b"1" * 2**20
        refused(header(size=len(record), kind=b"x") + record + header() + END, "malformed")
        refused(header(size=2**21, kind=b"x") + bytes(2**21) + header() + END, "too much is said of one file")

    def test_headers_without_end_that_no_member_follows_are_refused(self):
        refused(header(b"././@LongLink", kind=b"g") * 100_000 + END, "too much is said of one file")

    @pytest.mark.parametrize(
        "data", [b"", b"no archive" * 100, gzip.compress(b"no archive" * 100, mtime=0), bytes(511)]
    )
    def test_what_is_no_archive_is_told(self, data):
        refused(data, r"^'reef\.tar' is no tar archive, or is damaged: .*\.$")

    def test_one_that_is_cut_short_anywhere_is_told(self):
        data = tarred(("1.png", b"x" * 700), ("2.png", b"y" * 700), form=tarfile.USTAR_FORMAT)
        for length in (100, 512, 700, 1536, 2048, 2700, 3072):
            refused(data[:length], "is damaged")

    def test_one_with_a_damaged_header_in_its_midst_is_told(self):
        """The usual reader takes it for the end, and nobody hears of the files behind it."""
        data = bytearray(tarred(("1", b"one"), ("2", b"two"), form=tarfile.USTAR_FORMAT))
        data[1024] ^= 1
        refused(bytes(data), "the checksum of a header is another")

    @pytest.mark.parametrize("length", [10, 200, -4])
    def test_a_packed_one_that_is_cut_short_is_told(self, length):
        refused(gzip.compress(tarred(("1", os.urandom(1000))))[:length], "is no tar archive, or is damaged")

    def test_a_packed_one_with_another_checksum_is_told(self):
        data = bytearray(gzip.compress(tarred(("1", os.urandom(1000)))))
        data[-6] ^= 1
        refused(bytes(data), "is no tar archive, or is damaged")

    def test_names_that_are_no_text_can_be_told(self):
        data = header(b"\xff.png", 0) + END
        assert opened(data).names == ["\udcff.png"]
