"""Pictures and pages about results: how good a classifier is, and what it sees in a photograph."""

from spacer_like.reports.annotated_picture import annotated_picture
from spacer_like.reports.evaluation_page import evaluation_page
from spacer_like.reports.evaluation_picture import evaluation_picture

__all__ = ["annotated_picture", "evaluation_page", "evaluation_picture"]
