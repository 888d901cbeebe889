"""Chips with any number of bands, from rasters to vectors, labels and similar places."""

import io

import numpy as np
import pytest
import rasterio
from PIL import Image

from spacer_like.chips.band_chips import band_image
from spacer_like.chips.messages import (
    BuildIndexMsg,
    CutRasterMsg,
    EncodeChipsMsg,
    FindSimilarMsg,
    LabelChipsMsg,
    TrainMultilabelMsg,
)
from spacer_like.chips.rasters.chip_files import chip_file
from spacer_like.chips.tasks.models import label_chips, train_multilabel
from spacer_like.chips.tasks.rasters import cut_raster
from spacer_like.chips.tasks.search import build_index, encode_chips, find_similar
from spacer_like.embeddings import read_embeddings
from spacer_like.exceptions import CollectionError, DataLimitError, ExtractorMismatchError, ImageError, TileError
from spacer_like.extractors import BandStatisticsExtractor, EfficientNetLite0Extractor, RandomFeaturesExtractor
from spacer_like.location import DataLocation
from spacer_like.storage import clear_memory_storage, read_bytes, write_bytes

from .raster_making import planetscope

EXTRACTORS = [BandStatisticsExtractor(), RandomFeaturesExtractor(n_features=16)]
PLACED = (10, 0, 300_000, 0, -10, 4_900_000)
of_each = pytest.mark.parametrize("extractor", EXTRACTORS, ids=["statistics", "random"])


@pytest.fixture(autouse=True)
def empty_storage():
    clear_memory_storage()
    yield
    clear_memory_storage()


def at(key: str) -> DataLocation:
    return DataLocation("memory", key)


def npy(pixels: np.ndarray) -> bytes:
    return chip_file(np.moveaxis(pixels, -1, 0), "npy")


def name_of(number: int, tile: int = 0, ending: str = "npy") -> str:
    return f"Z33-0311112123{tile:02d}{np.base_repr(number, 4).zfill(5)}_1050410012C31100.{ending}"


def ground(kind: int, seed: int, bands: int = 6) -> np.ndarray:
    """Kinds differ in bands that no picture has."""
    random = np.random.default_rng(seed)
    pixels = 3000 + 300 * random.standard_normal((16, 16, bands))
    pixels[:, :, bands - 2] += 1500 * kind
    return pixels.clip(1, 10_000).astype(np.uint16)


def put_chips(n: int = 12, tiles=(0, 11), ending: str = "npy") -> dict[str, int]:
    """Chips of two kinds in some tiles, and which kind each is."""
    kinds = {}
    for tile in tiles:
        for number in range(n):
            name = name_of(number, tile, ending)
            kinds[name] = number % 2
            data = ground(number % 2, 100 * tile + number)
            write_bytes(at(f"chips/{name}"), chip_file(np.moveaxis(data, -1, 0), ending))
    return kinds


def encoded(extractor, chips: str = "chips", out: str = "e.safetensors"):
    answer = encode_chips(EncodeChipsMsg(chips_loc=at(chips), embeddings_loc=at(out), extractor=extractor))
    return answer, read_embeddings(io.BytesIO(read_bytes(at(out))), out)


# Files.


def test_an_array_is_read_as_it_is_and_zeros_of_whole_numbers_are_no_data():
    pixels = ground(0, 1)
    pixels[:3, :4] = 0
    found = band_image(npy(pixels), "a.npy")
    assert (found.pixels == pixels).all()
    assert not found.valid[:3, :4].any()
    assert found.valid.sum() == 16 * 16 - 12
    assert band_image(npy(pixels[:, :, 0] + 1), "a.npy").pixels.shape == (16, 16, 1)
    assert band_image(npy(pixels + 1), "a.npy").valid is None


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32"])
def test_a_geotiff_says_itself_which_pixels_have_data(dtype):
    pixels = np.moveaxis(ground(0, 1) // 50, -1, 0).astype(dtype)
    pixels[:, :5] = 77
    found = band_image(chip_file(pixels, "tif", None, None, PLACED, 77), "a.tif")
    plain = band_image(chip_file(pixels, "tif", None, None, PLACED), "a.tif")
    assert found.pixels.dtype == dtype
    assert (np.moveaxis(found.pixels, -1, 0) == pixels).all()
    assert (found.valid == (pixels != 77).all(axis=0)).all()
    assert plain.valid is None


def test_numbers_that_are_not_finite_and_other_types_are_no_data_and_float32():
    pixels = np.ones((4, 5, 2))
    pixels[1, 2, 0], pixels[2, 2, 1] = np.nan, -1.7e308
    found = band_image(npy(pixels), "a.npy")
    assert found.pixels.dtype == np.float32
    assert np.argwhere(~found.valid).tolist() == [[1, 2], [2, 2]]


def test_pictures_have_one_band_or_three_and_transparency_is_no_data():
    colours = (ground(0, 1, 3) // 40 + 1).astype(np.uint8)
    files = {}
    for kind, image in {
        "rgb.jpg": Image.fromarray(colours),
        "rgb.png": Image.fromarray(colours),
        "grey.png": Image.fromarray(colours[:, :, 0]),
        "deep.png": Image.fromarray(ground(0, 1)[:, :, 0]),
        "clear.png": Image.fromarray(np.dstack([colours, np.arange(256).reshape(16, 16) // 16 * 17]).astype(np.uint8)),
    }.items():
        sink = io.BytesIO()
        image.save(sink, {"jpg": "JPEG", "png": "PNG"}[kind[-3:]])
        files[kind] = band_image(sink.getvalue(), kind)
    assert {kind: (one.pixels.shape[2], str(one.pixels.dtype)) for kind, one in files.items()} == {
        "rgb.jpg": (3, "uint8"),
        "rgb.png": (3, "uint8"),
        "grey.png": (1, "uint8"),
        "deep.png": (1, "uint16"),
        "clear.png": (3, "uint8"),
    }
    assert not files["clear.png"].valid[0].any()
    assert files["clear.png"].valid[1:].all()


@pytest.mark.parametrize("name", ["a.npy", "a.tif", "a.png"])
def test_files_that_are_none_are_told(name):
    with pytest.raises((ImageError, TileError), match=name):
        band_image(b"no chip", name)


def test_a_header_alone_reserves_no_memory():
    header = npy(np.zeros((4, 5, 2), np.uint8)).replace(b"(4, 5, 2)", b"(40000, 50000, 2)")
    with pytest.raises((DataLimitError, ImageError)):
        band_image(header, "a.npy")


# Encoding.


@of_each
def test_chips_of_a_raster_are_encoded_as_they_were_cut_whatever_the_format(tmp_path, extractor):
    raster = planetscope(tmp_path / "scene.tif")
    vectors = []
    for file_format in ("tif", "npy"):
        cut_raster(
            CutRasterMsg(
                raster_loc=DataLocation("filesystem", str(raster)),
                chips_loc=at(file_format),
                manifest_loc=at(f"{file_format}/manifests/scene.parquet"),
                grid="pixels",
                size=64,
                dtype="source",
                format=file_format,
            )
        )
        answer, found = encoded(extractor, file_format)
        assert (answer.n_chips, answer.unreadable) == (25, [])
        assert found.images == {"bands": 4, "dtype": "uint16", "range": [0, 10_000]}
        vectors.append(found.vectors)
    assert (vectors[0] == vectors[1]).all()


def test_a_value_without_data_that_only_the_manifest_knows_is_left_out(tmp_path):
    raster = planetscope(tmp_path / "scene.tif", nodata=5000)
    with rasterio.open(raster, "r+") as file:
        pixels = file.read()
        pixels[:, :20] = 5000
        file.write(pixels)
    for key, file_format in (("tif", "tif"), ("npy", "npy")):
        cut_raster(
            CutRasterMsg(
                raster_loc=DataLocation("filesystem", str(raster)),
                chips_loc=at(key),
                manifest_loc=at(f"{key}/manifests/scene.parquet"),
                grid="pixels",
                size=32,
                dtype="source",
                format=file_format,
            )
        )
    both = [encoded(EXTRACTORS[0], key)[1].vectors for key in ("tif", "npy")]
    assert (both[0] == both[1]).all()


@of_each
def test_a_chip_alone_has_the_vector_that_it_has_in_company(extractor):
    put_chips()
    _, together = encoded(extractor)
    name = name_of(3)
    write_bytes(at(f"one/{name}"), read_bytes(at(f"chips/{name}")))
    _, alone = encoded(extractor, "one")
    assert alone.vectors.tobytes() == together.vectors[list(together.names).index(name)].tobytes()


def test_a_chip_with_other_bands_is_told_and_left_out():
    put_chips(4)
    for number, data in ((8, ground(0, 1, 4)), (9, ground(0, 1).astype(np.float32))):
        write_bytes(at(f"chips/{name_of(number)}"), npy(data))
    answer, _ = encoded(EXTRACTORS[0])
    assert answer.n_chips == 8
    assert [chip.reason for chip in answer.unreadable] == [
        "It has 4 bands of uint16, and the extractor takes 6 bands of uint16: work on images of one kind at a time.",
        "It has 6 bands of float32, and the extractor takes 6 bands of uint16: work on images of one kind at a time.",
    ]


def test_the_kind_is_that_of_most_chips_and_not_of_the_first():
    put_chips(40)
    write_bytes(at("chips/A.npy"), npy(ground(0, 1, 4)))
    answer, found = encoded(EXTRACTORS[0])
    assert (answer.n_chips, found.images["bands"]) == (80, 6)
    assert [chip.name for chip in answer.unreadable] == ["A.npy"]


def test_pictures_beside_arrays_are_counted_in_a_sentence(caplog):
    put_chips(2)
    write_bytes(at("chips/preview.jpg"), b"")
    assert encoded(EXTRACTORS[0])[0].n_chips == 4
    assert [record.getMessage() for record in caplog.records] == [
        "In 'memory://chips' pictures are left out beside chips that are GeoTIFF or .npy, 1 beside 4: move them into a "
        "folder of their own."
    ]


def test_extractors_of_squares_say_that_arrays_are_none():
    put_chips(2)
    with pytest.raises(CollectionError, match="are arrays and no pictures: extractors of bands take them"):
        encoded(EfficientNetLite0Extractor())


@of_each
def test_pictures_are_encoded_too(extractor):
    for seed in range(3):
        pixels = np.moveaxis((ground(seed % 2, seed, 3) // 40).astype(np.uint8), -1, 0)
        write_bytes(at(f"chips/{name_of(seed, ending='jpg')}"), chip_file(pixels, "jpg"))
    answer, found = encoded(extractor)
    assert answer.n_chips == 3
    assert found.images == {"bands": 3, "dtype": "uint8", "range": [0, 255]}
    assert answer.encoder_id == extractor.extractor_id


# Places that look alike, and labels.


@of_each
def test_similar_chips_are_of_the_same_kind(extractor):
    kinds = put_chips()
    encoded(extractor)
    build_index(BuildIndexMsg(embeddings_locs=[at("e.safetensors")], index_loc=at("i.safetensors")))
    asked = {"index_loc": at("i.safetensors"), "k": 5, "other_places": False}
    by_name = find_similar(FindSimilarMsg(chip=name_of(3), **asked)).similar
    assert {kinds[one.chip] for one in by_name} == {1}
    image = at(f"chips/{name_of(3)}")
    by_image = find_similar(FindSimilarMsg(image_loc=image, extractor=extractor, **asked)).similar
    assert by_image[0].chip == name_of(3)
    assert by_image[0].distance == pytest.approx(0, abs=1e-3)
    write_bytes(at("other.npy"), npy(ground(0, 1, 4)))
    with pytest.raises(ExtractorMismatchError, match="was made with the encoder"):
        find_similar(FindSimilarMsg(image_loc=at("other.npy"), extractor=extractor, **asked))


def test_vectors_of_other_bands_make_no_index_together():
    put_chips(4)
    encoded(EXTRACTORS[1])
    write_bytes(at(f"four/{name_of(70)}"), npy(ground(0, 1, 4)))
    encoded(EXTRACTORS[1], "four", "f.safetensors")
    both = [at("e.safetensors"), at("f.safetensors")]
    with pytest.raises(ExtractorMismatchError, match=r"of 6 bands of uint16 .* of 4 bands of uint16 from 0.0 to 10000"):
        build_index(BuildIndexMsg(embeddings_locs=both, index_loc=at("i.safetensors")))


def test_a_model_learns_from_bands_that_no_picture_has():
    kinds = put_chips(16)
    rows = [f"{name},{kind},{1 - kind}" for name, kind in kinds.items()]
    write_bytes(at("table.csv"), "\n".join(["Feature,dry,wet", *rows]).encode())
    training = TrainMultilabelMsg(
        table_loc=at("table.csv"),
        chips_loc=at("chips"),
        model_loc=at("m.safetensors"),
        extractor=EXTRACTORS[0],
        layers=[16],
        nbr_epochs=20,
        learning_rate=0.01,
        validation_share=0.5,
    )
    assert train_multilabel(training).figures.sample_f1 == 1
    labelling = LabelChipsMsg(
        chips_loc=at("chips"),
        model_loc=at("m.safetensors"),
        table_locs=[at("out.csv")],
        extractor=EXTRACTORS[0],
    )
    assert label_chips(labelling).counts == {"dry": 16, "wet": 16}
    write_bytes(at(f"four/{name_of(70)}"), npy(ground(0, 1, 4)))
    with pytest.raises(ExtractorMismatchError, match="the extractor"):
        label_chips(labelling.model_copy(update={"chips_loc": at("four"), "model_loc": at("m.safetensors")}))
