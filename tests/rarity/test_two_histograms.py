"""A request with two histograms gives what two requests with one each give, byte for byte."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import HistogramError
from spacer_like.rarity.count_table import CountTable
from spacer_like.rarity.histogram import Header, HistogramBuilder
from spacer_like.rarity.messages import ScoreCollectionMsg
from spacer_like.rarity.scores import METHODS
from spacer_like.rarity.tasks.histogram_storage import write_histogram, write_table
from spacer_like.rarity.tasks.scoring import score_collection
from spacer_like.storage import clear_memory_storage, exists, read_bytes, write_bytes

SIZE = 3
LOOK = {"collection_id": "a", "size": SIZE, "resample": "nearest"}
STACK = st.lists(st.lists(st.integers(0, 3), min_size=SIZE**2, max_size=SIZE**2), min_size=1, max_size=5)
LOCATIONS = st.dictionaries(
    st.sampled_from(METHODS), st.lists(st.sampled_from(["csv", "parquet"]), min_size=1, max_size=2, unique=True),
    min_size=1,
)  # fmt: skip


def at(key):
    return DataLocation("memory", key)


def pictures(shades):
    """uint8 [n, SIZE, SIZE, 3] of shades."""
    return np.repeat(np.array(shades, np.uint8).reshape(-1, SIZE, SIZE, 1) * 60, 3, axis=-1)


def put_collection(stack):
    for token, pixels in enumerate(stack):
        sink = io.BytesIO()
        Image.fromarray(pixels).save(sink, "PNG")
        write_bytes(at(f"in/{token}.png"), sink.getvalue())


def put_histogram(name, stack, resample="nearest"):
    builder = HistogramBuilder(Header(SIZE, resample, "drop"))
    builder.add(stack)
    histogram = builder.histogram("all")
    write_histogram(at(f"{name}.parquet"), histogram)
    write_table(at(f"{name}.npy"), CountTable.from_histogram(histogram))


def message(histogram, scores, folder, **others):
    locations = {method: [at(f"{folder}/{method}.{kind}") for kind in kinds] for method, kinds in scores.items()}
    return {"images_loc": at("in/"), "histogram_loc": at(histogram), "scores_locs": locations, **LOOK, **others}


def answered(fields):
    return score_collection(ScoreCollectionMsg(**fields)).serialize() | {"runtime": 0}


@settings(max_examples=30, deadline=None)
@given(
    stack=STACK,
    others=STACK,
    first=LOCATIONS,
    second=LOCATIONS,
    kinds=st.tuples(*[st.sampled_from(["parquet", "npy"])] * 2),
    shares=st.tuples(*[st.floats(0.01, 1)] * 2),
    known=st.none() | st.sets(st.integers(0, 6)),
)
def test_two_histograms_in_one_request_or_in_two(stack, others, first, second, kinds, shares, known):
    clear_memory_storage()
    put_collection(pictures(stack))
    put_histogram("own", pictures(stack))
    put_histogram("all", pictures(stack + others))
    options = {"top_share": shares[0], "unseen_count": shares[1]}
    if known is not None:
        write_bytes(at("metadata.csv"), "".join(f"{token},{token % 3},{token},\n" for token in known).encode())
        options["metadata_loc"] = at("metadata.csv")
    own, every = f"own.{kinds[0]}", f"all.{kinds[1]}"
    alone = [
        answered(message(own, first, "alone/own", **options)),
        answered(message(every, second, "alone/all", **options)),
    ]
    of_second = message(every, second, "both/all")
    both = answered(
        message(own, first, "both/own", **options)
        | {"second_histogram_loc": of_second["histogram_loc"], "second_scores_locs": of_second["scores_locs"]}
    )

    assert both.pop("second_correlations") == alone[1]["correlations"]
    assert both == alone[0]
    assert both | {"correlations": alone[1]["correlations"]} == alone[1]
    for folder, scores in (("own", first), ("all", second)):
        for name in [f"{folder}/{method}.{kind}" for method, kinds in scores.items() for kind in kinds]:
            assert read_bytes(at(f"both/{name}")) == read_bytes(at(f"alone/{name}"))


def test_a_second_histogram_of_images_prepared_otherwise_is_refused_and_nothing_is_written():
    stack = pictures([[0] * 9, [1] * 9])
    put_collection(stack)
    put_histogram("own", stack)
    put_histogram("all", stack, "box")
    fields = message("own.parquet", {"log": ["csv"]}, "out")
    second = {"second_histogram_loc": at("all.npy"), "second_scores_locs": {"log": [at("out/all.csv")]}}
    with pytest.raises(HistogramError, match=r"memory://all\.npy.* resample"):
        score_collection(ScoreCollectionMsg(**fields, **second))
    assert not exists(at("out/log.csv"))
    assert not exists(at("out/all.csv"))
