"""The task that ranks chips by examples."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from spacer_like.chips.messages.ranking import RankedPlace, RankPlacesMsg, RankPlacesReturnMsg
from spacer_like.chips.places_by_example.geoparquet import with_geometry
from spacer_like.chips.places_by_example.marks import read_marks
from spacer_like.chips.places_by_example.outlines import corners_of_chips
from spacer_like.chips.places_by_example.ranking import PlaceRanker, Ranked, ranked_table, unmarked, vectors_of
from spacer_like.chips.similar_places import index_of_chip
from spacer_like.chips.tasks.score_maps import draw_maps, manifests_in
from spacer_like.embeddings import MergedEmbeddings, read_embeddings
from spacer_like.exceptions import MessageError
from spacer_like.overwriting import task
from spacer_like.storage import open_file, read_bytes
from spacer_like.tables.files import is_parquet
from spacer_like.tables.writing import check_endings, write_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from spacer_like.embeddings import NameList
    from spacer_like.location import DataLocation

SCORE = "score"
"""The band of a map of scores."""


@task
def rank_places(msg: RankPlacesMsg) -> RankPlacesReturnMsg:
    """Rank all chips by those that show what is looked for, and those that do not.

    Raises:
        MessageError: no chip has an answer, one has both, too many have one, or maps are wanted without chips_loc.
        DataNotFoundError: there is no such chip, or no manifest.
        FeatureFileError: a damaged file, or a chip that is in two.
        ExtractorMismatchError: different encoders have made the vectors.
        TableError: malformed marks or manifests, or the name of a table has an unknown ending.
        SpacerInputError: chips lie on no grid, or too far apart for a map.
        MissingExtraError: packages of the extra `geo` are not installed, for geometries and maps.
    """
    start = time.perf_counter()
    check_endings(msg.results_locs)
    if msg.maps_loc is not None and msg.chips_loc is None:
        raise MessageError("A map needs the chips' places: say in chips_loc where their manifests are.")
    merged = merged_vectors(msg.embeddings_locs)
    marks = _marks(msg, merged.names)
    yes, no = ([chip for chip, is_yes in marks.items() if is_yes == side] for side in (True, False))
    ranking = PlaceRanker(vectors_of(merged)).rank(yes, no)
    maps, n_unplaced = write_ranked(Ranked(merged.names, ranking, marks), msg.chips_loc, msg.results_locs, msg.maps_loc)
    return RankPlacesReturnMsg(
        n_chips=len(merged),
        n_yes=len(yes),
        n_no=len(no),
        best=[
            RankedPlace(chip=merged.names[int(chip)], score=float(ranking.scores[chip]))
            for chip in unmarked(ranking, marks)[: msg.k]
        ],
        maps=maps,
        n_unplaced=n_unplaced,
        runtime=time.perf_counter() - start,
    )


def merged_vectors(embeddings_locs: Sequence[DataLocation]) -> MergedEmbeddings:
    """The vectors of files as if they were of one; errors as `MergedEmbeddings` and `read_embeddings`."""
    parts = []
    for loc in embeddings_locs:
        with open_file(loc) as file:
            parts.append(read_embeddings(file, loc.display_name))
    return MergedEmbeddings(parts)


def numbers_of_marks(marks: Mapping[str, bool], names: NameList, source: str) -> dict[int, bool]:
    """Marks by the chips' indices in place of their names.

    Raises:
        DataNotFoundError: there is no chip of a name.
    """
    return {index_of_chip(names, source, chip): is_yes for chip, is_yes in marks.items()}


def _marks(msg: RankPlacesMsg, names: NameList) -> dict[int, bool]:
    source = f"'{msg.embeddings_locs[0].display_name}'"
    if both := set(msg.yes) & set(msg.no):
        raise MessageError(f"The chip '{min(both)}' is among yes and among no: name it in one of them.")
    told = {} if msg.marks_loc is None else read_marks(read_bytes(msg.marks_loc), msg.marks_loc.display_name)
    named = dict.fromkeys(msg.yes, True) | dict.fromkeys(msg.no, False)
    found = numbers_of_marks(told, names, source) | numbers_of_marks(named, names, source)
    if not found:
        raise MessageError("No chip has an answer: name chips in yes and no, or give marks_loc.")
    return found


def write_ranked(
    ranked: Ranked,
    chips_loc: DataLocation | None,
    results_locs: Sequence[DataLocation],
    maps_loc: DataLocation | None,
) -> tuple[list[str], int]:
    """Write ranked chips as tables and as maps of their scores.

    Returns:
        The names of the maps, and how many chips no manifest names.

    Raises:
        DataNotFoundError: there is no manifest.
        TableError, SpacerInputError, MissingExtraError: as `rank_places`.
    """
    corners = None if chips_loc is None else corners_of_chips(manifests_in(chips_loc), ranked.names)
    n_unplaced = 0 if corners is None else int(np.isnan(corners[:, 0, 0]).sum())
    maps: list[str] = []
    if maps_loc is not None and chips_loc is not None:
        index_of = {chip: index for index, chip in enumerate(ranked.names)}
        maps, _ = draw_maps(chips_loc, index_of, ranked.ranking.scores[:, None], [SCORE], maps_loc)
    if results_locs:
        plain = ranked_table(ranked, corners)
        full = plain if corners is None else with_geometry(plain, corners[ranked.ranking.order])
        write_tables([(full if is_parquet(loc) else plain, loc) for loc in results_locs])
    return maps, n_unplaced
