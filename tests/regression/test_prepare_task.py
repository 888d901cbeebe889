"""prepare_images: a catalog and a folder of any kind become prepared images; what cannot be is said of each."""

import gzip
import zipfile
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from spacer_like.exceptions import CollectionError, DataNotFoundError, MessageError, TableError
from spacer_like.location import DataLocation
from spacer_like.messages import PrepareImagesMsg
from spacer_like.regression.tasks.prepare import prepare_images
from spacer_like.storage import clear_memory_storage, list_keys, read_bytes, write_bytes

from .galaxies import at, catalog, encoded, pixels, stored

GOOD = (44182, 67, 0, "", "")
CATALOG, IMAGES, OUT = at("catalog.txt"), at("galaxies"), at("out")


@pytest.fixture(autouse=True)
def _empty():
    clear_memory_storage()
    yield
    clear_memory_storage()


def prepared(files, rows=(GOOD,), **fields):
    """The answer, and the files that were written by their names."""
    write_bytes(CATALOG, rows if isinstance(rows, bytes) else catalog(*rows))
    answer = prepare_images(
        PrepareImagesMsg(images_loc=stored(IMAGES, files), catalog_loc=CATALOG, out_loc=OUT, **{"size": 8} | fields)
    )
    return answer, written()


def written():
    return {loc.key.removeprefix("out/"): read_bytes(loc) for loc in sorted(list_keys(OUT), key=lambda loc: loc.key)}


def jpeg(array, size=8):
    sink = BytesIO()
    Image.fromarray(array).resize((size, size)).save(sink, "JPEG")
    return sink.getvalue()


def test_a_grey_image_is_resized_and_saved_as_pillow_does():
    grey = pixels(20, 20)
    answer, files = prepared({"pgc44182_d25x2_rot_g.png": encoded(grey)})
    assert files == {"8x8_g/pgc44182_8x8_67.g.jpg": jpeg(grey)}
    assert (answer.folder, answer.n_written, answer.n_missing, answer.n_failed) == ("8x8_g", 1, 0, 0)


def test_the_sdss_image_of_colour_comes_first():
    first, second = pixels(9, 9, 3), pixels(9, 9, 3, seed=1)
    names = ("pgc44182_d25x2_rot_gri.sdss.jpg", "pgc44182_d25x2_rot_gri.jpg")
    _, files = prepared(dict(zip(names, map(encoded, (first, second)), strict=True)), band="gri")
    assert files == {"8x8_RGB/pgc44182_8x8_67.RGB.jpg": jpeg(first)}


def test_the_label_follows_the_catalog():
    rows = [
        (2, 67.9, 0, "", ""),
        (3, 0, 1, "F", ""),
        (4, "", 2, "", "[face_on] x"),
        (5, 30, 1, "", ""),
        (6, 40, 0, "", ""),
    ]
    answer, files = prepared(
        {f"pgc{number}_d25x2_rot_r.png": encoded(pixels(8, 8)) for number in range(2, 7)}, rows, band="r"
    )
    assert [name.split("_")[3].split(".")[0] for name in files] == ["67", "F", "F", "0", "40"]
    assert answer.labels == {"inclination": 2, "face_on": 2, "rejected": 1}


@pytest.mark.parametrize("ending", ["png", "npy"])
def test_other_formats_lose_nothing(ending):
    grey = pixels(8, 8)
    _, files = prepared({"pgc44182_x_i.png": encoded(grey)}, band="i", root="x", format=ending)
    data = files[f"8x8_i/pgc44182_8x8_67.i.{ending}"]
    np.testing.assert_array_equal(
        np.load(BytesIO(data)) if ending == "npy" else np.asarray(Image.open(BytesIO(data))), grey
    )


def test_alpha_is_dropped_sixteen_bits_are_scaled_and_what_is_no_square_is_padded():
    grey = pixels(8, 8)
    files = {
        "pgc1_x_g.png": encoded(np.stack([grey, pixels(8, 8, seed=2)], axis=2)),
        "pgc2_x_g.png": encoded(grey.astype(np.uint16) * 257),
        "pgc3_x_g.png": encoded(grey[:4]),
    }
    _, found = prepared(files, [(number, 50, 0, "", "") for number in (1, 2, 3)], root="x", format="npy")
    with_alpha, sixteen, padded = (np.load(BytesIO(data)) for data in found.values())
    np.testing.assert_array_equal(with_alpha, grey)
    np.testing.assert_array_equal(sixteen, grey)
    np.testing.assert_array_equal(padded, np.concatenate([np.zeros((2, 8)), grey[:4], np.zeros((2, 8))]))


def test_a_broken_image_is_a_row_of_the_failures_and_the_others_are_prepared():
    rows = [(number, 50, 0, "", "") for number in (1, 2, 3, 4)]
    images = {f"pgc{number}_d25x2_rot_g.png": encoded(pixels(9, 9)) for number in (1, 4, 8)}
    cut = encoded(pixels(40, 40))[:500]
    answer, files = prepared(images | {"pgc2_d25x2_rot_g.png": cut}, rows, failures_loc=at("out", "failures.csv"))
    assert (answer.n_galaxies, answer.n_written, answer.n_missing, answer.n_failed, answer.n_unlisted) == (
        4,
        2,
        1,
        1,
        1,
    )
    assert (answer.missing, answer.failed[0].name) == ([3], "pgc2_d25x2_rot_g.png")
    assert files["failures.csv"].decode().splitlines() == [
        "path,reason",
        f"pgc2_d25x2_rot_g.png,{answer.failed[0].reason}",
    ]
    assert "8x8_g/pgc4_8x8_50.g.jpg" in files


def test_a_run_in_which_every_image_fails_is_an_error():
    with pytest.raises(CollectionError, match=r"The one image in .* cannot be prepared: The file 'pgc44182_d"):
        prepared({"pgc44182_d25x2_rot_g.png": b"no image"})
    assert written() == {}


def test_images_of_other_names_or_galaxies_are_an_error_that_says_which_are_looked_for():
    with pytest.raises(CollectionError, match=r"names must be like pgc44182_d25x2_rot_g\.png\.$"):
        prepared({"pgc44182_d25x2_rot_r.png": encoded(pixels(8, 8))})
    with pytest.raises(CollectionError, match="The 1 images of this band there are of others"):
        prepared({"pgc5_d25x2_rot_g.png": encoded(pixels(8, 8))})
    clear_memory_storage()
    with pytest.raises(DataNotFoundError, match="catalog"):
        prepare_images(PrepareImagesMsg(images_loc=IMAGES, catalog_loc=CATALOG, out_loc=OUT))


@pytest.mark.parametrize(
    ("rows", "why"),
    [(b"x,67,0,,\ny,60,0,,\n", "the first of 2, in line 2: The column pgc holds 'x'"), (b"", "there is none")],
)
def test_a_catalog_without_a_row_that_can_be_read_is_an_error_that_says_why(rows, why):
    with pytest.raises(CollectionError, match=f"No row of the catalog 'memory://catalog.txt' is a galaxy; {why}"):
        prepared({"pgc44182_d25x2_rot_g.png": encoded(pixels(8, 8))}, b"pgc,inc,inc_flg,fon,inc_note\n" + rows)


def test_rows_of_the_catalog_that_cannot_be_read_are_reported():
    answer, _ = prepared(
        {"pgc44182_d25x2_rot_g.png": encoded(pixels(8, 8))},
        b"pgc,inc,inc_flg,fon,inc_note\n44182, 67 ,0,,\nx,67,0,,\n44182,60,0,,\n",
    )
    assert [fault.line for fault in answer.faults] == [3, 4]
    assert answer.n_faults == 2
    with pytest.raises(TableError, match="lacks the columns inc_flg, fon, inc_note"):
        prepared({}, b"pgc|inc\n1|50\n")


@pytest.mark.parametrize(
    "field",
    [{"band": "z"}, {"band": "RGB"}, {"size": 0}, {"size": 8.0}, {"root": "a/b"}, {"root": ""}, {"format": "gif"}],
)
def test_a_message_with_an_unknown_value_is_refused(field):
    with pytest.raises(MessageError, match=next(iter(field))):
        PrepareImagesMsg(images_loc=IMAGES, catalog_loc=CATALOG, out_loc=OUT, **field)


def test_an_image_under_an_earlier_label_is_deleted_and_nothing_else():
    images = {"pgc44182_d25x2_rot_g.png": encoded(pixels(8, 8))}
    prepared(images)
    others = {"8x8_g/pgc5_8x8_50.g.jpg": b"5", "8x8_g/notes.txt": b"n", "8x8_g/pgc44182_8x8_67.g.png": b"png"}
    stored(OUT, others)
    _, files = prepared(images, [(44182, 70, 0, "", "")])
    assert files.keys() == {*others, "8x8_g/pgc44182_8x8_70.g.jpg"}


def test_images_come_from_archives_too_and_no_input_is_modified(tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as file:
        file.writestr("images/pgc44182_d25x2_rot_g.png", encoded(pixels(9, 9)))
    (tmp_path / "catalog.txt").write_bytes(catalog(GOOD))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    folder = DataLocation("filesystem", str(tmp_path))
    answer = prepare_images(
        PrepareImagesMsg(folder.below("images.zip"), folder.below("catalog.txt"), folder.below("out"), size=8)
    )
    assert answer.n_written == 1
    assert {path: path.read_bytes() for path in before} == before
    assert (tmp_path / "out" / "8x8_g" / "pgc44182_8x8_67.g.jpg").read_bytes() == jpeg(pixels(9, 9))


def galaxy_fits(*parts):
    fits = pytest.importorskip("astropy.io.fits")
    sink = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), *map(fits.ImageHDU, parts)]).writeto(sink)
    return sink.getvalue()


def light(height=10, width=10):
    y, x = np.mgrid[:height, :width]
    return (9 + 50 * np.exp(-((x - 5.0) ** 2 + (y - 5) ** 2) / 6)).astype(np.float32)


def test_fits_is_stretched_whatever_it_holds_and_packed_or_not():
    with_gap = light()
    with_gap[0, :3] = np.nan
    files = {
        "pgc1_x_g.fits": galaxy_fits(with_gap),
        "pgc2_x_g.fits.gz": gzip.compress(galaxy_fits(light(10, 6))),
        "pgc3_x_g.fit": galaxy_fits(light(), light()),
        "pgc4_x_g.fits": galaxy_fits(),
        "pgc5_x_g.fits.gz": b"\x1f\x8b no gzip",
    }
    rows = [(number, 50, 0, "", "") for number in range(1, 6)]
    answer, found = prepared(files, rows, root="x", format="npy", size=10)
    first, second = (np.load(BytesIO(data)) for data in found.values())
    assert (first[5, 5], first[0, 0], second[5, 5 + 2], second[5, 0]) == (255, 0, 255, 0)
    assert [one.name for one in answer.failed] == ["pgc3_x_g.fit", "pgc4_x_g.fits", "pgc5_x_g.fits.gz"]
    for one, words in zip(
        answer.failed, ("name the extension of one", "has no image", "cannot be read as FITS"), strict=True
    ):
        assert words in one.reason
    answer, _ = prepared(files, rows, root="x", format="npy", size=10, extension=1)
    assert [one.name for one in answer.failed] == ["pgc4_x_g.fits", "pgc5_x_g.fits.gz"]


def test_fits_of_colour_has_three_images():
    answer, found = prepared({"pgc44182_x_gri.fits": galaxy_fits(light(), light(), light())}, band="gri", root="x")
    assert (answer.n_written, list(found)) == (1, ["8x8_RGB/pgc44182_8x8_67.RGB.jpg"])


def test_everything_may_be_on_s3(moto):
    bucket = DataLocation("s3", "", moto.make_bucket())
    with moto.settings():
        images = stored(bucket.below("galaxies"), {"pgc44182_d25x2_rot_g.png": encoded(pixels(9, 9))})
        write_bytes(bucket.below("catalog.txt"), catalog(GOOD))
        answer = prepare_images(PrepareImagesMsg(images, bucket.below("catalog.txt"), bucket.below("out"), size=8))
        assert answer.n_written == 1
        assert [loc.key for loc in list_keys(bucket.below("out"))] == ["out/8x8_g/pgc44182_8x8_67.g.jpg"]


@pytest.mark.parametrize("ending", ["png", "fits"])
def test_an_empty_file_is_called_so(ending):
    with pytest.raises(CollectionError, match=rf": The file 'pgc44182_d25x2_rot_g\.{ending}' is empty: give "):
        prepared({f"pgc44182_d25x2_rot_g.{ending}": b""})
