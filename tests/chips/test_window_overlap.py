"""Windows that overlap: no pixel is learnt from that validates."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin

from spacer_like.chips.chip_source import open_chips
from spacer_like.chips.messages import CutRasterMsg, TrainMultilabelMsg
from spacer_like.chips.models.window_overlap import without_overlaps
from spacer_like.chips.tasks.models import train_multilabel
from spacer_like.chips.tasks.rasters import cut_raster
from spacer_like.extractors import BandStatisticsExtractor
from spacer_like.learning.split import Split
from spacer_like.location import DataLocation

from . import raster_making as made

WINDOWS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.sampled_from("ab"), st.booleans()), min_size=1, max_size=20
)


def overlap(one, other, size):
    return one[2] == other[2] and abs(one[0] - other[0]) < size and abs(one[1] - other[1]) < size


@given(WINDOWS, st.integers(1, 16))
def test_those_and_only_those_are_left_out_that_share_pixels_with_one_that_validates(windows, size):
    names = [f"P{column}-{row}_{source}.npy" for column, row, source, _ in windows]
    sides = [np.array([at for at, window in enumerate(windows) if window[3] == side], np.int64) for side in (0, 1)]
    split = without_overlaps(names, Split(*sides), {"a": size})
    assert split.validation.tolist() == sides[1].tolist()
    assert split.train.tolist() == [
        at
        for at in sides[0].tolist()
        if windows[at][2] == "b" or not any(overlap(windows[at], windows[other], size) for other in sides[1].tolist())
    ]


def test_other_chips_are_all_learnt_from():
    names = ["Z33-03111121232201230_a.npy", "M14-9327-4742_a.png", "P0-0_a.npy", "P0-0_a.npy"]
    split = Split(np.array([0, 1, 2]), np.array([3]))
    assert without_overlaps(names, split, {}) is split
    assert without_overlaps(names, split, {"b": 64}) is split


def cut(folder, stride):
    pixels = made.waves(3, 64, 1200).astype("uint16")
    raster = made.make_raster(folder / "a.tif", pixels, "EPSG:32633", from_origin(3e5, 5e6, 10, 10))
    chips = DataLocation.local(folder / f"chips{stride}")
    fields = {"grid": "pixels", "size": 64, "stride": stride, "dtype": "source", "format": "npy"}
    cut_raster(
        CutRasterMsg(
            raster_loc=DataLocation.local(raster),
            chips_loc=chips,
            manifest_loc=chips.below("manifests/a.parquet"),
            **fields,
        )
    )
    return chips


def trained(chips, folder):
    with open_chips(chips, arrays=True) as source:
        names = source.names
    table = folder / "table.csv"
    table.write_text("\n".join(["Feature,even", *(f"{name},{at % 2}" for at, name in enumerate(names))]))
    return len(names), train_multilabel(
        TrainMultilabelMsg(
            table_loc=DataLocation.local(table),
            chips_loc=chips,
            model_loc=DataLocation.local(folder / "m.safetensors"),
            extractor=BandStatisticsExtractor(),
            layers=[4],
            nbr_epochs=1,
        )
    )


def test_training_says_how_many_windows_it_left_out(tmp_path):
    n, answer = trained(cut(tmp_path, 32), tmp_path)
    # One in each of the two rows, beside the border of two neighbourhoods.
    assert answer.n_overlapping == 2
    assert answer.n_train + answer.n_validation + 2 == n
    n, answer = trained(cut(tmp_path, None), tmp_path)
    assert answer.n_overlapping is None
    assert answer.n_train + answer.n_validation == n
