"""Plans and bills of submissions on the command line: options, tables and sentences."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from spacer_like.cli.options import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from spacer_like.cli.terminal import Terminal
    from spacer_like.engines.array import ArraySubmission
    from spacer_like.engines.bill import Bill
    from spacer_like.engines.estimates import Estimate
    from spacer_like.engines.plan import Plan
    from spacer_like.message_base import Message


class Planning(NamedTuple):
    """The options of ``jobs submit`` that are about its plan; None: not given."""

    dry_run: bool
    shard: int | None
    shard_seconds: float | None
    sample: int | None
    price: float | None
    max_cost: float | None

    def check(self) -> None:
        """
        Raises:
            UsageError: options that do not belong together.
        """
        for name, value in self._asdict().items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"The option --{name.replace('_', '-')} must be a finite number.")
        if self.max_cost is not None and self.price is None:
            raise UsageError("The option --max-cost needs --price, the price of a vCPU hour.")
        for name in ("price", "sample"):
            if getattr(self, name) is not None and not self._needs_sample:
                raise UsageError(f"The option --{name} is of a plan: add --dry-run, --max-cost or --shard-seconds.")

    @property
    def _needs_sample(self) -> bool:
        return self.dry_run or self.max_cost is not None or (self.shard_seconds is not None and self.shard is None)

    def plan(self, submission: ArraySubmission, messages: Sequence[Message], terminal: Terminal) -> Plan | None:
        """The plan that the options ask for, or that lies in the folder; shards get the size that it says.

        Raises:
            SpacerError: see `engines.plan.plan`.
        """
        from spacer_like.engines.plan import SAMPLE, SHARD_SECONDS, known_plan, plan
        from spacer_like.engines.scheduled import ScheduledSubmission
        from spacer_like.progress import listening

        seconds = None if self.shard else self.shard_seconds
        known = None if self.dry_run else known_plan(submission, messages)
        if self.shard is None and seconds is None:
            if known is None:
                seconds = SHARD_SECONDS
            elif isinstance(submission, ScheduledSubmission):
                submission.sharding = replace(submission.sharding, requests=known.shard)
        if not self._needs_sample:
            return known
        with terminal.progress({"sample": "Sample"}) as listener, listening(listener):
            return plan(
                submission,
                messages,
                sample=self.sample or SAMPLE,
                shard_seconds=seconds,
                price=self.price,
                again=self.dry_run or self.sample is not None,
            )


def shown_plan(plan: Plan) -> list[RenderableType]:
    """A plan as a table, and what is to be said about it."""
    from rich.text import Text

    from spacer_like.cli.rendering import table
    from spacer_like.drawing.class_style import plain_text

    rows = table("", "", names=2)
    rows.show_header = False
    for name, text in _rows(plan).items():
        rows.add_row(name, text)
    if not (failures := plan.sample.failures):
        return [rows]
    count = len(failures) + sum(len(one) for one in plan.sample.seconds.values())
    return [rows, Text(f"{len(failures)} of {count} requests failed, such as: {plain_text(failures[0])}", style="red")]


def _rows(plan: Plan) -> dict[str, str]:
    from spacer_like.reports.evaluation import count_of

    memory = f"{plan.memory / 2**20:,.0f} MiB"
    limit = "what it has is not known" if plan.memory_limit is None else f"it has {plan.memory_limit / 2**20:,.0f} MiB"
    start = f"once a child has started, in {_number(plan.seconds_to_start)} s"
    each = f"about {_duration(plan.seconds_a_shard)}"
    arrays = f", in {count_of(plan.arrays, 'array')}" if plan.arrays else ""
    vcpus = "how many vCPUs is not known, and 1 is reckoned with"
    if plan.vcpus is not None:
        vcpus = f"{_number(plan.vcpus)} vCPU{'' if plan.vcpus == 1 else 's'}"
    rows = {
        "requests to do": f"{plan.to_do:,}",
        "seconds a request": f"{_bar(plan.seconds_a_request)}, {start}",
        "children": f"{plan.shards:,}, of {count_of(plan.shard, 'request')} at most and {each} each{arrays}",
        "at once in a child": f"{count_of(plan.processes, 'request')}; {vcpus}",
        "memory of a child": f"{memory}; {limit}",
        "vCPU hours": _bar(plan.vcpu_hours),
    }
    if plan.unsampled:
        counts = ", ".join(f"{count:,} {task}" for task, count in plan.unsampled.items())
        rows["not reckoned"] = f"{counts}: they wait for others, so that none could be sampled"
    if plan.cost is not None and plan.price is not None:
        rows["cost"] = f"{_bar(plan.cost)} at {_number(plan.price)} a vCPU hour"
    return rows


def shown_bill(bill: Bill) -> list[RenderableType]:
    """A bill in sentences."""
    from rich.text import Text

    from spacer_like.reports.evaluation import count_of

    children = count_of(bill.children, "child", "children")
    if bill.vcpu_hours is None:
        return [Text(f"{children} took {_duration(bill.seconds)} in all.")]
    text = f"{children} took {_number(bill.vcpu_hours)} vCPU hours"
    if bill.cost is not None:
        text += f", which cost {_number(bill.cost)}"
    if bill.plan is not None:
        text += f"; planned were {_bar(bill.plan.vcpu_hours)}"
        if bill.is_within is not None:
            text += ": within the error bar" if bill.is_within else ": outside of the error bar"
    again = f" {bill.again} started more than once." if bill.again else ""
    return [Text(f"{text}.{again}{_lost(bill)}")]


def _lost(bill: Bill) -> str:
    """What is said of children of whose end nothing is known."""
    from spacer_like.reports.evaluation import count_of

    if not bill.lost:
        return ""
    text = f" {count_of(bill.lost, 'start')} left no record of {'its' if bill.lost == 1 else 'their'} end"
    if bill.lost_vcpu_hours is None:
        return f"{text}: what was taken is not counted."
    cost = "" if bill.lost_cost is None else f", which cost {_number(bill.lost_cost)}"
    return f"{text}: by the plan at most {_number(bill.lost_vcpu_hours)} vCPU hours{cost}, which are not counted."


def _bar(estimate: Estimate) -> str:
    return f"{_number(estimate.mean)} ({_number(estimate.low)} to {_number(estimate.high)})"


def _number(value: float) -> str:
    """
    >>> _number(12345.6), _number(0.01234)
    ('12,346', '0.0123')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    """
    >>> _duration(0.5), _duration(840), _duration(9000)
    ('0.5 s', '14 min', '2.5 h')
    """
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{_number(seconds / size)} {unit}"
    return f"{_number(seconds)} s"
