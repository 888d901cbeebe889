"""Arrays as Indexed Jobs of Kubernetes: their manifests, for `kubectl apply`; nothing here asks a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from spacer_like.engines.scheduler import ArrayJob, ArrayState, Scheduler
from spacer_like.mailman import ExitCode

# The largest Job whose failed indexes Kubernetes lists one by one.
_LARGEST_JOB = 100_000


class Kubernetes(Scheduler):
    """Manifests of Indexed Jobs (batch/v1, Kubernetes 1.31 or newer).

    `start` collects them in `manifests`; who applies them watches and deletes the Jobs too. Whether anything is at work
    is not known here: a submission's results say what is done.

    Args:
        image: of the container; its entry point is that of this package's image.
        retries: how often an index is tried again.
    """

    name = "kubernetes"
    # A Job cannot say that it waits for another one.
    most_dependencies: ClassVar[int | None] = 0

    def __init__(self, image: str, retries: int = 2) -> None:
        self._image, self._retries = image, retries
        self.manifests: list[dict[str, Any]] = []

    @property
    def options(self) -> dict[str, Any]:
        return {"image": self._image, "retries": self._retries}

    def largest_array(self) -> int:
        return _LARGEST_JOB

    def start(self, job: ArrayJob) -> str:
        container = {
            "name": "shard",
            "image": self._image,
            "env": [{"name": name, "value": value} for name, value in job.environment.items()],
        }
        # Without the rule an index would be tried again that fails the next time too.
        codes = {"containerName": "shard", "operator": "In", "values": [int(ExitCode.PERMANENT_FAILURE)]}
        spec = {
            "completions": job.size,
            "parallelism": job.size,
            "completionMode": "Indexed",
            "backoffLimitPerIndex": self._retries,
            "podFailurePolicy": {"rules": [{"action": "FailIndex", "onExitCodes": codes}]},
            "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
        }
        self.manifests.append({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job.name}, "spec": spec})
        return job.name

    def find(self, name: str) -> str | None:
        return None

    def states(self, ids: Sequence[str]) -> dict[str, ArrayState]:
        return {}

    def stop(self, ids: Sequence[str]) -> None:
        """Nothing: `kubectl delete job` does it; children that run begin no further request of a cancelled one."""
