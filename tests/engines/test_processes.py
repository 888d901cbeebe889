"""Many requests at once: every one is answered, whatever becomes of the others and of the processes."""

from __future__ import annotations

import textwrap
import time

import numpy as np
import pytest
from PIL import Image

from spacer_like import config
from spacer_like.data_classes import DataLocation, ImageFeatures
from spacer_like.engines.processes import outcomes
from spacer_like.messages import ExtractFeaturesMsg, ExtractFeaturesReturnMsg
from spacer_like.storage import exists

DUMMY = "spacer_like.extractors.DummyExtractor"


@pytest.fixture
def request_for(tmp_path):
    """A request to extract features of the image of this number."""

    def make(number, extractor=DUMMY, image=None):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.full((30, 40, 3), number, np.uint8)).save(path)
        return ExtractFeaturesMsg(
            job_token=str(number),
            extractor=extractor,
            rowcols=[(number, 5)],
            image_loc=DataLocation("filesystem", str(image or path)),
            feature_loc=DataLocation("filesystem", str(tmp_path / f"{number}.npz")),
        )

    return make


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_every_request_is_answered_under_its_number(request_for, processes):
    requests = [request_for(number) for number in range(4)]
    answers = dict(outcomes(requests, processes))

    assert sorted(answers) == [0, 1, 2, 3]
    assert all(isinstance(outcome.result, ExtractFeaturesReturnMsg) for outcome in answers.values())
    for number, request in enumerate(requests):
        assert ImageFeatures.load(request.feature_loc).point_features[0].row == number


def test_nothing_to_do_is_done():
    assert list(outcomes([], 2)) == []


def test_a_request_that_fails_leaves_the_others_alone(request_for, tmp_path):
    requests = [request_for(0), request_for(1, image=tmp_path / "missing.png"), request_for(2)]
    answers = dict(outcomes(requests, 2))

    assert [answers[number].status for number in range(3)] == ["done", "failed", "done"]
    assert "missing.png" in answers[1].error_message
    assert answers[1].transient is False


@pytest.fixture
def own_extractors(tmp_path, monkeypatch):
    """A module of extractors that do what no extractor should, which messages may name."""
    (tmp_path / "unruly_extractors.py").write_text(
        textwrap.dedent("""
            import os, pathlib, signal, time
            from spacer_like.extractors import DummyExtractor

            class Dying(DummyExtractor):
                def __call__(self, im, rowcols):
                    os.kill(os.getpid(), signal.SIGKILL)

            class Slow(DummyExtractor):
                def __call__(self, im, rowcols):
                    pathlib.Path(__file__).with_name("begun").touch()
                    time.sleep(20)
                    return super().__call__(im, rowcols)

            class Talking(DummyExtractor):
                def __call__(self, im, rowcols):
                    print("this is no answer")
                    os.write(1, b"nor is this")
                    return super().__call__(im, rowcols)
            """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with config.override(allowed_class_prefixes=("unruly_extractors",)):
        yield "unruly_extractors"


def test_a_process_that_dies_fails_its_request_and_is_replaced(request_for, own_extractors):
    requests = [request_for(number) for number in range(4)]
    requests[1] = request_for(1, f"{own_extractors}.Dying")
    answers = dict(outcomes(requests, 2))

    assert [answers[number].status for number in range(4)] == ["done", "failed", "done", "done"]
    assert "signal 9" in answers[1].error_message
    assert answers[1].transient is True


def test_what_a_library_prints_does_not_come_between_the_answers(request_for, own_extractors):
    requests = [request_for(number, f"{own_extractors}.Talking") for number in range(2)]
    assert [outcome.status for _, outcome in outcomes(requests, 2)] == ["done", "done"]


def test_the_settings_in_force_are_those_of_the_processes(request_for):
    with config.override(max_image_pixels=100):
        answers = dict(outcomes([request_for(0), request_for(1)], 2))
    assert all("larger than the max allowed of 100" in outcome.error_message for outcome in answers.values())


def test_who_loses_interest_ends_the_processes_in_the_middle_of_their_work(request_for, own_extractors, tmp_path):
    slow = request_for(1, f"{own_extractors}.Slow")
    found = outcomes([request_for(0), slow], 2)
    assert next(found)[0] == 0
    while not (tmp_path / "begun").exists():
        time.sleep(0.05)
    found.close()

    # Had somebody waited for it, it would have ended its work.
    assert not exists(slow.feature_loc)
