"""Collections of images with their tags, and without."""

import os
import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacer_like.exceptions import CollectionError
from spacer_like.location import DataLocation
from spacer_like.storage import clear_memory_storage, write_bytes
from spacer_like.tags.source import open_tag_source


def folder(tmp_path, *names):
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        else:
            path.write_bytes(name.encode())
    return DataLocation("filesystem", str(tmp_path))


def zipped(*names):
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name in names:
            made.writestr(name, name.encode())
    return stream.getvalue()


def stored(*names):
    write_bytes(DataLocation("memory", "sets/reef.zip"), zipped(*names))
    return DataLocation("memory", "sets/reef.zip")


@pytest.fixture(autouse=True)
def _memory():
    yield
    clear_memory_storage()


def listed(loc, tagged, **options):
    with open_tag_source(loc, tagged, **options) as source:
        for image in source.images:
            assert source.read(image)
        return [(image.path, image.tag) for image in source.images], [entry.name for entry in source.unreadable]


def test_the_tag_is_the_folder(tmp_path):
    loc = folder(tmp_path, "red/b.PNG", "red/a.jpeg", "blue one/c.WebP", "red/.DS_Store", "Thumbs.db", ".git/x")
    assert listed(loc, True, shown="./data/") == (
        [("./data/blue one/c.WebP", "blue one"), ("./data/red/a.jpeg", "red"), ("./data/red/b.PNG", "red")],
        [],
    )


@pytest.mark.parametrize("top", ["", "data/", "a/"])
def test_the_root_of_an_archive_is_its_only_folder_or_itself(top):
    loc = stored(f"{top}red/1.png", f"{top}blue/2.png", f"__MACOSX/{top}red/._1.png")
    begin = f"memory://sets/reef.zip/{top}"
    assert listed(loc, True) == ([(f"{begin}blue/2.png", "blue"), (f"{begin}red/1.png", "red")], [])


def test_an_archive_of_one_tag_is_no_root():
    assert listed(stored("red/1.png", "red/2.png"), True)[0][0] == ("memory://sets/reef.zip/red/1.png", "red")


BAD = {
    "red/1.png 2.png": "a file outside of a tag folder, '{}/2.png'",
    "red/1.png empty/": "an empty folder, '{}/empty'",
    "red/1.png red/more/2.png": "a folder in a tag folder, '{}/red/more'",
    "red/1.png red/more/": "a folder in a tag folder, '{}/red/more'",
    "red/1.png notes.txt": "a file outside of a tag folder, '{}/notes.txt'",
}


@pytest.mark.parametrize("names", BAD)
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_a_collection_that_is_laid_out_otherwise_is_told(tmp_path, names, kind):
    loc = folder(tmp_path, *names.split()) if kind == "folder" else stored("blue/b.png", *names.split())
    with pytest.raises(CollectionError) as error:
        open_tag_source(loc, tagged=True)
    assert BAD[names].format(loc.display_name) in str(error.value)


def test_a_folder_of_nothing_but_hidden_files_is_empty(tmp_path):
    with pytest.raises(CollectionError, match="an empty folder"):
        open_tag_source(folder(tmp_path, "red/1.png", "blue/.DS_Store"), tagged=True)


def test_a_tag_folder_that_is_a_link_is_told(tmp_path):
    loc = folder(tmp_path, "data/red/1.png", "other/2.png")
    os.symlink(tmp_path / "other", tmp_path / "data/blue")
    with pytest.raises(CollectionError, match=r"^The folder '.*/data/blue' is a link"):
        open_tag_source(DataLocation("filesystem", f"{loc.key}/data"), tagged=True)


def test_patterns_may_leave_out_what_would_be_an_error(tmp_path):
    loc = folder(tmp_path, "red/1.png", "notes.txt", "red/more/2.png", "empty/", "blue/3.png")
    found = listed(loc, True, exclude=["notes.txt", "more", "empty", "blue/*"], shown="")
    assert found == ([("red/1.png", "red")], [])
    with open_tag_source(loc, True, ["*.txt", "more", "empty", "blue", "none"]) as source:
        assert (source.unmatched, source.n_excluded) == (["empty", "none"], 3)


def test_other_files_in_a_tag_folder_are_unreadable(tmp_path):
    loc = folder(tmp_path, "red/1.png", "red/2.txt", "red/3.zip")
    assert listed(loc, True, shown="d") == ([("d/red/1.png", "red")], ["d/red/2.txt", "d/red/3.zip"])


def test_images_without_tags_lie_anywhere(tmp_path):
    loc = folder(tmp_path, "b/2.png", "1.png", "b/c/d/3.tiff", "notes.txt", "empty/")
    (tmp_path / "z.ZIP").write_bytes(zipped("x/4.gif", "5.txt"))
    images, unreadable = listed(loc, False, shown="in")
    assert images == [(f"in/{name}", None) for name in ("1.png", "b/2.png", "b/c/d/3.tiff", "z.ZIP/x/4.gif")]
    assert unreadable == ["in/notes.txt", "in/z.ZIP/5.txt"]


def test_one_image_is_a_collection_without_tags(tmp_path):
    loc = DataLocation("filesystem", folder(tmp_path, "a.JPG").key + "/a.JPG")
    assert listed(loc, False, shown="./a.JPG") == ([("./a.JPG", None)], [])
    with pytest.raises(CollectionError, match="is one image, and no collection with tags"):
        open_tag_source(loc, tagged=True)


def test_strange_names_are_read_and_those_that_are_no_text_are_rows(tmp_path):
    names = ['it\'s "red"', "a\nb", "Ж中😀", "%s?*[x]", "x" * 251]
    loc = folder(tmp_path, *(f"t\n'/{name}.png" for name in names))
    with open(os.fsencode(f"{tmp_path}/t\n'/") + b"\xff.png", "wb"):
        pass
    images, unreadable = listed(loc, True, shown="d")
    assert images == [(f"d/t\n'/{name}.png", "t\n'") for name in sorted(names)]
    assert unreadable == ["d/t\n'/\\udcff.png"]


def test_the_collection_is_not_touched(tmp_path):
    loc = folder(tmp_path, "red/1.gif", "red/2.png")
    os.chmod(tmp_path / "red", 0o500)
    before = {path: path.stat() for path in sorted(tmp_path.rglob("*"))}
    listed(loc, True)
    after = {path: path.stat() for path in sorted(tmp_path.rglob("*"))}
    assert [(path, status.st_mtime_ns) for path, status in before.items()] == [
        (path, status.st_mtime_ns) for path, status in after.items()
    ]
    os.chmod(tmp_path / "red", 0o700)


PART = st.sampled_from(["red", "blue", "a'b", "é"])


@given(st.sets(st.tuples(PART, st.integers(0, 30)), min_size=1), st.randoms())
def test_the_order_is_that_of_the_paths_whatever_that_of_the_archive(members, random):
    names = [f"{tag}/{number}.png" for tag, number in members]
    random.shuffle(names)
    images, _ = listed(stored(*names), True, shown="x")
    assert images == sorted((f"x/{name}", name.split("/")[0]) for name in names)
