"""``manage.py collect_jobs``: look after all jobs that have not ended."""

from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand

from spacer_like.contrib.django.models import SpacerJob
from spacer_like.contrib.django.running import collect_all


class Command(BaseCommand):
    """Collects jobs once; to be called every minute or so, from as many machines as one likes."""

    help = (
        "Collect jobs that have ended and send their signals, begin again those that were lost, and submit those that "
        "have no submission after 30 minutes. Several processes may do it at once: each job ends once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        statuses: Counter[str] = Counter()
        ended = 0
        for found in collect_all(SpacerJob.objects.unfinished()):
            statuses[found.status] += 1
            ended += found.result is not None
        counts = ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
        self.stdout.write(f"{ended} ended by this call; of those looked at: {counts or 'none'}.")
