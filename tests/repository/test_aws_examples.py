"""The AWS Batch job definitions are what AWS accepts, and retry exactly what the job runner's exit codes call for."""

import fnmatch
import json
from pathlib import Path

import botocore.loaders
import botocore.model
import botocore.validate
import pytest

AWS = Path(__file__).parents[2] / "examples" / "aws"
DEFINITIONS = sorted(AWS.glob("job-definition-*.json"))


def request_shape(operation: str) -> botocore.model.Shape:
    description = botocore.loaders.Loader().load_service_model("batch", "service-2")
    return botocore.model.ServiceModel(description).operation_model(operation).input_shape


@pytest.fixture(params=DEFINITIONS, ids=lambda path: path.stem)
def definition(request: pytest.FixtureRequest) -> dict:
    return json.loads(request.param.read_text())


def action_of(definition: dict, **outcome: str) -> str:
    """What AWS Batch does after an attempt: the first entry whose conditions all hold decides, none means RETRY."""
    for entry in definition["retryStrategy"]["evaluateOnExit"]:
        conditions = {name: pattern for name, pattern in entry.items() if name != "action"}
        if all(fnmatch.fnmatchcase(outcome.get(name, ""), pattern) for name, pattern in conditions.items()):
            return entry["action"]
    return "RETRY"


def test_there_is_one_for_cpus_and_one_for_gpus():
    assert [path.name for path in DEFINITIONS] == ["job-definition-cpu.json", "job-definition-gpu.json"]


def test_aws_accepts_the_definition(definition):
    shape = request_shape("RegisterJobDefinition")
    assert set(definition) <= set(shape.members)
    report = botocore.validate.ParamValidator().validate(definition, shape)
    assert not report.has_errors(), report.generate_report()


def test_every_nested_field_is_known_to_aws(definition):
    def unknown(shape, value, path):
        if shape.type_name == "structure":
            for name, entry in value.items():
                if name not in shape.members:
                    yield f"{path}.{name}"
                else:
                    yield from unknown(shape.members[name], entry, f"{path}.{name}")
        elif shape.type_name == "list":
            for index, entry in enumerate(value):
                yield from unknown(shape.member, entry, f"{path}[{index}]")
        elif getattr(shape, "enum", None) and value not in shape.enum and value.upper() not in shape.enum:
            yield f"{path}={value}"

    assert list(unknown(request_shape("RegisterJobDefinition"), definition, "")) == []


@pytest.mark.parametrize(
    ("outcome", "action"),
    [
        ({"onExitCode": "64", "onReason": "", "onStatusReason": "Essential container in task exited"}, "EXIT"),
        ({"onExitCode": "75", "onReason": "", "onStatusReason": "Essential container in task exited"}, "RETRY"),
        ({"onExitCode": "143", "onReason": "", "onStatusReason": "Essential container in task exited"}, "RETRY"),
        ({"onStatusReason": "Host EC2 (instance i-0123456789abcdef0) terminated."}, "RETRY"),
        ({"onExitCode": "137", "onReason": "OutOfMemoryError: Container killed due to memory usage"}, "EXIT"),
        ({"onExitCode": "1", "onReason": ""}, "EXIT"),
    ],
    ids=["permanent failure", "transient failure", "SIGTERM", "spot host taken away", "out of memory", "a crash"],
)
def test_an_attempt_is_repeated_only_where_that_can_help(definition, outcome, action):
    assert action_of(definition, **outcome) == action


def test_retries_and_time_are_bounded_as_aws_allows(definition):
    strategy = definition["retryStrategy"]
    assert 2 <= strategy["attempts"] <= 10
    assert len(strategy["evaluateOnExit"]) <= 5
    for entry in strategy["evaluateOnExit"]:
        assert entry["action"] in ("RETRY", "EXIT")
        assert "onExitCode" not in entry or entry["onExitCode"].isdigit()
    assert definition["timeout"]["attemptDurationSeconds"] >= 60


def test_the_gpu_definition_asks_for_a_gpu_and_for_its_use():
    container = json.loads((AWS / "job-definition-gpu.json").read_text())["containerProperties"]
    assert {"type": "GPU", "value": "1"} in container["resourceRequirements"]
    assert {"name": "SPACER_DEVICE", "value": "cuda"} in container["environment"]


def test_no_definition_carries_a_credential(definition):
    text = json.dumps(definition)
    assert "SECRET" not in text
    assert "ACCESS_KEY" not in text
    assert definition["containerProperties"]["jobRoleArn"].startswith("arn:aws:iam::")


def test_the_submission_in_the_guide_is_what_aws_accepts():
    submission = json.loads((AWS / "submit-job.json").read_text())
    report = botocore.validate.ParamValidator().validate(submission, request_shape("SubmitJob"))
    assert not report.has_errors(), report.generate_report()
    names = {entry["name"] for entry in submission["containerOverrides"]["environment"]}
    assert names == {"JOB_MSG_LOC", "RES_MSG_LOC"}
