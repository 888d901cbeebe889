"""The admin pages of jobs: list, filter, retry, cancel, and the message and result of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.utils.html import format_html

from spacer_like.contrib.django.models import Jobs, SpacerJob
from spacer_like.contrib.django.running import cancel, result_of, retry
from spacer_like.exceptions import SpacerError

_MOST_SHOWN = 100_000


@admin.register(SpacerJob)
class SpacerJobAdmin(admin.ModelAdmin):
    """Jobs are made by code: here they are looked at, retried and cancelled."""

    list_display = ("pk", "job_id", "status", "engine", "spec_level", "attempt", "error_class", "created", "updated")
    list_filter = ("status", "engine", "spec_level", "error_class", "created")
    search_fields = ("job_id", "digest", "external_id", "error_message")
    ordering = ("-pk",)
    actions = ("retry_jobs", "cancel_jobs")
    fields = readonly_fields = (
        *("job_id", "digest", "status", "engine", "spec_level", "attempt", "folder", "external_id"),
        *("error_class", "error_message", "created", "updated", "shown_message", "shown_result"),
    )

    def has_add_permission(self, request: Any) -> bool:
        return False

    @admin.action(description="Retry the selected jobs", permissions=["change"])
    def retry_jobs(self, request: Any, queryset: Jobs) -> None:
        self._do(request, queryset, retry, "retried")

    @admin.action(description="Cancel the selected jobs", permissions=["change"])
    def cancel_jobs(self, request: Any, queryset: Jobs) -> None:
        self._do(request, queryset, cancel, "cancelled")

    @admin.display(description="message")
    def shown_message(self, job: SpacerJob) -> Any:
        return _shown(job.message)

    @admin.display(description="result")
    def shown_result(self, job: SpacerJob) -> Any:
        try:
            result = result_of(job)
        except SpacerError as error:
            return str(error)
        if result is None:
            return "-"
        # The job stands above already.
        return _shown({name: value for name, value in result.serialize().items() if name != "original_job"})

    def _do(self, request: Any, jobs: Jobs, act: Callable[[SpacerJob], None], done: str) -> None:
        count = 0
        for job in jobs:
            try:
                act(job)
                count += 1
            except SpacerError as error:
                self.message_user(request, str(error), messages.WARNING)
        self.message_user(request, f"{count} {done}.")


def _shown(data: Any) -> Any:
    """JSON data as escaped text of bounded length."""
    text = json.dumps(data, indent=2)
    if len(text) > _MOST_SHOWN:
        text = f"{text[:_MOST_SHOWN]}\n… {len(text) - _MOST_SHOWN:,} more characters"
    return format_html("<pre>{}</pre>", text)
