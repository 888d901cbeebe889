"""``spacer-like jobs``: requests that run without the command."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from spacer_like.data_classes import ImageFeatures
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg, JobMsg


@pytest.fixture
def requests(reef):
    """Those of job.json: three, the last of which has no image."""
    found = [
        ExtractFeaturesMsg(
            job_token=str(index),
            extractor="spacer_like.extractors.DummyExtractor",
            rowcols=[(index, 5)],
            image_loc=DataLocation.local(reef / image),
            feature_loc=DataLocation.local(reef / f"out/{index}.npz"),
        )
        for index, image in enumerate(["photos/0.jpg", "photos/1.jpg", "later.jpg"])
    ]
    JobMsg(task_name="extract_features", tasks=found).store(DataLocation.local(reef / "job.json"))
    return found


def test_requests_run_without_the_command_and_what_failed_runs_again(command, requests, reef):
    assert command("jobs", "submit", "job.json", "--folder", "sub").code == 0
    status = command("jobs", "status", "sub", "--wait")
    assert status.code == 64
    assert "Request 2: There is no file" in status.out
    assert (
        "Nothing is begun: all 3 requests have results." in command("jobs", "submit", "job.json", "--folder", "sub").out
    )
    shutil.copy(reef / "photos/0.jpg", reef / "later.jpg")
    assert "1 request run again" in command("jobs", "retry-failed", "sub").out
    assert command("jobs", "status", "sub", "--wait").code == 0
    assert command("jobs", "collect", "sub", "--out", "all.jsonl").code == 0
    lines = [json.loads(line) for line in (reef / "all.jsonl").read_text().splitlines()]
    assert [(line["index"], line["status"]) for line in lines] == [(0, "done"), (1, "done"), (2, "done")]
    assert ImageFeatures.load(requests[2].feature_loc).rowcols == [(2, 5)]


def test_with_json_each_answer_is_one_value(command, requests):
    assert command("jobs", "submit", "job.json", "--folder", "sub", "--json").json["requests"] == 3
    status = command("jobs", "status", "sub", "--wait", "--json").json
    assert (status["total"], status["done"], status["failed"], status["engine"]) == (3, 2, 1, "local")
    assert status["failures"][0]["class"] == "spacer_like.exceptions.DataNotFoundError"
    assert command("jobs", "cancel", "sub", "--json").json["cancelled"] is True


def test_for_kubernetes_the_manifests_are_printed_and_the_requests_stored(command, requests, reef):
    said = command(
        "jobs", "submit", "job.json", "--folder", "sub", "--engine", "kubernetes", "--image", "i", "--shard", 1
    )
    (job,) = json.loads(said.out)["items"]
    assert job["spec"]["completions"] == 3
    names = {one["name"]: one["value"] for one in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert DataLocation.deserialize(json.loads(names["SUBMISSION_LOC"])).key == str(reef / "sub")
    # As kubectl would start the first one.
    variables = {name: value for name, value in names.items() if name.startswith("SUBMISSION_")}
    child = [sys.executable, "-m", "spacer_like", "env-job"]
    subprocess.run(child, env=os.environ | variables | {"JOB_COMPLETION_INDEX": "0"}, check=True)
    status = command("jobs", "status", "sub")
    assert status.code == 75
    assert [line.split()[-1] for line in status.out.splitlines()[4:7]] == ["done", "incomplete", "incomplete"]
    shards = command("jobs", "status", "sub", "--json").json["shards"]
    assert [(one["shard"], one["done"], one["waiting"]) for one in shards] == [(0, 1, 0), (1, 0, 1), (2, 0, 1)]
    # What is missing is begun by kubectl, too.
    (job,) = json.loads(command("jobs", "retry-failed", "sub").out)["items"]
    assert job["spec"]["completions"] == 2


def test_results_are_collected_though_the_scheduler_is_gone(command, requests, reef):
    command("jobs", "submit", "job.json", "--folder", "sub")
    command("jobs", "status", "sub", "--wait")
    options = {"queue": "q", "definition": "d", "region": None, "client": None}
    (reef / "sub/engine.json").write_text(json.dumps({"engine": "batch", "options": options}))
    (reef / "sub/runs").mkdir()
    digests = [path.name.partition(".")[0] for path in (reef / "sub/requests").iterdir()]
    run = {"version": 1, "shards": [digests], "children": [1]}
    (reef / "sub/runs/1.json").write_text(json.dumps(run))
    shutil.rmtree(reef / "sub/children")
    (reef / "sub/children").mkdir()
    assert command("jobs", "status", "sub", "--json").json["at_work"] is None
    (reef / "sub/children/1-0.json").write_text("[]")
    said = command("jobs", "collect", "sub", "--out", "all.jsonl")
    assert said.code == 64
    assert "Whether anything is at work is not known." in said.out
    assert "AWS Batch needs" in said.out
    assert "What the children took is not known" in said.out
    assert len((reef / "all.jsonl").read_text().splitlines()) == 3


@pytest.mark.parametrize(("text", "is_allowed"), [("90", True), ("1.5h", True), ("soon", False), ("-1", False)])
def test_a_duration_is_a_number_of_seconds_or_has_a_unit(command, requests, text, is_allowed):
    command("jobs", "submit", "job.json", "--folder", "sub", "--engine", "kubernetes", "--image", "i")
    said = command("jobs", "status", "sub", f"--give-up-after={text}")
    assert said.code == (75 if is_allowed else 64)
    assert ("The option --give-up-after takes seconds" in said.err) is not is_allowed


def test_a_dry_run_does_a_sample_and_the_bill_is_compared_with_it(command, requests, reef):
    submit = ["jobs", "submit", "job.json", "--folder", "sub", "--price", 0.05]
    said = command(*submit, "--dry-run")
    assert said.code == 0
    assert "1 of 3 requests failed, such as: There is no file" in said.out
    assert said.out.strip().endswith("nothing is submitted.")
    assert sorted(path.name for path in (reef / "out").iterdir()) == ["0.npz", "1.npz"]
    assert command("jobs", "status", "sub").code == 64
    shutil.copy(reef / "photos/0.jpg", reef / "later.jpg")
    said = command(*submit, "--max-cost", 0)
    assert said.code == 64
    assert "nothing is submitted" in said.err
    begun = command(*submit, "--max-cost", 1, "--json").json
    assert (begun["plan"]["to_do"], begun["requests"]) == (1, 3)
    assert command("jobs", "status", "sub", "--wait").code == 0
    bill = command("jobs", "collect", "sub", "--out", "all.jsonl", "--json").json["bill"]
    assert (bill["children"], bill["planned"]["price"]) == (1, 0.05)
    assert bill["cost"] == pytest.approx(0.05 * bill["vcpu_hours"])
    assert "1 child took " in command("jobs", "collect", "sub", "--out", "all.jsonl").out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--engine", "bath"], "There is no engine 'bath'. Did you mean batch?"),
        (["--engine", "batch"], "The engine batch needs the option --queue."),
        (["--engine", "batch", "--queue", "q", "--definition", "d"], "The children of AWS Batch do not reach"),
        (["--engine", "dask", "--address", "nonsense"], "is no address of a Dask scheduler"),
        (["--engine", "dask"], "The engine dask needs the option --address."),
        (["--queue", "spot"], "The option --queue is of the engine batch, not of local."),
        (["--engine", "batch", "--queue", "q", "--definition", "d", "--attempts", 11], "Batch starts a child 1 to 10"),
        (["--max-cost", 5], "The option --max-cost needs --price, the price of a vCPU hour."),
        (["--price", 1], "The option --price is of a plan: add --dry-run, --max-cost or --shard-seconds."),
        (["--dry-run", "--price", "inf"], "The option --price must be a finite number."),
        (["--dry-run", "--price", -1], "--price"),
        (["--dry-run", "--sample", 2], "--sample"),
    ],
)
def test_mistakes_are_one_sentence_before_anything_is_stored(command, requests, reef, options, sentence):
    said = command("jobs", "submit", "job.json", "--folder", "sub", *options)
    assert said.code == 64
    assert sentence in said.err
    assert not (reef / "sub").exists()


def test_a_folder_without_a_submission_is_named(command, reef):
    said = command("jobs", "status", "photos")
    assert said.code == 64
    assert said.err.strip().endswith("photos' holds no submission.")


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ("slrum", "There is no engine 'slrum'. Did you mean slurm?"),
        ("batch:queue", "The engine batch is named with its queue and job definition: batch:QUEUE:DEFINITION."),
        ("batch:queue:definition", "The children of AWS Batch do not reach"),
    ],
)
def test_an_engine_of_a_workflow_that_cannot_be_is_refused_before_the_work(command, reef, engine, sentence):
    said = command("rarity", ".", "--out", "out", "--engine", engine)
    assert said.code == 64
    assert sentence in said.err


def test_a_workflow_by_dask_leaves_the_files_of_one_by_processes(command, reef):
    assert command("rarity", ".", "--out", "a", "--engine", "dask", "--processes", 1, "--no-pictures").code == 0
    shutil.move("a", reef.parent / "a")
    assert command("rarity", ".", "--out", "a", "--no-pictures").code == 0
    tables = [path.relative_to("a") for path in Path("a").rglob("*.csv")]
    assert tables
    assert [(reef.parent / "a" / one).read_bytes() for one in tables] == [("a" / one).read_bytes() for one in tables]


def test_a_table_of_embeddings_by_an_engine_is_that_of_one_request(command, reef):
    process = ["tags", "process", "photos", "--no-tagged"]
    assert "There is no engine 'slrum'. Did you mean slurm?" in command(*process, "--engine", "slrum").err
    assert command(*process, "--out", "a/table.parquet", "--engine", "dask").code == 0
    assert command(*process, "--out", "b/table.parquet").code == 0
    assert (reef / "a/table.parquet").read_bytes() == (reef / "b/table.parquet").read_bytes()
