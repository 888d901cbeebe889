"""Our engines and submissions pass the suites that are shipped."""

from spacer_like.engines.base import Serial
from spacer_like.engines.detached import Detached
from spacer_like.engines.processes import Processes
from spacer_like.testing.engine import EngineContract, SubmissionContract


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
