"""What the messages of rarity take and refuse."""

from __future__ import annotations

import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.exceptions import MessageError
from spacer_like.messages import BucketizeScoresMsg, CheckCollectionMsg, ScoreCollectionMsg, TrainRarityClassifierMsg

IMAGES = DataLocation("memory", "punks/")


def check(**fields):
    return CheckCollectionMsg(collection_id="punks", images_loc=IMAGES, **fields)


def test_one_colour_has_one_spelling():
    """What is compared by its text, in histograms and in models, must not depend on how it was typed."""
    assert check(background="#FFAA00") == check(background="#ffaa00")


@pytest.mark.parametrize("background", ["red", "#fff", "#gggggg", "", "DROP"])
def test_what_is_no_background_is_refused(background):
    with pytest.raises(MessageError, match="background"):
        check(background=background)


@pytest.mark.parametrize("size", [0, 513, 224.0, "224"])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(MessageError, match="size"):
        check(size=size)


@pytest.mark.parametrize("probabilities", [[0, 1, 0.5], [0.1, 1], [0, 0.9], [0, 0, 1], [1]])
def test_probabilities_rise_from_0_to_1(probabilities):
    with pytest.raises(MessageError, match="probabilities"):
        BucketizeScoresMsg(scores_loc=IMAGES, bucketized_loc=None, edges_loc=IMAGES, probabilities=probabilities)


def test_a_score_that_is_unknown_is_refused():
    with pytest.raises(MessageError, match="scores_locs"):
        ScoreCollectionMsg(
            collection_id="punks", images_loc=IMAGES, histogram_loc=IMAGES, scores_locs={"rarest": [IMAGES]}
        )


SCORES = {"ratio": [DataLocation("memory", "ratio.csv")]}


@pytest.mark.parametrize("given", [{"second_histogram_loc": IMAGES}, {"second_scores_locs": SCORES}])
def test_a_second_histogram_and_its_scores_are_named_together(given):
    fields = {"collection_id": "punks", "images_loc": IMAGES, "histogram_loc": IMAGES, "scores_locs": SCORES}
    with pytest.raises(MessageError, match="second_histogram_loc and second_scores_locs: give both, or neither"):
        ScoreCollectionMsg(**fields, **given)
    assert not {"second_histogram_loc", "second_scores_locs"} & ScoreCollectionMsg(**fields).serialize().keys()


def test_the_description_of_a_second_table_is_an_input():
    inputs = ScoreCollectionMsg.example().implied_inputs()
    assert inputs == {"the description of second_histogram_loc": DataLocation("memory", "global.npy.json")}


def test_defaults_are_not_shared():
    first = TrainRarityClassifierMsg.example()
    first.layers.append(1)
    assert TrainRarityClassifierMsg.example().layers == [1024, 512, 256, 128]
