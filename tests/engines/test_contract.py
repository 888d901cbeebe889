"""Our engines and submissions pass the suites that are shipped."""

import pytest

from spacer_like.engines.base import Serial
from spacer_like.engines.batch import Batch
from spacer_like.engines.detached import Detached
from spacer_like.engines.processes import Processes
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.testing.engine import EngineContract, SubmissionContract
from spacer_like.testing.local_batch import LocalBatch


class TestSerial(EngineContract):
    at_once = 1
    apart = False

    @classmethod
    def make_engine(cls):
        return Serial()


class TestProcesses(EngineContract):
    program = "from spacer_like.engines.processes import Processes; engine = Processes(2)"

    @classmethod
    def make_engine(cls):
        return Processes(2)


class TestDetached(SubmissionContract):
    def submitted(self, folder, requests):
        return Detached(folder, 2).submit(requests)

    def opened(self, folder):
        return Detached(folder, 2)


class TestBatch(SubmissionContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def batch(cls):
        with LocalBatch(at_once=2) as client:
            cls.scheduler = Batch("queue", "definition", attempts=1, client=client)
            cls.scheduler.seconds_between_queries = 0.05
            yield

    def submitted(self, folder, requests):
        return ScheduledSubmission(folder, self.scheduler, Sharding(2)).submit(requests)

    def opened(self, folder):
        return ScheduledSubmission(folder, self.scheduler)
