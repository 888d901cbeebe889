"""What makes vectors of images."""

import numpy as np
import pytest

from spacer_like.embeddings.encoder import Encoder, check_same_encoder, extractor_encoder, unit_length
from spacer_like.exceptions import ExtractorMismatchError, MessageError
from spacer_like.extractors import DummyExtractor
from spacer_like.extractors.base import FeatureExtractor


class MeanOfHalves(FeatureExtractor):
    """The mean of each channel over the upper and the lower half."""

    CROP_SIZE = 8

    @property
    def feature_dim(self):
        return 6

    def patches_to_features(self, patch_list):
        return np.asarray(patch_list).reshape(-1, 2, 32, 3).mean(axis=2).reshape(-1, 6), False


class MeanOfOthers(MeanOfHalves):
    pass


def some_images(n: int = 5) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, 8, 8, 3), np.uint8)


def test_an_extractor_encodes_by_its_features():
    extractor = MeanOfHalves()
    encoder = extractor_encoder(extractor)
    assert (encoder.encoder_id, encoder.dimension, encoder.size) == (extractor.extractor_id, 6, 8)
    features = extractor.patches_to_features(some_images())[0]
    np.testing.assert_allclose(encoder.features(some_images()), features, rtol=1e-6)
    expected = features / np.linalg.norm(features, axis=1, keepdims=True)
    np.testing.assert_allclose(encoder.encode(some_images()), expected, rtol=1e-6)


def test_vectors_of_whole_images_are_not_those_of_squares_that_were_made_otherwise():
    extractor = MeanOfHalves()
    squares, whole = extractor_encoder(extractor), extractor_encoder(extractor, whole_images=True)
    assert whole.encoder_id == extractor.whole_image_id != squares.encoder_id
    image = np.random.default_rng(1).integers(0, 256, (30, 20, 3), np.uint8)
    assert whole.encode(extractor.preprocessing.square(image)[None]).shape == (1, 6)


def test_batches_may_use_one_buffer_again():
    encoder, images = extractor_encoder(MeanOfHalves()), some_images(7)

    def batches():
        buffer = np.empty((3, 8, 8, 3), np.uint8)
        for begin in range(0, 7, 3):
            some = images[begin : begin + 3]
            buffer[: len(some)] = some
            yield [str(number) for number in range(begin, begin + len(some))], buffer[: len(some)]

    names, vectors = zip(*encoder.encode_batches(batches()), strict=True)
    assert [*names[0], *names[1], *names[2]] == list("0123456")
    np.testing.assert_array_equal(np.concatenate(vectors), encoder.encode(images))


def test_extractors_that_make_other_vectors_have_other_ids():
    assert extractor_encoder(MeanOfHalves()).encoder_id != extractor_encoder(MeanOfOthers()).encoder_id


def test_vectors_of_different_encoders_are_not_compared():
    check_same_encoder("a" * 40, "a" * 40, "The index 'i'")
    with pytest.raises(ExtractorMismatchError, match=r"^The index 'i' was made with the encoder a{16}, and .* b{16}: "):
        check_same_encoder("a" * 40, "b" * 40, "The index 'i'")


def test_an_extractor_that_does_not_look_at_images_is_refused():
    with pytest.raises(MessageError, match="DummyExtractor does not look at images"):
        extractor_encoder(DummyExtractor()).encode(np.zeros((1, 224, 224, 3), np.uint8))


@pytest.mark.parametrize("made", [np.ones((5, 3)), np.ones((4, 2)), np.full((5, 2), np.nan), np.full((5, 2), np.inf)])
def test_vectors_of_another_kind_than_announced_are_refused(made):
    encoder = Encoder("e", 2, 8, lambda pixels: made)
    with pytest.raises(ExtractorMismatchError, match="a vector of 2 finite numbers"):
        encoder.encode(some_images())


def test_no_image_gives_no_vector():
    assert extractor_encoder(MeanOfHalves()).encode(some_images(0)).shape == (0, 6)


def test_vectors_of_any_length_become_as_long_as_one_except_nothing():
    vectors = np.array([[3, 4], [3e30, 4e30], [3e-30, 4e-30], [0, 0]], np.float32)
    expected = [[0.6, 0.8], [0.6, 0.8], [0.6, 0.8], [0, 0]]
    np.testing.assert_allclose(unit_length(vectors), expected, rtol=1e-6)
