import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from spacer_like.data_classes import ValResults
from spacer_like.exceptions import MessageError, MissingFieldError
from spacer_like.learning.metrics import EvaluationReport, evaluation_report
from spacer_like.train_utils import calc_acc

GOLDEN = Path(__file__).parent / "golden"


@st.composite
def results(draw: st.DrawFn) -> ValResults:
    classes = draw(st.integers(1, 5))
    points = draw(st.integers(1, 40))
    indices = st.lists(st.integers(0, classes - 1), min_size=points, max_size=points)
    scores = st.lists(st.floats(0, 1), min_size=points, max_size=points)
    return ValResults(draw(scores), draw(indices), draw(indices), list(range(10, 10 + classes)))


class TestAccuracy:
    def test_share_of_equal_positions(self) -> None:
        assert calc_acc([1, 2, 3, 11], [1, 2, 1, 4]) == 0.5
        assert calc_acc(["a"], ["a"]) == 1.0

    @pytest.mark.parametrize(("gt", "est"), [([], []), ([], [1]), ([1], [])])
    def test_empty(self, gt: list[int], est: list[int]) -> None:
        with pytest.raises(ValueError, match=r"^Inputs can not be empty$"):
            calc_acc(gt, est)

    def test_unequal_lengths(self) -> None:
        with pytest.raises(ValueError, match=r"^Input gt and est must have the same length$"):
            calc_acc([1, 2], [1])


class TestReport:
    @pytest.mark.filterwarnings("ignore:A single label was found")
    @given(results())
    def test_figures_are_those_of_scikit_learn(self, result: ValResults) -> None:
        report = evaluation_report(result)
        labels = range(len(result.classes))
        assert report.accuracy == pytest.approx(sklearn_metrics.accuracy_score(result.gt, result.est))
        assert (
            report.confusion_matrix == sklearn_metrics.confusion_matrix(result.gt, result.est, labels=labels).tolist()
        )
        precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
            result.gt, result.est, labels=labels, zero_division=np.nan
        )
        for name, wanted in (("precision", precision), ("recall", recall), ("support", support)):
            found = [np.nan if value is None else value for value in (getattr(row, name) for row in report.per_class)]
            np.testing.assert_allclose(found, wanted)
        known = [(row.f1, value) for row, value in zip(report.per_class, f1, strict=True) if row.f1 is not None]
        np.testing.assert_allclose(*zip(*known, strict=True))

    @given(results())
    def test_nothing_is_lost(self, result: ValResults) -> None:
        report = evaluation_report(result)
        points = len(result.gt)
        assert report.count == points
        assert sum(row.support for row in report.per_class) == points
        assert sum(map(sum, report.confusion_matrix)) == points
        assert sum(entry.count for entry in report.calibration) == points
        hits = sum((entry.accuracy or 0) * entry.count for entry in report.calibration)
        assert hits / points == pytest.approx(report.accuracy)
        assert 0 <= report.calibration_error <= 1

    @given(results())
    def test_a_higher_threshold_decides_fewer_points(self, result: ValResults) -> None:
        rows = evaluation_report(result).thresholds
        assert (rows[0].threshold, rows[0].coverage) == (0, 1)
        assert [row.coverage for row in rows] == sorted((row.coverage for row in rows), reverse=True)
        for row in rows:
            chosen = [
                true == given
                for true, given, score in zip(result.gt, result.est, result.scores, strict=True)
                if score >= row.threshold
            ]
            assert row.count == len(chosen)
            assert row.accuracy == (pytest.approx(sum(chosen) / len(chosen)) if chosen else None)

    @given(results())
    def test_it_survives_json(self, result: ValResults) -> None:
        report = evaluation_report(result, ref_accs=[0.5, 0.6], pc_accs=[0.25])
        text = json.dumps(report.serialize(), allow_nan=False)
        assert EvaluationReport.deserialize(json.loads(text)) == report

    def test_confidence_lies_within_its_bin(self) -> None:
        report = evaluation_report(ValResults([0.0, 0.1, 0.95, 1.0], [0, 0, 1, 1], [0, 1, 1, 0], ["a", "b"]))
        bins = [entry for entry in report.calibration if entry.count]
        assert [(entry.lower, entry.count, entry.accuracy) for entry in bins] == [
            (0.0, 1, 1),
            (0.1, 1, 0),
            (0.9, 2, 0.5),
        ]
        assert bins[2].mean_confidence == pytest.approx(0.975)
        assert report.calibration_error == pytest.approx((1 + 0.1 + 2 * 0.475) / 4)

    def test_figures_that_do_not_exist_are_none(self) -> None:
        report = evaluation_report(ValResults([0.9], [0], [0], ["a", "b", "c"]))
        assert [(row.precision, row.recall, row.f1, row.support) for row in report.per_class] == [
            (1, 1, 1, 1),
            (None, None, None, 0),
            (None, None, None, 0),
        ]
        assert report.macro_f1 == 1


class TestFormat:
    RESULTS = ValResults([0.9, 0.8, 0.35, 0.6], [0, 1, 0, 2], [0, 1, 1, 0], [121, "sand", 1222])

    def test_golden_file(self) -> None:
        """Version 1 of the format: a change of it needs a new version, and the old file must still be read."""
        golden = json.loads((GOLDEN / "evaluation_report_1.json").read_text())
        report = evaluation_report(self.RESULTS, ref_accs=[0.5, 0.75], pc_accs=[0.25])
        assert report.serialize() == golden
        assert EvaluationReport.deserialize(golden) == report

    def test_pictures_can_be_drawn_of_it(self) -> None:
        from spacer_like.reports.evaluation import read_evaluation

        evaluation = read_evaluation(evaluation_report(self.RESULTS, [0.5], [0.25]).serialize())
        assert evaluation.accuracy == 0.5
        assert evaluation.point_count == 4

    @pytest.mark.parametrize(
        ("change", "sentence"),
        [
            ({"format": "other"}, "This is not an evaluation report"),
            ({"format_version": 2}, "of the format version 2, not 1"),
            ({"per_class": [{"label": 1}]}, "The evaluation report is malformed"),
        ],
    )
    def test_what_is_no_report_is_refused(self, change: dict[str, Any], sentence: str) -> None:
        with pytest.raises(MessageError, match=sentence):
            EvaluationReport.deserialize(evaluation_report(self.RESULTS).serialize() | change)

    def test_a_missing_field_is_named(self) -> None:
        data = evaluation_report(self.RESULTS).serialize()
        del data["accuracy"]
        with pytest.raises(MissingFieldError, match="'accuracy'"):
            EvaluationReport.deserialize(data)
        with pytest.raises(MessageError, match="This is not an evaluation report"):
            EvaluationReport.deserialize([])

    def test_fields_of_later_versions_are_ignored(self) -> None:
        report = evaluation_report(self.RESULTS)
        assert EvaluationReport.deserialize(report.serialize() | {"later": 1}) == report
