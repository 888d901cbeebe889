"""Every task passes the suite that is shipped."""

from spacer_like.messages import TASKS
from spacer_like.testing.task import TaskContract

from . import prepared


class TestTasks(TaskContract):
    only_read = frozenset({"check_collection", "locate_chip"})

    @classmethod
    def requests(cls, folder):
        return prepared.requests(folder)


def test_every_task_has_a_request_with_data(tmp_path):
    assert prepared.requests(tmp_path).keys() == TASKS.keys()
