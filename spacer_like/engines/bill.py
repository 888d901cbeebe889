"""Bills of submissions: what the work took, beside what its plan said."""

from __future__ import annotations

from typing import Any, NamedTuple

from spacer_like.engines.child_records import read_child_records
from spacer_like.engines.plan import Plan, read_plan
from spacer_like.location import DataLocation
from spacer_like.storage import list_keys


class Bill(NamedTuple):
    """What the children of a submission took, by the records that they left.

    Fields:
        children: how many have left a record of their end.
        again: how many of these were started again.
        lost: how many children and earlier attempts have started and left none, because they run or were killed; what
            they took is not among `seconds`.
        lost_vcpu_hours: what these took at most, about, if none takes longer than the plan says of a child; None: there
            is no plan.
        lost_cost: the price of these hours; None: the plan has none.
        seconds: of all of them together, with those of earlier attempts.
        vcpu_hours: of all of them; None: neither the plan nor the records know their processor cores.
        cost: by the plan's price; None: it has none.
        peak_memory: bytes of the largest worker process; None: not known.
        is_complete: whether nothing is left to do.
        plan: that of the submission, whose run and later ones are counted; None: it was not planned, and all are.
    """

    children: int
    again: int
    lost: int
    lost_vcpu_hours: float | None
    lost_cost: float | None
    seconds: float
    vcpu_hours: float | None
    cost: float | None
    peak_memory: int | None
    is_complete: bool
    plan: Plan | None

    @property
    def is_within(self) -> bool | None:
        """Whether the vCPU hours lie within the plan's error bar; None: without both of them, or before the end."""
        if self.plan is None or self.vcpu_hours is None or not self.is_complete:
            return None
        return self.plan.vcpu_hours.low <= self.vcpu_hours <= self.plan.vcpu_hours.high

    def serialize(self) -> dict[str, Any]:
        """The bill as numbers, texts, lists and dictionaries; of the plan what it is compared with."""
        planned = {"vcpu_hours": None, "cost": None, "price": None}
        if self.plan is not None:
            whole = self.plan.serialize()
            planned = {name: whole[name] for name in planned}
        return {
            "children": self.children,
            "started_again": self.again,
            "lost": self.lost,
            "lost_vcpu_hours": self.lost_vcpu_hours,
            "lost_cost": self.lost_cost,
            "seconds": self.seconds,
            "vcpu_hours": self.vcpu_hours,
            "cost": self.cost,
            "peak_memory": self.peak_memory,
            "planned": None if self.plan is None else planned,
            "within_error_bar": self.is_within,
        }


def bill(folder: DataLocation, is_complete: bool) -> Bill | None:
    """The bill of a submission so far; None: no child has started.

    Args:
        is_complete: whether nothing is left to do.

    Raises:
        MessageError: a record or the plan is damaged.
    """
    plan = read_plan(folder)
    first = 1 if plan is None else plan.run
    records = [one for one in read_child_records(folder) if one["run"] >= first]
    started, ended = (_names(folder.below(part), first) for part in ("started/", "children/"))
    if not records and not started:
        return None
    seconds = [one["seconds"] + one["earlier_seconds"] for one in records]
    killed = sum(max(0, one["attempt"] - 1 - one["earlier_attempts"]) for one in records)
    cores = [_vcpus(one, plan) for one in records]
    hours = None
    if None not in cores:
        hours = sum(one * (count or 0.0) for one, count in zip(seconds, cores, strict=True)) / 3600
    price = None if plan is None else plan.price
    cost = None if price is None or hours is None else hours * price
    lost = len(started - ended) + killed
    # Whoever ends a child ends it before its work is done.
    lost_hours = None if plan is None else lost * plan.seconds_a_shard * (plan.vcpus or 1.0) / 3600
    return Bill(
        children=len(records),
        again=sum(one["attempt"] > 1 for one in records),
        lost=lost,
        lost_vcpu_hours=lost_hours,
        lost_cost=None if price is None or lost_hours is None else lost_hours * price,
        seconds=sum(seconds),
        vcpu_hours=hours,
        cost=cost,
        peak_memory=max((one["peak_memory"] or 0 for one in records), default=0) or None,
        is_complete=is_complete,
        plan=plan,
    )


def _names(part: DataLocation, first: int) -> set[str]:
    """The names of the files of children, of this run and later ones."""
    names = (loc.filename for loc in list_keys(part))
    return {name for name in names if (run := name.partition("-")[0]).isdecimal() and int(run) >= first}


def _vcpus(record: dict[str, Any], plan: Plan | None) -> float | None:
    # What the job definition or sbatch's options say is what is paid for.
    if plan is not None and plan.vcpus is not None:
        return plan.vcpus
    found: float | None = record["vcpus"]
    # The plan reckons with one where it does not know how many.
    return 1.0 if found is None and plan is not None else found
