"""Signals of jobs that have ended, sent once a job, after the end was committed.

A receiver gets `job`, a `SpacerJob`, and `result`, a `JobReturnMsg`. An error of a receiver is logged by Django and
stops neither the collection nor the other receivers.
"""

from django.dispatch import Signal

job_succeeded = Signal()
"""Every request of the job succeeded."""
job_failed = Signal()
"""A request failed, the job could not be submitted, or it was cancelled."""
