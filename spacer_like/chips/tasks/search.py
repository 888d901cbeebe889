"""The tasks that look for similar places: encode chips, build an index of them, find the nearest in it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spacer_like.chips.band_chips import band_image, extractor_for, images_for, images_taken_by, takes_arrays
from spacer_like.chips.chip_drawing import drawn, drawn_chips
from spacer_like.chips.chip_source import dataset_version, open_chips
from spacer_like.chips.messages import (
    BuildIndexMsg,
    BuildIndexReturnMsg,
    EncodeChipsMsg,
    EncodeChipsReturnMsg,
    FindSimilarMsg,
    FindSimilarReturnMsg,
    SimilarChip,
)
from spacer_like.chips.similar_places import (
    Found,
    centres_of,
    index_of_chip,
    indices_of_same_ground,
    parsed_name,
    similar_chips,
    similar_table,
)
from spacer_like.chips.tree import tiles_of
from spacer_like.config import settings
from spacer_like.embeddings import (
    CodeIndex,
    Embeddings,
    Encoder,
    MergedEmbeddings,
    VectorIndex,
    check_same_encoder,
    codes_of,
    extractor_encoder,
    read_embeddings,
    read_index,
    sorted_into_lists,
    usual_list_count,
    write_codes,
    write_embeddings,
    write_index,
)
from spacer_like.exceptions import (
    CollectionError,
    FeatureFileError,
    MessageError,
    SpacerError,
)
from spacer_like.extractors.band_extractors import BandExtractor
from spacer_like.images.files import file_bytes
from spacer_like.images.square import square_into
from spacer_like.message_base import Unreadable, none_of
from spacer_like.overwriting import task
from spacer_like.storage import open_file, read_bytes, temporary_file, write_file
from spacer_like.storage.base import outcomes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from spacer_like.chips.chip_name import ChipName
    from spacer_like.chips.grid import Cell
    from spacer_like.chips.models.multilabel_model import MultilabelModel
    from spacer_like.extractors.base import FeatureExtractor
    from spacer_like.location import DataLocation


@task
def encode_chips(msg: EncodeChipsMsg) -> EncodeChipsReturnMsg:
    """Make a vector of every chip.

    Raises:
        MessageError: neither an extractor nor a model is named.
        ExtractorMismatchError: the model was trained with another extractor.
        CollectionError: there is no chip that can be read.
        DataNotFoundError: there are no chips, or no model.
    """
    start = time.perf_counter()
    arrays = takes_arrays(msg.extractor)
    # Before chips are looked for, where that can be.
    encoder = None if arrays else _encoder(msg, msg.extractor)
    with open_chips(msg.chips_loc, arrays) as chips, temporary_file(msg.embeddings_loc) as path:
        chips.check_kept(msg)
        extractor = extractor_for(chips, msg.extractor)
        encoder = encoder or _encoder(msg, extractor)
        batches = encoder.encode_batches(images_for(chips, chips.names, encoder.size, extractor))
        with path.open("wb") as file:
            images, dataset = images_taken_by(extractor), dataset_version(chips)
            count = write_embeddings(
                file, encoder.encoder_id, encoder.dimension, batches, images=images, dataset=dataset
            )
        if not count:
            raise CollectionError(_reason_for_nothing(msg.chips_loc.display_name, chips.unreadable))
        write_file(msg.embeddings_loc, path, consume=True)
        return EncodeChipsReturnMsg(
            n_chips=count,
            dimension=encoder.dimension,
            encoder_id=encoder.encoder_id,
            dataset=dataset,
            unreadable=chips.unreadable,
            runtime=time.perf_counter() - start,
        )


@task
def build_index(msg: BuildIndexMsg) -> BuildIndexReturnMsg:
    """Make one index of the vectors of any number of files.

    Raises:
        MessageError: a number of lists for an index that has none.
        FeatureFileError: a damaged file, a chip that is in two, fewer vectors than lists, or one alone for codes.
        ExtractorMismatchError: different encoders have made the vectors.
        MissingExtraError: faiss is not installed, for lists and codes.
    """
    start = time.perf_counter()
    if msg.kind != "ivf" and msg.n_lists is not None:
        kind = "An exact index" if msg.kind == "exact" else "An index of codes"
        raise MessageError(f"{kind} has no lists: leave n_lists out, or ask for the kind ivf.")
    merged = MergedEmbeddings(_opened_embeddings(msg.embeddings_locs))
    lists, recall = None, None
    if msg.kind == "ivf":
        n_lists = msg.n_lists or usual_list_count(len(merged))
        lists = sorted_into_lists(merged.singles, len(merged), n_lists, msg.seed)
    with temporary_file(msg.index_loc) as path:
        with path.open("wb") as file:
            if msg.kind == "codes":
                codebook, codes, recall = codes_of(merged.singles, len(merged), msg.seed)
                write_codes(file, merged, codebook, codes, recall)
            else:
                write_index(file, merged, lists)
        write_file(msg.index_loc, path, consume=True)
    return BuildIndexReturnMsg(
        n_chips=len(merged),
        dimension=merged.dimension,
        kind=msg.kind,
        n_lists=None if lists is None else len(lists.ends),
        runtime=time.perf_counter() - start,
        recall=None if recall is None else recall.share,
        code_recall=None if recall is None else recall.of_codes,
        candidates=None if recall is None else recall.candidates,
    )


@task
def find_similar(msg: FindSimilarMsg) -> FindSimilarReturnMsg:
    """Find the chips that look most like a chip of an index, or like an image.

    Raises:
        MessageError: not exactly one of chip and image_loc is named, an image without what encodes it, or a contact
            sheet without chips_loc.
        DataNotFoundError: the index has no such chip, or something is not there.
        ExtractorMismatchError: the index was made with another encoder.
        FeatureFileError: a damaged index, or one of codes without the files that it was made of.
        TableError: the name of a table has an unknown ending.
        ImageError: the image cannot be decoded.
        MissingExtraError: pyproj is not installed, faiss for an index with lists or codes, or matplotlib for a contact
            sheet.
    """
    start = time.perf_counter()
    _check(msg)
    with open_file(msg.index_loc) as file:
        index = read_index(file, msg.index_loc.display_name)
    if isinstance(index, CodeIndex):
        index.compare_with(_opened_embeddings(msg.embeddings_locs))
    name, vector, left_out = _query(msg, index)
    found = similar_chips(index, vector, msg.k, msg.n_probe, left_out)
    similar = _with_positions(found, msg.ard_loc)
    if msg.contact_sheet_loc is not None:
        _draw(msg, name, similar)
    if msg.results_locs:
        from spacer_like.tables.writing import write_tables

        table = similar_table(similar)
        write_tables([(table, loc) for loc in msg.results_locs])
    return FindSimilarReturnMsg(similar=similar, runtime=time.perf_counter() - start)


def _opened_embeddings(locs: Sequence[DataLocation]) -> list[Embeddings]:
    parts = []
    for loc in locs:
        with open_file(loc) as file:
            parts.append(read_embeddings(file, loc.display_name))
    return parts


def _encoder(msg: EncodeChipsMsg | FindSimilarMsg, extractor: FeatureExtractor | None) -> Encoder:
    if msg.model_loc is None:
        return chip_encoder(extractor, None)
    from spacer_like.chips.models.multilabel_model import MULTILABEL_MODEL

    name = msg.model_loc.display_name
    return chip_encoder(extractor, MULTILABEL_MODEL.from_bytes(read_bytes(msg.model_loc), name), name)


def chip_encoder(
    extractor: FeatureExtractor | None, model: MultilabelModel | None, model_name: str = "The model"
) -> Encoder:
    """The encoder that an extractor, a model, or a model with the extractor that it was trained with make.

    Args:
        model_name: what errors call the model.

    Raises:
        MessageError: there is neither.
        ExtractorMismatchError: the model was trained with another extractor, or takes none.
    """
    if model is not None:
        model.check_extractor(extractor, model_name)
        return Encoder(
            model.encoder_id, model.dimension, model.size, lambda pixels: model.encode(pixels, extractor)
        )  # fmt: skip
    if extractor is None:
        raise MessageError("Chips are encoded by an extractor, by a model, or by both: name one.")
    return extractor_encoder(extractor)


def _reason_for_nothing(name: str, unreadable: Sequence[Unreadable]) -> str:
    if not unreadable:
        return f"There is no chip in '{name}'."
    return none_of(unreadable, f"chip of '{name}'", "be decoded")


def _check(msg: FindSimilarMsg) -> None:
    """Refuse a message that cannot be answered, before the work begins."""
    if (msg.chip is None) == (msg.image_loc is None):
        raise MessageError("find_similar looks for a chip or for an image: give one of chip and image_loc.")
    if msg.image_loc is not None and msg.extractor is None and msg.model_loc is None:
        raise MessageError("find_similar needs the extractor, or the model, that the index was made with, to encode the"
                           " image.")  # fmt: skip
    if msg.contact_sheet_loc is not None and msg.chips_loc is None:
        raise MessageError("A contact sheet needs pictures: say in chips_loc where the chips are.")
    if msg.contact_sheet_loc is not None:
        from spacer_like.drawing.figures import check_drawing

        check_drawing(msg.contact_sheet_loc)
    if msg.results_locs:
        from spacer_like.tables.writing import check_endings

        check_endings(msg.results_locs)


def _query(msg: FindSimilarMsg, index: VectorIndex) -> tuple[str, NDArray[np.float32], list[range]]:
    """The query: its name, its vector, and the numbers of chips that are left out of the answer."""
    if msg.chip is not None:
        number = index_of_chip(index.names, f"The index '{index.name}'", msg.chip)
        name = index.names[number]
        vector = index.vector(number)
        left_out = [range(number, number + 1)]
    elif msg.image_loc is not None:
        name = msg.image_loc.filename
        vector = _encoded_image(msg, msg.image_loc, index)
        left_out = []
    chip = parsed_name(name)
    if msg.other_places and chip is not None:
        # The chip itself is among them.
        left_out = indices_of_same_ground(index.names, chip)
    return name, vector, left_out


def _encoded_image(msg: FindSimilarMsg, image_loc: DataLocation, index: VectorIndex) -> NDArray[np.float32]:
    extractor = msg.extractor
    images: Any = None
    if isinstance(extractor, BandExtractor):
        name = image_loc.display_name
        image = band_image(file_bytes(image_loc, name), name)
        extractor, images = extractor.taking(image), [image]
    encoder = _encoder(msg, extractor)
    check_same_encoder(index.encoder_id, encoder.encoder_id, f"The index '{index.name}'")
    if images is None:
        images = _pixels_of_image(image_loc, encoder.size)[None]
    vector: NDArray[np.float32] = encoder.encode(images)[0]
    if len(vector) != index.dimension:
        raise FeatureFileError(
            f"'{index.name}' is damaged: its vectors have {index.dimension} numbers, and its encoder makes "
            f"{len(vector)}."
        )
    return vector


def _pixels_of_image(image_loc: DataLocation, size: int) -> NDArray[np.uint8]:
    """Pixels prepared as those of chips, so that a chip's image has the chip's vector: uint8 [size, size, 3]."""
    import numpy as np

    name = image_loc.display_name
    pixels = np.empty((size, size, 3), np.uint8)
    square_into(pixels, file_bytes(image_loc, name), name, shrink_on_load=True)
    return pixels


def _with_positions(found: Sequence[Found], ard_loc: DataLocation | None) -> list[SimilarChip]:
    chips = [parsed_name(one.name) for one in found]
    tiles = _tiles(chips, ard_loc)
    return [
        SimilarChip(
            chip=one.name,
            distance=one.distance,
            tile=tile,
            longitude=centre[0] if centre else None,
            latitude=centre[1] if centre else None,
        )
        for one, tile, centre in zip(found, tiles, centres_of(chips), strict=True)
    ]


def _tiles(chips: Sequence[ChipName | None], ard_loc: DataLocation | None) -> list[str | None]:
    """The tile of each chip, the newest where there are several; None where none is found."""
    if ard_loc is None:
        return [
            f"{chip.zone:02d}/{chip.tile_cell.quadkey}/*/{chip.acquisition}-visual.tif" if chip else None
            for chip in chips
        ]
    tile_of: dict[tuple[Cell, str], str] = {}
    cells = {chip.tile_cell: None for chip in chips if chip}
    for cell, tiles in outcomes(lambda cell: tiles_of(ard_loc, cell), cells, settings().storage_concurrency):
        if isinstance(tiles, SpacerError):
            raise tiles
        for path, loc in tiles:
            tile_of.setdefault((cell, path.acquisition), loc.uri)
    return [tile_of.get((chip.tile_cell, chip.acquisition)) if chip else None for chip in chips]


def _draw(msg: FindSimilarMsg, name: str, similar: Sequence[SimilarChip]) -> None:
    from spacer_like.chips.similar_sheet import PICTURE_SIZE, SHOWN, similar_sheet

    if msg.chips_loc is None or msg.contact_sheet_loc is None:
        return
    wanted = [*([name] if msg.chip is not None else []), *(chip.chip for chip in similar[:SHOWN])]
    with open_chips(msg.chips_loc, arrays=None) as chips:
        chips.check_kept(msg)
        pictures = dict(drawn_chips(chips, [one for one in wanted if one in chips], PICTURE_SIZE))
    query = pictures.get(name)
    if (loc := msg.image_loc) is not None:
        query = drawn(file_bytes(loc, loc.display_name), loc.display_name, PICTURE_SIZE)
    similar_sheet(name, query, centres_of([parsed_name(name)])[0], similar, pictures, msg.contact_sheet_loc)
