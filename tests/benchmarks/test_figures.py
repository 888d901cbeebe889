"""The arithmetic behind the benchmark's table."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks.cores import busy_seconds
from benchmarks.figures import OURS, PEER, Comparison, Figure, Target, measured
from benchmarks.measures import Measure, take
from benchmarks.processes import Command, ProgramFailed, run
from benchmarks.tables import HEAD, as_markdown, as_text, cells


def seconds(*values):
    return [{"seconds": value} for value in values]


@pytest.mark.parametrize(
    ("comparison", "bound", "number", "met"),
    [
        (Comparison.TIMES_LESS, 4, 4.0, True),
        (Comparison.TIMES_LESS, 4.1, 4.0, False),
        (Comparison.SHARE, 0.25, 0.25, True),
        (Comparison.SHARE, 0.2, 0.25, False),
        (Comparison.RATE, 4, 4.0, True),
        (Comparison.RATE, 4.1, 4.0, False),
        (Comparison.APART, 6, 6.0, True),
        (Comparison.APART, 5.9, 6.0, False),
        (Comparison.ALONE, 2, 2.0, True),
        (Comparison.ALONE, 1.9, 2.0, False),
    ],
)
def test_a_target_is_held_against_the_medians(comparison, bound, number, met):
    runs = {OURS: seconds(90, 1, 2), PEER: seconds(8, 1, 70)}
    line = measured(Figure("a job", "seconds", target=Target(comparison, bound)), runs)
    assert (line.ours, line.other, line.spread) == (2, 8, (1, 90))
    assert (line.number, line.is_met) == (number, met)


def test_a_figure_without_a_target_shows_the_ratio_and_meets_nothing():
    line = measured(Figure("a job", "seconds"), {OURS: seconds(2), PEER: seconds(5)})
    assert line.number == 2.5
    assert line.is_met is None


def test_a_figure_may_compare_other_sides_or_none():
    runs = {"first run": seconds(3), "model": seconds(6)}
    assert measured(Figure("x", "seconds", ours="first run", other="model"), runs).number == 2
    alone = measured(Figure("x", "seconds", ours="first run", other=None), runs)
    assert (alone.other, alone.number) == (None, None)


def test_the_table_shows_values_ratio_target_and_whether_it_is_met():
    runs = {OURS: seconds(0.0021), PEER: seconds(0.105)}
    line = measured(Figure("classify", "seconds", "ms", Target(Comparison.TIMES_LESS, 20)), runs)
    assert cells(line) == ("classify", "2.1 ms", "105 ms", "50.00", "at least 20 times less", "yes")


def test_another_peer_is_named_in_its_cell():
    figure = Figure("job", "seconds", target=Target(Comparison.SHARE, 1.1), other="model")
    line = measured(figure, {OURS: seconds(12), "model": seconds(10)})
    assert cells(line)[1:] == ("12 s", "10 s (model)", "1.20", "at most 1.1 times as much", "NO")


def test_a_bound_on_a_value_is_given_in_the_unit_of_the_value():
    figure = Figure("import", "seconds", "ms", Target(Comparison.ALONE, 0.25), other=None)
    assert cells(measured(figure, {OURS: seconds(0.31)})) == ("import", "310 ms", "", "", "at most 250 ms", "NO")


def test_text_and_markdown_hold_the_same_cells():
    line = measured(Figure("a job", "seconds"), {OURS: seconds(2), PEER: seconds(5)})
    markdown = as_markdown([line]).splitlines()
    assert [cell.strip() for cell in markdown[0].strip("|").split("|")] == list(HEAD)
    assert markdown[2] == "| a job | 2 s | 5 s | 2.50 |  |  |"
    assert as_text([line]).splitlines()[1].split() == ["a", "job", "2", "s", "5", "s", "2.50"]


def python(code: str) -> Command:
    return Command(Path(sys.executable), ("-c", code))


def test_a_process_is_measured_from_start_to_end():
    quantities = run(python("block = bytearray(b'x' * 64 * 2**20); print('noise'); print('{\"answer\": 42}')"))
    assert quantities["answer"] == 42
    assert quantities["peak_mib"] > 64
    assert quantities["cpu_seconds"] > 0
    assert quantities["wall_seconds"] > 0


@pytest.mark.parametrize(
    ("code", "said"),
    [("raise SystemExit('no such image')", "no such image"), ("print('hello')", "no JSON object"), ("", "no JSON")],
)
def test_a_program_without_an_answer_is_reported_with_what_it_wrote(code, said):
    with pytest.raises(ProgramFailed, match=said):
        run(python(code))


def test_the_settings_of_the_person_who_measures_do_not_count(monkeypatch):
    monkeypatch.setenv("SPACER_USE_ONNX", "False")
    quantities = run(python("import os; print('{\"found\": %d}' % ('SPACER_USE_ONNX' in os.environ))"))
    assert quantities["found"] == 0


def test_sides_are_run_in_turn(tmp_path):
    log = tmp_path / "log"
    said: list[str] = []

    def side(name: str) -> Command:
        return python(f"open({str(log)!r}, 'a').write('{name}'); print('{{\"seconds\": 1}}')")

    measure = Measure(
        name="turns",
        sides={OURS: side("A"), PEER: side("B")},
        figures=[Figure("turns", "seconds"), Figure("checked", "afterwards_difference", "", other=None)],
        before=[side("w")],
        afterwards=python(f"print({json.dumps(json.dumps({'difference': 0.5}))})"),
    )
    outcome = take(measure, 2, said.append)
    assert log.read_text() == "wABAB"
    assert len(said) == 4
    assert [line.ours for line in outcome.lines] == [1, 0.5]


def test_the_time_of_the_cores_is_read_from_the_kernel(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {1, 2})
    monkeypatch.setattr("os.sysconf", lambda _: 100)
    statistics = "cpu 9 9 9 9 9 9 9 9\ncpu0 9 9 9 9 9 9 9 9\ncpu1 100 20 30 7777 888 1 2 3 0 0\ncpu2 44 0 0 5 5 0 0 0\n"
    assert busy_seconds(statistics) == 2.0


def test_what_another_program_takes_is_told():
    quantities = run(python("import time; time.sleep(0.3); print('{}')"))
    assert 0 <= quantities["share_of_others"] <= 1
