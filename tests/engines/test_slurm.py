"""Arrays of a real Slurm."""

import os
import signal
import subprocess

import pytest
from PIL import Image

from spacer_like.engines.child_records import read_child_records
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.engines.scheduler import ArrayJob
from spacer_like.engines.slurm import Slurm
from spacer_like.engines.submitted import Submitted
from spacer_like.engines.watching import Watch, give_up
from spacer_like.exceptions import ConfigError, SpacerInputError, TransientError
from spacer_like.location import DataLocation
from spacer_like.messages import ExtractFeaturesMsg
from spacer_like.storage import read_bytes
from spacer_like.testing.engine import SubmissionContract, wait_until
from spacer_like.testing.extractors import Unruly

from .slurm_here import MAX_ARRAY_SIZE, missing, slurm_in
from .test_dependencies import at, counted_in, merging, unbroken

WHY = missing()
needs_slurm = pytest.mark.skipif(bool(WHY), reason=WHY)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    with slurm_in(tmp_path_factory.mktemp("slurm")) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("SPACER_ALLOWED_CLASS_PREFIXES", "spacer_like.testing.extractors")
        yield Slurm()


@needs_slurm
class TestSlurm(SubmissionContract):
    @pytest.fixture(autouse=True)
    def scheduler(self, slurm):
        self.slurm = slurm

    def submitted(self, folder, requests):
        return ScheduledSubmission(folder, self.slurm, Sharding(3)).submit(requests)

    def opened(self, folder):
        return ScheduledSubmission(folder, self.slurm)


@needs_slurm
class TestElements:
    @pytest.fixture
    def submission(self, slurm, tmp_path):
        return ScheduledSubmission(DataLocation("filesystem", str(tmp_path / "submission")), slurm, Sharding(1))

    def requests(self, folder, *does):
        Image.new("RGB", (8, 8)).save(folder / "image.png")
        return [
            ExtractFeaturesMsg(
                job_token=str(index),
                extractor=Unruly(does=one, folder=str(folder)),
                rowcols=[(index, 5)],
                image_loc=DataLocation("filesystem", str(folder / ("image.png" if one != "miss" else "none.png"))),
                feature_loc=DataLocation("filesystem", str(folder / f"{index}.npz")),
            )
            for index, one in enumerate(does)
        ]

    def test_more_shards_than_an_array_may_have_are_several_arrays(self, submission, tmp_path):
        submission.submit(self.requests(tmp_path, *[""] * (MAX_ARRAY_SIZE + 1)))
        assert len(submission.array_states()) == 2
        SubmissionContract.wait(submission)
        assert submission.status().done == MAX_ARRAY_SIZE + 1

    def test_an_element_that_was_killed_is_done_by_retry_failed(self, submission, tmp_path):
        submission.submit(self.requests(tmp_path, "", "wait"))
        wait_until(lambda: submission.status().done == 1 and list(tmp_path.glob("waiting-*")))
        worker = int(next(tmp_path.glob("waiting-*")).name.partition("-")[2])
        os.kill(parent_of(worker), signal.SIGKILL)
        SubmissionContract.wait(submission)
        assert (submission.status().done, submission.status().waiting) == (1, 1)
        (tmp_path / "go").touch()
        assert submission.retry_failed() == 1
        SubmissionContract.wait(submission)
        assert submission.status().done == 2

    def test_a_cancelled_element_ends_by_143_and_says_so(self, submission, tmp_path):
        submission.submit(self.requests(tmp_path, "wait"))
        wait_until(lambda: list(tmp_path.glob("waiting-*")))
        submission.cancel()
        SubmissionContract.wait(submission)
        (record,) = read_child_records(submission.folder)
        assert (record["exit_code"], record["interrupted"]) == (143, "Interrupted by SIGTERM.")

    def test_the_exit_code_says_how_the_requests_ended(self, submission, tmp_path):
        submission.submit(self.requests(tmp_path, "", "miss", "die"))
        SubmissionContract.wait(submission)
        codes = {record["shard"]: record["exit_code"] for record in read_child_records(submission.folder)}
        assert codes == {0: 0, 1: 64, 2: 75}
        (key,) = submission.array_states()
        shown = subprocess.run(["scontrol", "show", "job", f"{key}_2"], capture_output=True, text=True, check=True)
        assert "ExitCode=75:0" in shown.stdout

    def test_an_array_that_began_before_the_submitter_died_is_found_by_its_name(self, submission, tmp_path):
        submission.submit(self.requests(tmp_path, "wait"))
        (tmp_path / "submission/arrays/1-0.json").unlink()
        opened = ScheduledSubmission(submission.folder, submission.scheduler)
        assert opened.is_at_work()
        with pytest.raises(TransientError, match=r"at work on .* already"):
            opened.retry_failed()
        opened.cancel()
        SubmissionContract.wait(opened)

    def test_an_array_waits_for_another_one_until_that_has_ended(self, slurm, submission, tmp_path):
        submission.submit(self.requests(tmp_path, "wait"))
        wait_until(lambda: list(tmp_path.glob("waiting-*")))
        (first,) = submission.array_ids()
        second = slurm.start(ArrayJob("second", 2, {}, after=(first,)))
        wait_until(lambda: slurm.states([second])[second].is_waiting)
        submission.cancel()
        wait_until(lambda: not slurm.states([second])[second].is_active)

    def test_what_merges_the_results_of_others_comes_after_them(self, submission, tmp_path):
        counted = counted_in(tmp_path, 2)
        submission.submit([*counted, *merging(tmp_path, counted, 2)])
        assert len(submission.array_ids()) == 2
        SubmissionContract.wait(submission)
        assert submission.status().done == 3
        assert read_bytes(at(tmp_path / "all.parquet")) == unbroken(tmp_path, counted)

    def test_what_slurm_refuses_is_one_sentence(self, submission, tmp_path):
        submission.scheduler = Slurm(partition="nowhere")
        with pytest.raises(SpacerInputError, match=r"Slurm refuses 'sbatch': .*partition"):
            submission.submit(self.requests(tmp_path, ""))

    def test_a_controller_that_is_away_is_a_transient_error(self, slurm, tmp_path, monkeypatch):
        with open(os.environ["SLURM_CONF"]) as file:
            lines = [line for line in file if not line.startswith("SlurmctldPort")]
        (tmp_path / "slurm.conf").write_text("".join([*lines, "SlurmctldPort=9\nMessageTimeout=5\n"]))
        monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
        with pytest.raises(TransientError, match="Slurm does not answer 'squeue' now"):
            slurm.find("any")


@needs_slurm
def test_a_workflow_waits_for_the_outcomes_of_its_submissions(slurm, tmp_path):
    requests = TestElements().requests(tmp_path, "", "miss", "")
    folder = DataLocation("filesystem", str(tmp_path / "submissions"))
    ended = dict(Submitted(folder, "slurm", Sharding(2)).outcomes(requests))
    assert [ended[index].status for index in range(3)] == ["done", "failed", "done"]


@needs_slurm
def test_who_closes_the_outcomes_cancels_the_array(slurm, tmp_path):
    requests = TestElements().requests(tmp_path, "", "wait")
    folder = DataLocation("filesystem", str(tmp_path / "submissions"))
    found = Submitted(folder, "slurm", Sharding(1)).outcomes(requests)
    assert next(found)[0] == 0
    found.close()
    (made,) = (tmp_path / "submissions").iterdir()
    submission = ScheduledSubmission(DataLocation("filesystem", str(made)), slurm)
    SubmissionContract.wait(submission)
    assert submission.status().cancelled


def parent_of(process):
    with open(f"/proc/{process}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def test_a_machine_without_slurm_is_told_so(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="The command 'squeue' of Slurm is not found here"):
        Slurm().find("any")


@needs_slurm
def test_an_array_that_nothing_can_start_is_given_up_with_the_schedulers_reason(slurm, tmp_path):
    requests = TestElements().requests(tmp_path, "", "")
    partition = "PartitionName=main"
    subprocess.run(["scontrol", "update", partition, "State=DOWN"], check=True, capture_output=True)
    try:
        submission = ScheduledSubmission(DataLocation.local(tmp_path / "submission"), slurm, Sharding(1))
        submission.submit(requests)
        assert [state.is_queued for state in submission.array_states().values()] == [True]
        wait_until(lambda: give_up(submission, 0.5))
        SubmissionContract.wait(submission)
    finally:
        subprocess.run(["scontrol", "update", partition, "State=UP"], check=True, capture_output=True)
    assert "PartitionDown" in submission.cancellation()
    assert submission.status().waiting == 2


@needs_slurm
def test_an_element_that_hangs_gets_a_second_one(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr("spacer_like.engines.stragglers.LEAST_SECONDS", 1.0)
    monkeypatch.setattr("spacer_like.engines.stragglers.TIMES_THE_MEDIAN", 0.1)
    submission = ScheduledSubmission(DataLocation.local(tmp_path / "submission"), slurm, Sharding(1))
    submission.submit(TestElements().requests(tmp_path, "", "wait once"))
    watch = Watch(submission)
    wait_until(lambda: not watch.look().at_work, 60.0)
    assert submission.counted(at_work=False).done == 2
    records = read_child_records(submission.folder)
    assert [(one["shard"], one["copy"], one["exit_code"]) for one in records] == [
        (0, False, 0),
        (1, False, 0),
        (1, True, 0),
    ]
