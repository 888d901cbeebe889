"""Every task passes the suite that is shipped."""

import pytest

from spacer_like.messages import TASKS
from spacer_like.overwriting import locations_of
from spacer_like.testing.task import TaskContract, full_message

from . import prepared


class TestTasks(TaskContract):
    only_read = frozenset({"check_collection", "locate_chip", "plan_survey"})

    @classmethod
    def requests(cls, folder):
        return prepared.requests(folder)

    @pytest.fixture(scope="class")
    @classmethod
    def killing(cls, session_killing):
        return session_killing


def test_every_task_that_writes_has_something_to_overwrite():
    few = {name for name in TASKS.keys() - TestTasks.only_read if len(locations_of(full_message(name))) < 2}
    assert few == set()


def test_every_task_has_a_request_with_data(tmp_path):
    assert prepared.requests(tmp_path).keys() == TASKS.keys()
