"""Our engines and submissions pass the suites that are shipped."""

import pytest

from spacer_like.engines.base import Serial
from spacer_like.engines.batch import Batch
from spacer_like.engines.dask_cluster import Dask
from spacer_like.engines.dask_submission import DaskCluster
from spacer_like.engines.detached import Detached
from spacer_like.engines.processes import Processes
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding
from spacer_like.testing.engine import EngineContract, SubmissionContract
from spacer_like.testing.local_batch import LocalBatch

from .dask_here import dask_cluster


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


class TestDask(EngineContract):
    program = "from spacer_like.engines.dask_cluster import Dask; engine = Dask(workers=2)"

    @classmethod
    def make_engine(cls):
        return Dask(workers=2)


class TestDaskOfOthers(EngineContract):
    """A scheduler and two workers that were started by Dask's own commands."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def cluster(cls, tmp_path_factory, unruly_is_allowed):
        folder = tmp_path_factory.mktemp("dask")
        with dask_cluster(folder, 2) as cls.address:
            yield

    @classmethod
    def make_engine(cls):
        return Dask(cls.address)


class TestDaskSubmission(SubmissionContract):
    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def cluster(cls, tmp_path_factory, unruly_is_allowed):
        with dask_cluster(tmp_path_factory.mktemp("dask"), 2) as cls.address:
            yield

    def submitted(self, folder, requests):
        return self.opened(folder).submit(requests)

    def opened(self, folder):
        scheduler = DaskCluster(self.address, retries=0)
        scheduler.seconds_between_queries = 0.05
        return ScheduledSubmission(folder, scheduler, Sharding(2))


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
