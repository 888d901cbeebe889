"""The admin pages of jobs: list, filter, retry, cancel, collect, and a page for each request with its pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from spacer_like.contrib.django.models import Jobs, SpacerJob
from spacer_like.contrib.django.request_page import (
    Request,
    bounded_json,
    facts,
    listed_requests,
    request_of,
    scores_table,
)
from spacer_like.contrib.django.running import cancel, collect_all, retry
from spacer_like.exceptions import SpacerError


@admin.register(SpacerJob)
class SpacerJobAdmin(admin.ModelAdmin):
    """Jobs are made by code: here they are looked at, retried, cancelled and collected."""

    list_display = (
        *("pk", "job_id", "task_name", "status", "engine", "spec_level", "attempt", "error_class"),
        *("created", "updated"),
    )
    list_filter = ("status", "task_name", "engine", "spec_level", "error_class", "created")
    search_fields = ("job_id", "digest", "external_id", "error_message")
    ordering = ("-pk",)
    actions = ("retry_jobs", "cancel_jobs", "collect_jobs")
    fields = readonly_fields = (
        *("job_id", "task_name", "digest", "status", "engine", "spec_level", "attempt", "folder", "external_id"),
        *("error_class", "error_message", "created", "updated", "shown_requests", "shown_message"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Jobs:
        """The jobs without their messages, which may be large, and which one page alone shows."""
        jobs: Jobs = super().get_queryset(request).defer("message")
        return jobs

    def get_urls(self) -> list[Any]:
        own = [
            ("<int:key>/requests/<int:index>/", self.request_view, "request"),
            ("<int:key>/requests/<int:index>/pictures/<int:number>/", self.picture_view, "picture"),
        ]
        wrap = self.admin_site.admin_view
        urls = [path(route, wrap(view), name=f"spacer_like_spacerjob_{name}") for route, view, name in own]
        # The last of Django's own takes every path.
        return [*urls, *super().get_urls()]

    @admin.action(description="Retry the selected jobs", permissions=["change"])
    def retry_jobs(self, request: HttpRequest, queryset: Jobs) -> None:
        self._do(request, queryset, retry, "retried")

    @admin.action(description="Cancel the selected jobs", permissions=["change"])
    def cancel_jobs(self, request: HttpRequest, queryset: Jobs) -> None:
        self._do(request, queryset, cancel, "cancelled")

    @admin.action(description="Collect the selected jobs", permissions=["change"])
    def collect_jobs(self, request: HttpRequest, queryset: Jobs) -> None:
        ended = sum(found.result is not None for found in collect_all(queryset.unfinished()))
        self.message_user(request, f"{ended} ended.")

    @admin.display(description="message")
    def shown_message(self, job: SpacerJob) -> Any:
        return format_html("<pre>{}</pre>", bounded_json(job.message))

    @admin.display(description="requests")
    def shown_requests(self, job: SpacerJob) -> Any:
        """A table of the first requests, each with a link to its page."""
        try:
            count, listed = listed_requests(job)
        except SpacerError as error:
            return str(error)
        rows = format_html_join(
            "",
            '<tr><td><a href="{}">{}</a></td><td>{}</td><td>{}</td><td>{}</td></tr>',
            ((self._url("request", job, one.number - 1), *one) for one in listed),
        )
        head = "<tr><th>request</th><th>token</th><th>status</th><th>error</th></tr>"
        more = f"{count - len(listed):,} more" if count > len(listed) else ""
        return format_html("<table><thead>{}</thead><tbody>{}</tbody></table>{}", mark_safe(head), rows, more)

    def request_view(self, request: HttpRequest, key: int, index: int) -> HttpResponse:
        """The page of a request."""
        job = self._job(request, key)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "job": job,
            "title": f"Request {index + 1}",
            "job_url": self._url("change", job),
        }
        try:
            found = _found(job, index)
            context |= {"count": found.total, "facts": facts(found), "scores": scores_table(found.result)}
            context |= {
                "message": bounded_json(found.message.serialize()),
                "result": bounded_json(found.outcome.serialize()) if found.outcome is not None else "",
                "previous": self._url("request", job, index - 1) if index else "",
                "next": self._url("request", job, index + 1) if index + 1 < found.total else "",
            }
            from spacer_like.contrib.django.pictures import pictures_of, size_of_features

            context["pictures"] = [
                (self._url("picture", job, index, number), picture.title)
                for number, picture in enumerate(pictures_of(found))
            ]
            context["features"] = size_of_features(found)
        except SpacerError as error:
            context["fault"] = str(error)
        return TemplateResponse(request, "admin/spacer_like/spacerjob/request.html", context)

    def picture_view(self, request: HttpRequest, key: int, index: int, number: int) -> HttpResponse:
        """A picture of a request as PNG, or in plain text why there is none."""
        from spacer_like.contrib.django.pictures import draw, pictures_of

        job = self._job(request, key)
        headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
        try:
            found = _found(job, index)
            pictures = pictures_of(found)
            if number >= len(pictures):
                raise Http404
            return HttpResponse(draw(pictures[number], found), content_type="image/png", headers=headers)
        except SpacerError as error:
            return HttpResponse(str(error), content_type="text/plain; charset=utf-8", status=422, headers=headers)

    def _job(self, request: HttpRequest, key: int) -> SpacerJob:
        job: SpacerJob | None = self.get_queryset(request).filter(pk=key).first()
        if job is None:
            raise Http404
        if not self.has_view_permission(request, job):
            raise PermissionDenied
        return job

    def _url(self, view: str, job: SpacerJob, *numbers: int) -> str:
        name = f"admin:spacer_like_spacerjob_{view}"
        url: str = reverse(name, args=[job.pk, *numbers], current_app=self.admin_site.name)
        return url

    def _do(self, request: HttpRequest, jobs: Jobs, act: Callable[[SpacerJob], None], done: str) -> None:
        count = 0
        for job in jobs:
            try:
                act(job)
                count += 1
            except SpacerError as error:
                self.message_user(request, str(error), messages.WARNING)
        self.message_user(request, f"{count} {done}.")


def _found(job: SpacerJob, index: int) -> Request:
    try:
        return request_of(job, index)
    except IndexError:
        raise Http404 from None
