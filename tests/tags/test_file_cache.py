"""The cache of files by their hashes, over SQLite."""

import hashlib
import logging
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from io import BytesIO

import pytest
from PIL import Image

from spacer_like.exceptions import CollectionError, DataNotFoundError, ImageError, TableError
from spacer_like.tags.file_cache import FileCache


def png(colour, size=(4, 3)):
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, "PNG")
    return stream.getvalue()


def hash_of(colour, size=(4, 3)):
    return hashlib.blake2b(Image.new("RGB", size, colour).tobytes()).hexdigest()


def zipped(files):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return stream.getvalue()


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of images, a zip, and one in it; the working folder is that above."""
    monkeypatch.chdir(tmp_path)
    for name in ("data/sub", "data/empty"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data/it's.png").write_bytes(png("red"))
    (tmp_path / "data/sub/b.PNG").write_bytes(png("blue"))
    (tmp_path / "data/notes.txt").write_text("no image")
    inner = zipped({"deep/g.png": png("green"), "t.txt": b""})
    outer = zipped({"main/": b"", "main/r.png": png("white"), "main/x.txt": b"", "main/sub.zip": inner})
    (tmp_path / "data/Main.ZIP").write_bytes(outer)
    return "data"


@pytest.fixture
def cache(data):
    FileCache.create_file_cache()
    FileCache().add_folder_to_file_cache(data_dir=data)
    return "./output/file_cache.sqlite"


def rows(path, columns="*"):
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT {columns} FROM file_cache ORDER BY path").fetchall()


def test_the_table_has_the_columns_and_two_more(cache):
    with closing(sqlite3.connect(cache)) as database:
        declared = [
            (name, kind, needed) for _, name, kind, needed, *_ in database.execute("PRAGMA table_info(file_cache)")
        ]
    assert declared == [
        ("file_name", "TEXT", 1),
        ("path", "TEXT", 0),
        ("hash_id", "TEXT", 0),
        ("type", "TEXT", 0),
        ("is_archive", "TEXT", 0),
        ("n_content", "INTEGER", 0),
        ("container_archive", "TEXT", 0),
        ("n_images", "INTEGER", 0),
        ("content_hash", "TEXT", 0),
    ]


def test_a_folder_is_added_with_its_archives(cache):
    names = "file_name, path, hash_id, type, is_archive, n_content, container_archive, n_images"
    zip_path = "data/Main.ZIP"
    assert rows(cache, names) == [
        ("Main.ZIP", zip_path, None, ".ZIP", "True", 3, "", 1),
        ("r.png", f"{zip_path}/main/r.png", hash_of("white"), ".png", None, None, zip_path, None),
        ("sub.zip", f"{zip_path}/main/sub.zip", None, ".zip", "True", 2, zip_path, 1),
        ("g.png", f"{zip_path}/main/sub.zip/deep/g.png", hash_of("green"), ".png", None, None, zip_path, None),
        ("it's.png", "data/it's.png", hash_of("red"), ".png", None, None, "", None),
        ("b.PNG", "data/sub/b.PNG", hash_of("blue"), ".PNG", None, None, "", None),
    ]


def test_adding_twice_adds_nothing(cache, data):
    before = rows(cache)
    added = FileCache.add_folder_to_file_cache(data, "./output", "file_cache.sqlite")
    assert (added.n_added, added.n_known) == (0, 6)
    assert [entry.name for entry in added.unreadable] == [
        "data/Main.ZIP/main/sub.zip/t.txt",
        "data/Main.ZIP/main/x.txt",
        "data/notes.txt",
    ]
    assert rows(cache) == before


def test_a_file_that_changed_is_another_one_and_one_whose_pixels_agree_too(cache, data, tmp_path):
    (tmp_path / "data/it's.png").write_bytes(png("red", (3, 4)))
    assert FileCache.add_folder_to_file_cache(data).n_added == 1
    found = [row for row in rows(cache, "path, hash_id, content_hash") if row[0] == "data/it's.png"]
    assert len(found) == 2
    assert found[0][1] == found[1][1]
    assert found[0][2] != found[1][2]


def test_an_image_is_found_by_its_hash_with_both_spellings_of_keys(cache):
    found = FileCache().get_img_by_hash(db_path=cache, hash_id=hash_of("red"))
    expected = {"file_name": "it's.png", "path": "data/it's.png", "hash_id": hash_of("red"), "type": ".png"}
    expected |= {"is_archive": None, "n_content": None, "container_archive": "", "n_images": None}
    assert found == expected | {
        "file_path": "data/it's.png",
        "file_type": ".png",
        "content_hash": hashlib.blake2b(png("red"), digest_size=32).hexdigest(),
    }
    assert FileCache.get_img_by_hash(cache, "' OR 1=1 --") is None


def test_random_rows_are_rows(cache):
    hashes = {FileCache.get_random_hash(cache)["hash_id"] for _ in range(100)}
    paths = {FileCache.get_random_image(cache)["file_path"] for _ in range(100)}
    assert hashes <= {None, *(hash_of(colour) for colour in ("red", "blue", "green", "white"))}
    assert paths <= {row[0] for row in rows(cache, "path")}
    assert min(len(hashes), len(paths)) > 2


def test_a_cache_is_cleared_or_removed(cache, tmp_path):
    FileCache().clear_cache(cache)
    assert rows(cache) == []
    assert FileCache.get_random_hash(cache) is None
    assert FileCache.get_random_image(cache) is None
    FileCache().clear_cache(db_path=cache, delete_cache=True)
    assert list((tmp_path / "output").iterdir()) == []


def test_a_cache_that_is_there_is_left_alone(cache, caplog):
    before = rows(cache)
    with caplog.at_level(logging.WARNING, "spacer_like.tags"):
        assert FileCache.create_file_cache("./output", "file_cache.sqlite") is None
    assert caplog.messages == ["Previous file_cache.sqlite already exist in ./output. File-cache creation stopped."]
    assert rows(cache) == before


def test_a_cache_that_is_missing_is_told_and_not_made(data, tmp_path):
    calls = [
        lambda: FileCache.add_folder_to_file_cache(data, "out", "none.sqlite"),
        lambda: FileCache.get_random_hash("out/none.sqlite"),
        lambda: FileCache.get_random_image("out/none.sqlite"),
        lambda: FileCache.get_img_by_hash("out/none.sqlite", "x"),
        lambda: FileCache.clear_cache("out/none.sqlite", delete_cache=True),
    ]
    for call in calls:
        with pytest.raises(DataNotFoundError, match=r"^The database '.*out/none\.sqlite' does not exist"):
            call()
    assert not (tmp_path / "out").exists()


def test_the_database_of_another_program_is_told_and_not_removed(data, tmp_path):
    with closing(sqlite3.connect(tmp_path / "other.db")) as database:
        database.execute("CREATE TABLE other(x)")
    for call in (FileCache.clear_cache, FileCache.get_random_hash):
        with pytest.raises(TableError, match="no such table: file_cache"):
            call(*["other.db", True][: 1 + (call == FileCache.clear_cache)])
    with pytest.raises(TableError, match=r"^The database 'other\.db' is no file cache"):
        FileCache.add_folder_to_file_cache(data, ".", "other.db")
    assert (tmp_path / "other.db").exists()


class TestADatabaseOfImageTaggingTools:
    """Its table has no columns and no index of ours, and rows twice where a folder was added twice."""

    MADE = (
        "CREATE TABLE file_cache(file_name TEXT NOT NULL, path TEXT, hash_id TEXT, type TEXT, is_archive TEXT, "
        "n_content INTEGER, container_archive TEXT)"
    )
    RED = ("it's.png", "data/it's.png", hash_of("red"), ".png", None, None, "")
    ZIP = ("Main.ZIP", "data/Main.ZIP", None, ".ZIP", "True", 3, "")
    GONE = ("gone.png", "old/gone.png", hash_of("black"), ".png", None, None, "")

    @pytest.fixture
    def original(self, data):
        path = "original.sqlite"
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(self.MADE)
            given = [self.RED, self.ZIP, self.GONE, self.RED, self.ZIP]
            database.executemany("INSERT INTO file_cache VALUES (?, ?, ?, ?, ?, ?, ?)", given)
        return path

    def layout(self, path):
        with closing(sqlite3.connect(path)) as database:
            columns = database.execute("PRAGMA table_info(file_cache)").fetchall()
            return columns, sorted(row[1:3] for row in database.execute("PRAGMA index_list(file_cache)"))

    def test_is_read_as_it_is(self, original):
        assert FileCache.get_img_by_hash(original, hash_of("red"))["file_path"] == "data/it's.png"
        assert self.layout(original)[1] == []

    def test_becomes_one_of_ours_when_files_are_added(self, original, cache, data):
        added = FileCache.add_folder_to_file_cache(data, ".", original)
        assert (added.n_added, added.n_known) == (4, 2)
        assert self.layout(original) == self.layout(cache)
        gone = (*self.GONE, None, None)
        assert rows(original) == sorted([*rows(cache), gone], key=lambda row: row[1])
        assert FileCache.add_folder_to_file_cache(data, ".", original).n_added == 0

    def test_keeps_the_first_of_rows_of_one_path(self, original, data):
        FileCache.add_folder_to_file_cache("data/sub", ".", original)
        assert rows(original, "rowid, path") == [
            (2, "data/Main.ZIP"),
            (1, "data/it's.png"),
            (4, "data/sub/b.PNG"),
            (3, "old/gone.png"),
        ]

    def test_is_left_as_it_was_where_the_adding_fails(self, original, data):
        before = rows(original), self.layout(original)
        with closing(sqlite3.connect(original)) as database, database:
            database.execute(
                "CREATE TRIGGER full BEFORE INSERT ON file_cache BEGIN SELECT RAISE(ABORT, 'no more rows'); END"
            )
        with pytest.raises(TableError, match="no more rows"):
            FileCache.add_folder_to_file_cache(data, ".", original)
        assert (rows(original), self.layout(original)) == before


def test_one_image_and_one_archive_are_added(data):
    path = FileCache.create_file_cache("out", "c.sqlite")
    assert FileCache.insert_file_to_cache("data/it's.png", path).n_added == 1
    assert FileCache.insert_zip_to_cache("data/Main.ZIP", path).n_added == 4
    assert sorted(row[0] for row in rows(path, "path")) == [
        "data/Main.ZIP",
        "data/Main.ZIP/main/r.png",
        "data/Main.ZIP/main/sub.zip",
        "data/Main.ZIP/main/sub.zip/deep/g.png",
        "data/it's.png",
    ]
    with pytest.raises(CollectionError, match="is no archive: its name must end in"):
        FileCache.insert_zip_to_cache("data/it's.png", path)
    with open("data/broken.png", "wb") as file:
        file.write(png("red")[:50])
    with pytest.raises(ImageError, match=r"data/broken\.png"):
        FileCache.insert_file_to_cache("data/broken.png", path)
    with pytest.raises(DataNotFoundError, match=r"^There is no file or folder 'none'\.$"):
        FileCache.add_folder_to_file_cache("none", "out", "c.sqlite")


def test_paths_stay_as_they_are_given(data, tmp_path):
    FileCache.create_file_cache("out")
    for given in ("data", "./data/", str(tmp_path / "data"), "data/../data"):
        FileCache.add_folder_to_file_cache(given, "out")
    found = {row[0] for row in rows("out/file_cache.sqlite", "path")}
    assert {"data/it's.png", "./data/it's.png", f"{tmp_path}/data/it's.png", "data/../data/it's.png"} <= found


@pytest.mark.parametrize("name", ["'; DROP TABLE file_cache; --", 'a"b\nc', "Ж中😀", "%s?*[x]", "x" * 251])
def test_any_name_is_a_row(tmp_path, name):
    (tmp_path / f"{name}.png").write_bytes(png("red"))
    path = FileCache.create_file_cache(tmp_path / "out")
    assert FileCache.add_folder_to_file_cache(tmp_path, tmp_path / "out").n_added == 1
    assert FileCache.get_img_by_hash(path, hash_of("red"))["path"] == f"{tmp_path}/{name}.png"


def test_images_of_the_same_pixels_are_all_kept(tmp_path):
    for name, size in (("a", (10, 20)), ("b", (20, 10)), ("c", (10, 20))):
        (tmp_path / f"{name}.png").write_bytes(png("black", size))
    path = FileCache.create_file_cache(tmp_path / "out")
    FileCache.add_folder_to_file_cache(tmp_path, tmp_path / "out")
    assert len(set(rows(path, "hash_id"))) == 1
    assert len(rows(path)) == 3
    assert FileCache.get_img_by_hash(path, hash_of("black", (10, 20)))["file_name"] == "a.png"


def test_the_helpers_tell_what_would_be_added(data, caplog):
    assert (
        FileCache.compute_hash(Image.new("RGB", (4, 3), "red")) == FileCache.compute_hash(png("red")) == hash_of("red")
    )
    assert FileCache.empty_dirs_check(data) == ["data/empty"]
    assert caplog.messages == ["Empty folder found. Ignoring it: data/empty"]
    assert list(FileCache.data_gen(data)) == [
        "data/Main.ZIP",
        "data/Main.ZIP/main/r.png",
        "data/Main.ZIP/main/sub.zip",
        "data/Main.ZIP/main/sub.zip/deep/g.png",
        "data/it's.png",
        "data/sub/b.PNG",
    ]


PROCESS = """
from spacer_like.tags import file_cache
file_cache._ROWS = 5
file_cache.FileCache.create_file_cache("both")
file_cache.FileCache.add_folder_to_file_cache("many", "both")
"""


def test_processes_add_the_same_folder_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "many").mkdir()
    for number in range(60):
        (tmp_path / f"many/{number}.png").write_bytes(png((number, 0, 0)))
    working = [subprocess.Popen([sys.executable, "-c", PROCESS], cwd=tmp_path) for _ in range(2)]
    assert [process.wait(60) for process in working] == [0, 0]
    assert len(rows("both/file_cache.sqlite")) == 60
    assert [path.name for path in (tmp_path / "both").iterdir()] == ["file_cache.sqlite"]
