"""Work over many collections grows with their number, not with its square."""

import pyarrow as pa
import pyarrow.parquet
import pytest

from spacer_like.data_classes import DataLocation
from spacer_like.engines.processes import Processes
from spacer_like.messages import ComputeHistogramMsg, MergeHistogramsMsg, ScoreCollectionMsg
from spacer_like.overwriting import NamedLocation, check_locations
from spacer_like.tables import writing
from spacer_like.workflows.steps import Step, Steps


def test_the_fingerprint_of_a_step_is_computed_once_however_many_steps_build_on_it(monkeypatch, tmp_path):
    described = []
    serialize = MergeHistogramsMsg.serialize
    monkeypatch.setattr(MergeHistogramsMsg, "serialize", lambda self: described.append(1) or serialize(self))
    merged = Step("merge", MergeHistogramsMsg.example(), ("1", "2"))
    after = [Step(f"score {number}", ScoreCollectionMsg.example(), (merged.fingerprint,)) for number in range(20)]
    with Processes(1) as engine:
        Steps(tmp_path, engine).run("Merging", [merged])
    assert len({step.fingerprint for step in after}) == 1
    assert len(described) == 1


def test_steps_of_other_requests_or_inputs_have_other_fingerprints():
    message, other = ComputeHistogramMsg.example(), ScoreCollectionMsg.example()
    steps = [Step("one", message, ("1",)), Step("one", message, ("2",)), Step("one", other, ("1",))]
    assert len({step.fingerprint for step in steps}) == 3
    assert Step("two", message, ("1",)).fingerprint == steps[0].fingerprint


def test_a_growing_table_is_written_whenever_enough_rows_wait(monkeypatch, tmp_path):
    monkeypatch.setattr(writing, "_ROWS_AT_A_TIME", 10)
    schema = pa.schema([("n", pa.int64())])
    with writing.growing_table(schema, [DataLocation("filesystem", str(tmp_path / "n.parquet"))]) as append:
        for number in range(25):
            append(pa.table({"n": [number]}, schema))
    with pyarrow.parquet.ParquetFile(tmp_path / "n.parquet") as file:
        assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [10, 10, 5]
        assert file.read()["n"].to_pylist() == list(range(25))


def test_many_outputs_are_compared_by_their_places_once(monkeypatch):
    import spacer_like.overwriting as overwriting

    compared = []
    identity = overwriting.identity_of
    monkeypatch.setattr(overwriting, "identity_of", lambda loc: compared.append(loc) or identity(loc))
    locations = [
        NamedLocation(f"out.{number}", DataLocation("memory", f"{number}"), is_output=True) for number in range(500)
    ]
    check_locations(locations)
    assert len(compared) == 500
    with pytest.raises(ValueError, match=r"out\.7 and again are both 'memory://7'"):
        check_locations([*locations, NamedLocation("again", DataLocation("memory", "7"), is_output=True)])


def test_pictures_decode_no_more_images_than_they_show(make_collections, tmp_path, monkeypatch):
    from spacer_like.rarity.tasks import collections
    from spacer_like.reports import rarity_contact_sheet
    from spacer_like.workflows.rarity import RarityOptions, score_collections
    from spacer_like.workflows.rarity_pictures import draw_pictures

    options = RarityOptions(size=16, keep_stacks=False, processes=1)
    output = tmp_path / "out"
    report = score_collections(make_collections(tmp_path / "in"), output, options)
    decoded = []
    square_into = collections.square_into
    monkeypatch.setattr(
        collections, "square_into", lambda *arguments, **how: decoded.append(1) or square_into(*arguments, **how)
    )
    entries = rarity_contact_sheet.sheet_entries
    monkeypatch.setattr(
        rarity_contact_sheet, "sheet_entries", lambda names, scores, *rest: entries(names[:5], scores[:5], *rest)
    )
    drawn = draw_pictures(output, report, options)
    assert output / "pictures" / "contact_sheet.png" in drawn
    assert 0 < len(decoded) <= 5
