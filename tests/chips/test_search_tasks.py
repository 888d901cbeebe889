"""From chips to similar places, from storage to storage."""

import csv
import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from spacer_like.chips.messages import BuildIndexMsg, EncodeChipsMsg, FindSimilarMsg
from spacer_like.chips.models.multilabel_model import MULTILABEL_MODEL, MultilabelModel
from spacer_like.chips.tasks.search import build_index, encode_chips, find_similar
from spacer_like.embeddings.embeddings_file import read_embeddings
from spacer_like.embeddings.index import read_index
from spacer_like.exceptions import (
    CollectionError,
    DataNotFoundError,
    ExtractorMismatchError,
    FeatureFileError,
    ImageError,
    MessageError,
    ModelFileError,
    TableError,
)
from spacer_like.extractors.base import FeatureExtractor
from spacer_like.learning.heads import Head, Layer
from spacer_like.location import DataLocation
from spacer_like.registry import register
from spacer_like.storage import clear_memory_storage, exists, read_bytes, write_bytes

from ..embeddings.search_vectors import embeddings_file

CELL = "031111212322"
EARLY, LATE = "1050410012C31100", "b7a4b0f6-8e4c-4a7e-9d0a-2f1c3e5a7b90-inv"
KINDS = ("water", "forest", "fields")


@register
class Texture(FeatureExtractor):
    """Mean and deviation of each channel, and how much neighbours differ, down and across."""

    CROP_SIZE = 16

    @property
    def feature_dim(self):
        return 12

    def patches_to_features(self, patch_list):
        pixels = np.asarray(patch_list, np.float32)
        parts = [pixels.mean(axis=(1, 2)), pixels.std(axis=(1, 2))]
        parts += [np.abs(np.diff(pixels, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)]
        return np.concatenate(parts, axis=1), False


@register
class OtherTexture(Texture):
    """Other features of the same length."""


@pytest.fixture(autouse=True)
def empty_storage():
    clear_memory_storage()
    yield
    clear_memory_storage()


def at(key: str) -> DataLocation:
    return DataLocation("memory", key)


def name_of(number: int, acquisition: str = EARLY) -> str:
    return f"Z33-{CELL}{np.base_repr(number, 4).zfill(5)}_{acquisition}.jpg"


def kind_of(name: str) -> str:
    """Every third chip is water, every third forest, and every third fields."""
    return KINDS[int(name.partition("_")[0][-5:], 4) % 3]


def ground(kind: str, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:48, :48]
    colour, deviation = {"water": ((40, 70, 120), 3), "forest": ((50, 90, 40), 25), "fields": ((160, 150, 80), 8)}[kind]
    light = 45 * ((rows // 6 + columns // 24) % 2) if kind == "fields" else 0 * rows
    pixels = np.array(colour) + light[..., None] + deviation * random.normal(size=(48, 48, 1)) + random.normal(0, 4, 3)
    return pixels.clip(0, 255).astype(np.uint8)


def jpeg(pixels: np.ndarray) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(pixels).save(sink, "JPEG", quality=90)
    return sink.getvalue()


def put_chips(n: int = 30, acquisitions=(EARLY, LATE), folder: str = "chips/33") -> list[str]:
    names = [name_of(number, acquisition) for acquisition in acquisitions for number in range(n)]
    for seed, name in enumerate(names):
        write_bytes(at(f"{folder}/{name}"), jpeg(ground(kind_of(name), seed)))
    return sorted(names)


def encoding(**fields) -> EncodeChipsMsg:
    given = {"chips_loc": at("chips/33"), "embeddings_loc": at("e.safetensors"), "extractor": Texture()}
    return EncodeChipsMsg(**given | fields)


def indexing(**fields) -> BuildIndexMsg:
    return BuildIndexMsg(**{"embeddings_locs": [at("e.safetensors")], "index_loc": at("i.safetensors")} | fields)


def finding(**fields) -> FindSimilarMsg:
    return FindSimilarMsg(**{"index_loc": at("i.safetensors")} | fields)


def put_index(n: int = 30, **fields) -> list[str]:
    names = put_chips(n)
    encode_chips(encoding())
    build_index(indexing(**fields))
    return names


def embeddings_at(key: str):
    return read_embeddings(io.BytesIO(read_bytes(at(key))), key)


def model_bytes(extractor=None) -> bytes:
    random = np.random.default_rng(3)
    hidden = Layer(
        random.normal(size=(12, 8)).astype(np.float32), *(np.full(8, value, np.float32) for value in (5, 1, 0))
    )
    last = Layer(random.normal(size=(8, 2)).astype(np.float32), np.zeros(2, np.float32))
    extractor_id = (extractor or Texture()).extractor_id
    head = Head((hidden, last), "sigmoid")
    return MULTILABEL_MODEL.to_bytes(MultilabelModel(("a", "b"), np.array([0.5, 0.5]), head, 16, extractor_id))


# Encoding.


def test_every_chip_is_encoded():
    names = put_chips()
    answer = encode_chips(encoding())
    assert (answer.n_chips, answer.dimension, answer.unreadable) == (60, 12, [])
    assert answer.encoder_id == Texture().extractor_id
    found = embeddings_at("e.safetensors")
    assert (found.encoder_id, list(found.names)) == (answer.encoder_id, names)
    np.testing.assert_allclose(np.linalg.norm(found.vectors.astype(np.float32), axis=1), 1, atol=2e-3)


def test_chips_that_are_no_images_are_told_and_left_out():
    names = put_chips(4, [EARLY])
    write_bytes(at(f"chips/33/{names[1]}"), b"no image")
    answer = encode_chips(encoding())
    assert answer.n_chips == 3
    assert [chip.name for chip in answer.unreadable] == [names[1]]
    assert list(embeddings_at("e.safetensors").names) == [names[0], *names[2:]]


def test_where_no_chip_can_be_read_nothing_is_written():
    for name in (name_of(1), name_of(2)):
        write_bytes(at(f"chips/33/{name}"), b"no image")
    with pytest.raises(CollectionError, match="None of the 2 chips of 'memory://chips/33' can be decoded, the first"):
        encode_chips(encoding())
    assert not exists(at("e.safetensors"))


def test_a_model_encodes_with_the_extractor_it_was_trained_with():
    put_chips(4)
    write_bytes(at("m.safetensors"), model_bytes())
    answer = encode_chips(encoding(model_loc=at("m.safetensors")))
    assert (answer.n_chips, answer.dimension) == (8, 8)
    assert answer.encoder_id != Texture().extractor_id
    with pytest.raises(ExtractorMismatchError, match=r"memory://m.safetensors: "):
        encode_chips(encoding(model_loc=at("m.safetensors"), extractor=OtherTexture()))


def test_a_model_that_is_none_is_told():
    put_chips(2)
    write_bytes(at("m.safetensors"), b"no model")
    with pytest.raises(ModelFileError, match=r"memory://m.safetensors: "):
        encode_chips(encoding(model_loc=at("m.safetensors")))


def test_without_extractor_and_model_nothing_is_encoded():
    put_chips(2)
    with pytest.raises(MessageError, match="by an extractor, by a model"):
        encode_chips(encoding(extractor=None))


def test_no_chips_are_an_error():
    with pytest.raises(DataNotFoundError, match="memory://chips/33"):
        encode_chips(encoding())


# Indexes.


def test_an_index_of_codes_says_what_it_finds_and_finds_it_with_the_vectors():
    names = put_chips()
    encode_chips(encoding())
    answer = build_index(indexing(kind="codes"))
    assert (answer.kind, answer.n_chips, answer.n_lists) == ("codes", 60, None)
    assert answer.recall >= answer.code_recall
    assert answer.recall >= 0.95
    asked = {"chip": names[3], "other_places": False, "k": 5}
    found = find_similar(finding(**asked, embeddings_locs=[at("e.safetensors")])).similar
    build_index(indexing(index_loc=at("exact.safetensors")))
    assert found == find_similar(finding(**asked, index_loc=at("exact.safetensors"))).similar
    with pytest.raises(FeatureFileError, match="holds codes: name the files of vectors that it was made of, too"):
        find_similar(finding(**asked))
    with pytest.raises(MessageError, match="An index of codes has no lists"):
        build_index(indexing(kind="codes", n_lists=3))


def test_an_index_is_made_of_several_files():
    put_chips(10, [EARLY])
    encode_chips(encoding(embeddings_loc=at("early")))
    put_chips(10, [LATE], folder="late")
    encode_chips(encoding(chips_loc=at("late"), embeddings_loc=at("late.safetensors")))
    answer = build_index(indexing(embeddings_locs=[at("late.safetensors"), at("early")]))
    assert (answer.n_chips, answer.dimension, answer.kind, answer.n_lists) == (20, 12, "exact", None)
    index = read_index(io.BytesIO(read_bytes(at("i.safetensors"))), "i")
    assert list(index.names) == sorted(name_of(n, acquisition) for n in range(10) for acquisition in (EARLY, LATE))


@pytest.mark.parametrize(("n_lists", "count"), [(None, 30), (5, 5)])
def test_an_index_with_lists(n_lists, count):
    pytest.importorskip("faiss")
    put_chips(30)
    encode_chips(encoding())
    answer = build_index(indexing(kind="ivf", n_lists=n_lists))
    assert (answer.kind, answer.n_lists) == ("ivf", count)
    first = read_bytes(at("i.safetensors"))
    build_index(indexing(kind="ivf", n_lists=n_lists))
    assert read_bytes(at("i.safetensors")) == first


def test_an_exact_index_has_no_lists():
    with pytest.raises(MessageError, match="no lists"):
        build_index(indexing(n_lists=5))


def test_more_lists_than_chips_are_refused_and_the_index_of_before_stays():
    pytest.importorskip("faiss")
    put_index(3)
    before = read_bytes(at("i.safetensors"))
    with pytest.raises(FeatureFileError, match="6 vectors cannot be sorted into 7 lists"):
        build_index(indexing(kind="ivf", n_lists=7))
    assert read_bytes(at("i.safetensors")) == before


def test_vectors_of_different_encoders_are_not_indexed_together():
    put_chips(3, [EARLY])
    encode_chips(encoding())
    put_chips(3, [LATE], folder="late")
    encode_chips(encoding(chips_loc=at("late"), embeddings_loc=at("f"), extractor=OtherTexture()))
    with pytest.raises(ExtractorMismatchError, match=r"'memory://e.safetensors' .* 'memory://f'"):
        build_index(indexing(embeddings_locs=[at("e.safetensors"), at("f")]))


# Similar places.


@pytest.mark.parametrize("kind", ["exact", "ivf"])
@pytest.mark.parametrize("number", [3, 4, 5])
def test_what_is_found_is_of_the_same_kind(kind, number):
    if kind == "ivf":
        pytest.importorskip("faiss")
    put_index(kind=kind)
    similar = find_similar(finding(chip=name_of(number), k=8)).similar
    assert len(similar) == 8
    assert {kind_of(found.chip) for found in similar} == {kind_of(name_of(number))}
    distances = [found.distance for found in similar]
    assert distances == sorted(distances)
    assert 0 < distances[0] < distances[-1] < 1


def test_a_few_lists_are_looked_into_and_more_where_they_hold_too_few():
    pytest.importorskip("faiss")
    put_index(kind="ivf", n_lists=20)
    exact = [
        found.chip for found in find_similar(finding(chip=name_of(3), k=59, n_probe=20, other_places=False)).similar
    ]
    assert len(exact) == 59
    few = [found.chip for found in find_similar(finding(chip=name_of(3), k=59, n_probe=1, other_places=False)).similar]
    assert few == exact


def test_the_same_place_at_another_time_is_left_out_unless_it_is_wanted():
    put_index()
    write_bytes(at(f"chips/33/{name_of(3, LATE)}"), read_bytes(at(f"chips/33/{name_of(3)}")))
    encode_chips(encoding())
    build_index(indexing())
    others = find_similar(finding(chip=name_of(3), k=59)).similar
    assert len(others) == 58
    assert {name_of(3), name_of(3, LATE)}.isdisjoint(found.chip for found in others)
    all_times = find_similar(finding(chip=name_of(3), k=60, other_places=False)).similar
    assert (all_times[0].chip, all_times[0].distance) == (name_of(3, LATE), 0)
    assert len(all_times) == 59
    assert all_times[1:] == others


def test_the_same_ground_is_left_out_at_every_zoom():
    cell = f"{CELL}00003"
    names = [
        f"Z33-{digits}_{EARLY}.jpg" for digits in (CELL, cell[:16], cell, f"{cell}2", f"{cell[:16]}2", CELL[:-1] + "1")
    ]
    names += [f"Z34-{cell}_{EARLY}.jpg", "a picture.jpg"]
    write_bytes(at("e.safetensors"), embeddings_file(names, np.tile(np.array([[1, 0]], np.float16), (8, 1))))
    build_index(indexing())
    similar = find_similar(finding(chip=names[2])).similar
    assert [found.chip for found in similar] == sorted(names[4:])


def test_equal_chips_are_in_the_order_of_their_names():
    names = [name_of(number) for number in (9, 4, 7, 1)]
    write_bytes(at("e.safetensors"), embeddings_file(names, np.tile(np.array([[1, 0]], np.float16), (4, 1))))
    build_index(indexing())
    similar = find_similar(finding(chip=name_of(4), k=2)).similar
    assert [found.chip for found in similar] == [name_of(1), name_of(7)]


def test_a_chip_alone_has_no_similar_one():
    write_bytes(at("e.safetensors"), embeddings_file([name_of(1)], np.array([[1, 0]], np.float16)))
    build_index(indexing())
    assert find_similar(finding(chip=name_of(1))).similar == []


@pytest.mark.parametrize("form", ["{}", "chips/33/{}", "C:\\chips\\{}"])
def test_a_chip_is_known_by_its_name_with_folders_or_without(form):
    put_index(4)
    expected = find_similar(finding(chip=name_of(1))).similar
    named = form.format(name_of(1))
    assert find_similar(finding(chip=named)).similar == expected
    assert find_similar(finding(chip=named.removesuffix(".jpg"))).similar == expected


def test_of_a_chip_that_the_index_lacks_those_that_begin_alike_are_told():
    put_index(30)
    wanted = name_of(7).replace(EARLY, "1050410012C31200")
    with pytest.raises(DataNotFoundError) as caught:
        find_similar(finding(chip=wanted))
    sentence = str(caught.value)
    assert f"The index 'memory://i.safetensors' has no chip '{wanted}'" in sentence
    assert name_of(7) in sentence
    assert name_of(7, LATE) in sentence


def test_where_chips_are_is_told():
    put_index(10)
    found = find_similar(finding(chip=name_of(1), k=1)).similar[0]
    acquisition = found.chip.partition("_")[2].removesuffix(".jpg")
    assert found.tile == f"33/{CELL}/*/{acquisition}-visual.tif"
    assert (found.longitude, found.latitude) == pytest.approx((12.3, 44.1), abs=0.1)


def test_a_chip_whose_name_says_no_place_is_found_without_one():
    write_bytes(at("e.safetensors"), embeddings_file(["one.jpg", "two.jpg"], np.eye(2, dtype=np.float16)))
    build_index(indexing())
    (found,) = find_similar(finding(chip="one.jpg")).similar
    assert (found.chip, found.tile, found.longitude, found.latitude) == ("two.jpg", None, None, None)
    assert found.distance == pytest.approx(2**0.5)


def test_the_newest_tile_of_a_tree_is_told():
    put_index(2)
    for date in ("2015-05-28", "2019-01-02"):
        write_bytes(at(f"ard/33/{CELL}/{date}/{LATE}-visual.tif"), b"a tile")
    similar = find_similar(finding(chip=name_of(0), ard_loc=at("ard"), k=5, other_places=False)).similar
    tiles = {found.chip: found.tile for found in similar}
    newest = f"memory://ard/33/{CELL}/2019-01-02/{LATE}-visual.tif"
    assert tiles == {name_of(0, LATE): newest, name_of(1, LATE): newest, name_of(1): None}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_answer_is_a_table(ending):
    put_index(10)
    answer = find_similar(finding(chip=name_of(1), k=4, results_locs=[at(f"found.{ending}")]))
    data = read_bytes(at(f"found.{ending}"))
    expected = [found.serialize() for found in answer.similar]
    if ending == "parquet":
        assert pq.read_table(io.BytesIO(data)).to_pylist() == expected
    else:
        rows = list(csv.DictReader(io.StringIO(data.decode())))
        assert rows == [{key: str(value) for key, value in row.items()} for row in expected]


def test_a_table_of_another_ending_is_refused_before_the_work():
    with pytest.raises(TableError, match=r"must end with .csv or .parquet"):
        find_similar(finding(chip="x", results_locs=[at("found.txt")]))


# Images that are looked for.


def test_an_image_finds_chips_of_its_kind():
    put_index()
    write_bytes(at("photo.png"), jpeg(ground("forest", 1000)))
    similar = find_similar(finding(image_loc=at("photo.png"), extractor=Texture(), k=5)).similar
    assert [kind_of(found.chip) for found in similar] == ["forest"] * 5


def test_the_image_of_a_chip_is_at_no_distance_from_it():
    names = put_index()
    image_loc = at(f"chips/33/{names[5]}")
    write_bytes(at("copy.jpg"), read_bytes(image_loc))
    similar = find_similar(finding(image_loc=at("copy.jpg"), extractor=Texture(), k=1)).similar
    assert similar[0].chip == names[5]
    assert similar[0].distance < 1e-3
    similar = find_similar(finding(image_loc=image_loc, extractor=Texture(), k=1)).similar
    assert similar[0].chip[:21] != names[5][:21]


def test_an_image_is_encoded_by_the_model_of_the_index():
    put_chips()
    write_bytes(at("m.safetensors"), model_bytes())
    encode_chips(encoding(model_loc=at("m.safetensors")))
    build_index(indexing())
    write_bytes(at("photo.png"), jpeg(ground("water", 1000)))
    both = {"extractor": Texture(), "model_loc": at("m.safetensors")}
    similar = find_similar(finding(image_loc=at("photo.png"), **both, k=5)).similar
    assert [kind_of(found.chip) for found in similar] == ["water"] * 5
    with pytest.raises(ExtractorMismatchError, match=r"index 'memory://i.safetensors' was made with the encoder"):
        find_similar(finding(image_loc=at("photo.png"), extractor=Texture()))


def test_an_image_that_is_none_is_told():
    put_index(2)
    write_bytes(at("photo.png"), b"no image")
    with pytest.raises(ImageError, match=r"memory://photo.png"):
        find_similar(finding(image_loc=at("photo.png"), extractor=Texture()))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "give one of chip and image_loc"),
        ({"chip": "x", "image_loc": at("photo.png"), "extractor": Texture()}, "give one of chip and image_loc"),
        ({"image_loc": at("photo.png")}, "needs the extractor, or the model"),
        ({"chip": "x", "contact_sheet_loc": at("sheet.png")}, "say in chips_loc"),
    ],
)
def test_a_message_that_cannot_be_answered_is_refused_before_the_work(fields, reason):
    with pytest.raises(MessageError, match=reason):
        find_similar(finding(**fields))


def test_a_file_that_is_no_index_is_told():
    write_bytes(at("i.safetensors"), b"no index")
    with pytest.raises(FeatureFileError, match=r"'memory://i.safetensors' is no file of chip index"):
        find_similar(finding(chip=name_of(1)))


# Elsewhere than in memory.


def test_an_index_of_the_filesystem_is_mapped(tmp_path):
    put_chips()
    embeddings_loc, index_loc = (DataLocation("filesystem", str(tmp_path / key)) for key in ("e", "i"))
    encode_chips(encoding(embeddings_loc=embeddings_loc))
    build_index(indexing(embeddings_locs=[embeddings_loc], index_loc=index_loc))
    assert len(find_similar(finding(index_loc=index_loc, chip=name_of(3))).similar) == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e", "i"]


def test_everything_may_be_on_s3(rclone):
    bucket = rclone.make_bucket()

    def there(key):
        return DataLocation("s3", key, bucket)

    with rclone.settings():
        names = [name_of(number) for number in range(6)]
        for seed, name in enumerate(names):
            write_bytes(there(f"chips/{name}"), jpeg(ground(kind_of(name), seed)))
        encode_chips(encoding(chips_loc=there("chips"), embeddings_loc=there("e")))
        build_index(indexing(embeddings_locs=[there("e")], index_loc=there("i")))
        answer = find_similar(finding(index_loc=there("i"), chip=names[0], k=1, results_locs=[there("found.csv")]))
        assert answer.similar[0].chip == names[3]
        assert read_bytes(there("found.csv")).startswith(b"chip,distance,tile,longitude,latitude\n" + names[3].encode())


# The contact sheet.


def test_a_contact_sheet_is_drawn():
    pytest.importorskip("matplotlib")
    put_index()
    find_similar(finding(chip=name_of(3), chips_loc=at("chips/33"), contact_sheet_loc=at("sheet.png")))
    with Image.open(io.BytesIO(read_bytes(at("sheet.png")))) as sheet:
        assert sheet.width > 600
        colours = np.asarray(sheet.convert("RGB")).reshape(-1, 3).astype(int)
    # The blue of water is on it, and the colour of fields is not.
    assert (np.abs(colours - (40, 70, 120)).max(axis=1) < 20).mean() > 0.1
    assert (np.abs(colours - (160, 150, 80)).max(axis=1) < 20).mean() < 0.01


def test_a_sheet_shows_what_can_be_shown():
    pytest.importorskip("matplotlib")
    names = put_index(4)
    for name in (names[1], names[2]):
        write_bytes(at(f"chips/33/{name}"), b"damaged since")
    photo_loc = at("湖 \U0001f30a.png")
    write_bytes(photo_loc, jpeg(ground("water", 1000)))
    images = {"image_loc": photo_loc, "extractor": Texture(), "k": 8}
    answer = find_similar(finding(**images, chips_loc=at("chips/33"), contact_sheet_loc=at("sheet.jpg")))
    assert len(answer.similar) == 8
    assert read_bytes(at("sheet.jpg")).startswith(b"\xff\xd8")
