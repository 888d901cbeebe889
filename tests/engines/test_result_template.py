"""Outcomes at places of one's own."""

import json

import pytest

from spacer_like.engines.array import write_outcome
from spacer_like.engines.base import Serial
from spacer_like.engines.result_template import ResultTemplate
from spacer_like.engines.shard_work import work_on_shard
from spacer_like.engines.submissions import open_submission, submission
from spacer_like.exceptions import InvalidKeyError, MessageError
from spacer_like.location import DataLocation
from spacer_like.mailman import run_task
from spacer_like.messages import digest_of
from spacer_like.testing.engine import wait_until

from .test_dependencies import at, counted_in
from .test_processes import Held, request_for

FOLDER = DataLocation("s3", "july/", "jobs")


def held(folder, template, requests):
    made = Held(at(folder / "submission"))
    made.results = ResultTemplate(template, made.folder)
    return made.submit(requests)


class TestPlace:
    @pytest.mark.parametrize(
        ("template", "key"),
        [
            ("s3://reef/{job}/{name}.json", "3/3.json"),
            ("s3://reef/a/{index}-{task}.json", "a/7-extract_features.json"),
            ("s3://reef/{{{digest}}}", "{" + "0" * 64 + "}"),
        ],
    )
    def test_fields_are_those_of_the_request(self, template, key):
        assert ResultTemplate(template, FOLDER).place(request_for(3), 7, "0" * 64) == DataLocation("s3", key, "reef")

    def test_requests_without_a_token_are_of_the_job_that_the_folder_is_called(self, tmp_path):
        [request] = counted_in(tmp_path, 1)
        assert ResultTemplate("s3://reef/{job}/{name}", FOLDER).place(request, 0, "0" * 64).key == "july/0"

    @pytest.mark.parametrize(
        ("template", "sentence"),
        [
            ("s3://reef/{nmae}.json", "has an unknown field 'nmae'. Did you mean name?"),
            ("s3://reef/{name", "has a brace without the other one"),
            ("s3://reef/{name!r}", "may have nothing beside a field's name"),
            ("s3://reef/{index:05}", "may have nothing beside a field's name"),
            ("https://host/{name}.json", "Results cannot be written to"),
            ("memory://{name}", "Results cannot be written to"),
            ("s3://{job}/{name}.json", "must name a bucket, and end with a file's name"),
            ("s3://reef/{job}/", "must name a bucket, and end with a file's name"),
            ("s3://jobs/july/{name}.json", "lies in the submission's own folder"),
        ],
    )
    def test_a_template_that_cannot_be_is_one_sentence(self, template, sentence):
        with pytest.raises(MessageError, match=sentence):
            ResultTemplate(template, FOLDER)

    def test_a_key_that_no_storage_takes_is_refused(self):
        with pytest.raises(InvalidKeyError, match=r"'\.\.' among its parts"):
            ResultTemplate("s3://reef/../{name}.json", FOLDER)

    @pytest.mark.parametrize("token", ["..", "a/b", "a\n"])
    def test_a_token_that_leads_elsewhere_is_refused(self, tmp_path, token):
        request = request_for(0, tmp_path).model_copy(update={"job_token": token})
        with pytest.raises(MessageError, match=r"The job of request 0, .* cannot be a part of its result's place"):
            held(tmp_path, f"{tmp_path}/out/{{job}}.json", [request])


class TestCollisions:
    @pytest.mark.parametrize(
        ("template", "sentence"),
        [
            ("out/same.json", "the result of request 0 and the result of request 1 are both"),
            ("{name}.npz", "tasks.0.feature_loc and the result of request 0 are both"),
        ],
    )
    def test_are_refused_before_anything_is_stored(self, tmp_path, template, sentence):
        requests = [request_for(index, tmp_path) for index in range(2)]
        with pytest.raises(MessageError, match=sentence):
            held(tmp_path, f"{tmp_path}/{template}", requests)
        assert not (tmp_path / "submission").exists()

    def test_a_request_asked_for_twice_has_one_result(self, tmp_path):
        requests = [request_for(index, tmp_path) for index in (0, 1, 0)]
        work_on_shard(held(tmp_path, f"{tmp_path}/out/{{index}}", requests).folder, Serial())
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["0", "1"]

    def test_what_was_done_before_it_is_submitted_has_its_result_too(self, tmp_path):
        requests = [request_for(index, tmp_path) for index in range(2)]
        write_outcome(at(tmp_path / "submission"), digest_of(requests[1]), run_task(requests[1]))
        held(tmp_path, f"{tmp_path}/out/{{index}}", requests)
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["1"]

    def test_a_submission_keeps_its_template(self, tmp_path):
        requests = [request_for(0, tmp_path)]
        held(tmp_path, f"{tmp_path}/out/{{index}}", requests)
        with pytest.raises(MessageError, match=r"The results of .* go elsewhere"):
            held(tmp_path, f"{tmp_path}/other/{{index}}", requests)


def test_processes_that_nobody_waits_for_store_each_outcome_there_too(tmp_path):
    requests = [request_for(index, tmp_path) for index in range(2)]
    missing = {"image_loc": at(tmp_path / "none.png"), "job_token": "2", "feature_loc": at(tmp_path / "2.npz")}
    requests.append(requests[0].model_copy(update=missing))
    made = submission(at(tmp_path / "submission"), results=f"{tmp_path}/out/{{job}}.json", processes=1)
    made.submit(requests)
    wait_until(lambda: not made.status().at_work)
    found = [json.loads((tmp_path / f"out/{index}.json").read_bytes()) for index in range(3)]
    assert [one["status"] for one in found] == ["done", "done", "failed"]
    own = tmp_path / f"submission/results/{digest_of(requests[0])}.done.json"
    assert json.loads(own.read_bytes()) == found[0]
    assert open_submission(made.folder).results.text == f"{tmp_path}/out/{{job}}.json"
