"""How many cores there are: those the process may run on, or fewer where a container's time is limited."""

import os
from pathlib import Path

import pytest

from spacer_like import cores
from spacer_like.config import override
from spacer_like.cores import core_count, cpu_quota, library_thread_count, thread_count


@pytest.fixture
def quota(tmp_path):
    """The quota by files of control groups, and by what the process is said to belong to."""

    def find(files: dict[str, str], membership: str | None = "0::/\n") -> float | None:
        for name, text in files.items():
            (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "groups" / name).write_text(f"{text}\n")
        if membership is not None:
            (tmp_path / "membership").write_text(membership)
        return cpu_quota(tmp_path / "groups", tmp_path / "membership")

    return find


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max 100000", None), ("150000 100000", 1.5), ("50000 100000", 0.5), ("400000 50000", 8.0)],
)
def test_a_container_of_version_2_is_limited_by_cpu_max(quota, text, expected):
    assert quota({"cpu.max": text}) == expected


@pytest.mark.parametrize(("micro", "expected"), [("-1", None), ("250000", 2.5), ("50000", 0.5)])
@pytest.mark.parametrize("place", ["cpu", "cpu,cpuacct"])
def test_a_container_of_version_1_is_limited_by_its_quota_and_period(quota, micro, expected, place):
    files = {f"{place}/cpu.cfs_quota_us": micro, f"{place}/cpu.cfs_period_us": "100000"}
    # Inside the container the path of the host does not exist.
    assert quota(files, f"12:memory:/docker/ab\n4:{place}:/docker/ab\n0::/\n") == expected


def test_the_tightest_limit_of_a_group_and_those_above_it_holds(quota):
    files = {"cpu.max": "max 100000", "jobs/cpu.max": "300000 100000", "jobs/one/cpu.max": "600000 100000"}
    assert quota(files, "0::/jobs/one\n") == 3.0


def test_a_group_of_version_1_below_others_is_found_by_its_path(quota):
    groups = {"cpu": "-1", "cpu/jobs": "100000", "cpu/jobs/one": "-1"}
    files = {f"{name}/cpu.cfs_quota_us": value for name, value in groups.items()}
    files |= {f"{name}/cpu.cfs_period_us": "50000" for name in groups}
    assert quota(files, "3:cpu,cpuacct:/jobs/one\n") == 2.0


def test_other_controllers_groups_are_not_asked(quota):
    files = {"cpuset/jobs/cpu.cfs_quota_us": "1", "cpuset/jobs/cpu.cfs_period_us": "9"}
    assert quota(files, "2:cpuset:/jobs\n") is None


@pytest.mark.parametrize("text", ["", "nonsense", "0 100000", "100000 0", "100000", "-5 100000"])
def test_what_is_no_limit_is_none(quota, text):
    assert quota({"cpu.max": text}) is None


def test_where_there_are_no_control_groups_there_is_no_limit(quota):
    assert quota({}, membership=None) is None


@pytest.mark.parametrize(("limit", "expected"), [(None, 4), (0.5, 1), (1.5, 2), (2.0, 2), (64.0, 4)])
def test_the_cores_are_those_of_the_process_or_as_many_as_its_time_fills(monkeypatch, limit, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(cores, "_quota", lambda: limit)
    assert core_count() == expected
    assert thread_count() == expected
    with override(torch_threads=3):
        assert thread_count() == 3


def test_torch_is_limited_by_a_quota_and_else_left_alone(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr(cores, "_quota", lambda: None)
    assert library_thread_count() is None
    monkeypatch.setattr(cores, "_quota", lambda: 1.5)
    assert library_thread_count() == 2
    with override(torch_threads=3):
        assert library_thread_count() == 3


def test_this_machine_has_a_core():
    assert 1 <= core_count() <= (os.cpu_count() or 1)
    assert Path("/proc/self/cgroup").exists() or cpu_quota() is None
