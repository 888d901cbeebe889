"""The bench of the engines: its programs run, and what is lost or done wrongly is counted as such."""

import json
from pathlib import Path

import pytest

from benchmarks.engines import kill, run, soak
from benchmarks.engines.measures import EnginesMeasures
from benchmarks.engines.requests import local, make_requests
from spacer_like.engines.base import Serial
from spacer_like.tasks import extract_features


def answer_of(capfd):
    return json.loads(capfd.readouterr().out.splitlines()[-1])


def test_results_have_the_size_that_is_asked_for(tmp_path):
    requests = list(make_requests(tmp_path, 3, 256))
    for request in requests:
        extract_features(request)
    sizes = [Path(request.feature_loc.key).stat().st_size for request in requests]
    assert all(256 * 1024 <= size < 258 * 1024 for size in sizes)
    assert len({Path(request.feature_loc.key).read_bytes() for request in requests}) == 3


@pytest.mark.parametrize("side", ["alone", "local"])
def test_what_a_side_takes_is_printed(side, capfd):
    run.main(side, "1", "4", "1")
    answer = answer_of(capfd)
    assert min(answer["seconds"], answer["submitter_mib"], answer["a_second"]) > 0


def test_a_kill_loses_nothing(capfd):
    kill.main("local", "400", "1")  # half of them take about a second: there is time to kill one at work
    answer = answer_of(capfd)
    assert (answer["killed"], answer["lost"], answer["stored"]) == (1, 0, 400)


def test_in_spite_of_faults_all_is_done_that_can_be(capfd):
    soak.main("local", "2", "40")
    answer = answer_of(capfd)
    assert (answer["done"], answer["failed"], answer["lost"], answer["wrong"]) == (39, 1, 0, 0)
    assert (answer["died"], answer["s3_faults"]) == (1, 2)


def test_what_is_lost_or_wrong_is_counted(tmp_path):
    place = soak.Place(tmp_path, tmp_path)
    requests = list(make_requests(tmp_path, 4, 1))
    ended = dict(Serial().outcomes(requests))
    del ended[1]
    Path(requests[2].feature_loc.key).write_bytes(b"")
    Path(requests[3].feature_loc.key).unlink()
    assert soak.judged(requests, ended, place) == {"done": 1, "failed": 0, "lost": 1, "wrong": 2}


def test_one_in_twenty_meets_a_fault(tmp_path):
    place = soak.Place(tmp_path, tmp_path)
    ordinary = list(make_requests(tmp_path, 200, 1))
    faulty = soak.faulty_requests(place, 200)
    assert sum(one != other for one, other in zip(ordinary, faulty, strict=True)) == 10
    assert faulty[37].image_loc == local(tmp_path / "missing-37.png")


def test_every_measure_is_of_the_family():
    measures = EnginesMeasures(Path("python")).all()
    assert {measure.family for measure in measures} == {"engines"}
    assert len({measure.name for measure in measures}) == len(measures)
