"""Requests that wait for others of their submission, and trees that merge."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacer_like.engines.array import digests_of, needs_in, read_manifest
from spacer_like.engines.base import Serial
from spacer_like.engines.batch import Batch
from spacer_like.engines.child_records import read_child_records
from spacer_like.engines.dependencies import needs_of, staged
from spacer_like.engines.detached import Detached
from spacer_like.engines.kubernetes import Kubernetes
from spacer_like.engines.reduction import merge_tree
from spacer_like.engines.scheduled import ScheduledSubmission, Sharding, read_run
from spacer_like.engines.shard_work import work_on_shard
from spacer_like.exceptions import MessageError, SpacerInputError
from spacer_like.location import DataLocation
from spacer_like.messages import FindDuplicatesMsg, MergeHistogramsMsg, ProcessImagesMsg, digest_of
from spacer_like.rarity.histogram import Header, Histogram
from spacer_like.rarity.histogram_file import to_parquet
from spacer_like.storage import read_bytes
from spacer_like.testing.engine import wait_until
from spacer_like.testing.local_batch import LocalBatch

from .test_processes import Held


def at(path):
    return DataLocation("filesystem", str(path))


def counted_in(folder, count):
    """Requests that each write the histogram of a collection, out of one that is there."""
    requests = []
    (folder / "there").mkdir(exist_ok=True)
    for number in range(count):
        source = at(folder / f"there/{number}.parquet")
        keys = (np.arange(16) * 1000 + np.random.default_rng(number).integers(0, 1000, 16)).astype(np.uint32)
        counts = np.ones(16, np.uint32)
        histogram = Histogram(Header(4, "bicubic", "drop"), {str(number): 1}, keys, counts)
        (folder / f"there/{number}.parquet").write_bytes(to_parquet(histogram))
        requests.append(
            MergeHistogramsMsg(histogram_locs=[source], merged_loc=at(folder / f"histograms/{number}.parquet"))
        )
    return requests


def merging(folder, counted, fan_in, out="all.parquet"):
    """All requests of a tree over histograms, one after the other."""
    levels = merge_tree(
        [request.merged_loc for request in counted],
        lambda some, to: MergeHistogramsMsg(histogram_locs=some, merged_loc=to),
        lambda some: MergeHistogramsMsg(histogram_locs=some, merged_loc=at(folder / out)),
        at(folder / "between"),
        fan_in,
        ".parquet",
    )
    return [request for level in levels for request in level]


def unbroken(folder, counted):
    """The bytes of one merge of all, in this process."""
    from spacer_like.tasks import merge_histograms

    loc = at(folder / "unbroken.parquet")
    merge_histograms(MergeHistogramsMsg(histogram_locs=[one.merged_loc for one in counted], merged_loc=loc))
    return read_bytes(loc)


class TestNeeds:
    def test_a_request_needs_those_before_it_whose_files_it_reads(self, tmp_path):
        counted = counted_in(tmp_path, 5)
        requests = [*counted, *merging(tmp_path, counted, 2)]
        assert needs_of(requests) == {5: [0, 1], 6: [2, 3], 7: [5, 6], 8: [4, 7]}

    def test_it_needs_those_that_write_into_a_folder_that_it_reads(self, tmp_path):
        [request] = counted_in(tmp_path, 1)
        table = request.model_copy(update={"table_loc": at(tmp_path / "tree/one/counts.npy")})
        reading = ProcessImagesMsg(images_loc=at(tmp_path / "tree"), embeddings_loc=at(tmp_path / "table.parquet"))
        beside = reading.model_copy(update={"images_loc": at(tmp_path / "tre")})
        last = FindDuplicatesMsg(embeddings_loc=reading.embeddings_loc)
        assert needs_of([table, reading, last]) == {1: [0], 2: [1]}
        assert needs_of([table, beside]) == {}

    def test_what_reads_a_file_before_it_is_written_again_is_refused(self, tmp_path):
        counted = counted_in(tmp_path, 2)
        with pytest.raises(MessageError, match=r"tasks\.1\.merged_loc would overwrite tasks\.0\.histogram_locs\.0"):
            needs_of([*merging(tmp_path, counted[:1], 2), counted[0]])

    def test_the_same_is_asked_for_twice_and_needed_once(self, tmp_path):
        counted = counted_in(tmp_path, 2)
        requests = [counted[0], *counted, *merging(tmp_path, counted, 2)]
        folder = at(tmp_path / "submission")
        Held(folder).submit(requests)
        assert json.loads(read_bytes(folder.below("manifest.json")))["needs"] == [[2, [0, 1]]]


class TestStages:
    def test_a_shard_does_what_waits_for_its_own_requests_alone(self):
        needs = {"x": "ab", "y": "cd", "z": "xy"}
        assert staged("abcdxyz", needs, 2) == [[["a", "b", "x"], ["c", "d", "y"]], [["z"]]]

    def test_what_is_done_is_not_waited_for(self):
        assert staged("xz", {"x": "ab", "z": "xy"}, 2) == [[["x", "z"]]]

    def test_what_an_earlier_stage_has_done_is_not_waited_for_again(self):
        assert staged("abcxz", {"x": "ac", "z": "xa"}, 1) == [[["a"], ["b"], ["c"]], [["x", "z"]]]

    def test_many_that_wait_for_one_are_divided(self):
        (first,), later = staged("a" + "bcdefghi", dict.fromkeys("bcdefghi", "a"), 2)
        assert first == ["a", "b", "c", "d"]
        assert later == [["e", "f"], ["g", "h"], ["i"]]

    @given(st.data(), st.integers(1, 4))
    @settings(max_examples=30, deadline=None)
    def test_everything_is_done_once_and_after_what_it_needs(self, data, size):
        digests = [str(number) for number in range(data.draw(st.integers(0, 16)))]
        needs = {
            one: data.draw(st.lists(st.sampled_from(digests[:number]), unique=True, max_size=4))
            for number, one in enumerate(digests)
            if number
        }
        stages = staged(digests, needs, size)
        assert sorted(one for shards in stages for shard in shards for one in shard) == sorted(digests)
        assert all(len(shard) <= 2 * size for shards in stages for shard in shards)
        done = set()
        for shards in stages:
            for shard in shards:
                within = set()
                for one in shard:
                    assert set(needs.get(one, ())) <= done | within
                    within.add(one)
            done |= {one for shard in shards for one in shard}


class TestTree:
    @pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (4, [1]), (5, [1, 1]), (17, [4, 1, 1])])
    def test_levels_shrink_to_one_request(self, tmp_path, count, sizes):
        levels = merge_tree(
            [at(tmp_path / str(number)) for number in range(count)],
            lambda some, to: MergeHistogramsMsg(histogram_locs=some, merged_loc=to),
            lambda some: MergeHistogramsMsg(histogram_locs=some, merged_loc=at(tmp_path / "all")),
            at(tmp_path / "between"),
            4,
        )
        assert [len(level) for level in levels] == sizes

    def test_without_parts_it_is_refused(self, tmp_path):
        with pytest.raises(MessageError, match="A tree merges one part or more"):
            merging(tmp_path, [], 2)


class TestSubmitted:
    def test_on_this_machine_it_merges_to_the_bytes_of_one_merge(self, tmp_path):
        counted = counted_in(tmp_path, 5)
        made = Detached(at(tmp_path / "submission"), 2).submit([*counted, *merging(tmp_path, counted, 2)])
        wait_until(lambda: not made.status().at_work, 240)
        assert made.status().done == 9
        assert read_bytes(at(tmp_path / "all.parquet")) == unbroken(tmp_path, counted)

    def test_by_arrays_it_merges_to_the_bytes_of_one_merge_also_where_children_are_killed(self, tmp_path):
        counted = counted_in(tmp_path, 5)
        with LocalBatch(seed=3, kill=0.4) as client:
            scheduler = Batch("queue", "definition", client=client)
            scheduler.seconds_between_queries = 0.05
            made = ScheduledSubmission(at(tmp_path / "submission"), scheduler, Sharding(2))
            made.submit([*counted, *merging(tmp_path, counted, 2)])
            arrays = [client._jobs[one].after for one in made.array_ids()]
            wait_until(lambda: not made.status().at_work, 240)
        assert made.status().done == 9
        # Each shard has merged its own; what merges those is another one, after the array of the first three.
        shards = read_run(made.folder, 1)["shards"]
        assert [len(shard) for shard in shards] == [3, 3, 1, 2]
        assert arrays == [[], made.array_ids()[:1]]
        assert read_bytes(at(tmp_path / "all.parquet")) == unbroken(tmp_path, counted)

    def test_where_one_fails_those_that_need_it_wait_for_retry_failed(self, tmp_path):
        counted = counted_in(tmp_path, 3)
        hidden = (tmp_path / "there/0.parquet").rename(tmp_path / "hidden")
        with LocalBatch() as client:
            scheduler = Batch("queue", "definition", attempts=1, client=client)
            scheduler.seconds_between_queries = 0.05
            made = ScheduledSubmission(at(tmp_path / "submission"), scheduler, Sharding(1))
            made.submit([*counted, *merging(tmp_path, counted, 2)])
            wait_until(lambda: not made.status().at_work, 240)
            status = made.status()
            assert (status.done, status.failed, status.waiting) == (2, 1, 2)
            hidden.rename(tmp_path / "there/0.parquet")
            assert made.retry_failed() == 3
            wait_until(lambda: not made.status().at_work, 240)
        assert made.status().done == 5
        assert {record["exit_code"] for record in read_child_records(made.folder) if record["run"] == 2} == {0}

    def test_what_does_not_need_the_one_that_failed_goes_on_in_later_arrays(self, tmp_path):
        counted = counted_in(tmp_path, 3)
        (tmp_path / "there/0.parquet").unlink()
        locs = [one.merged_loc for one in counted]
        merges = [
            MergeHistogramsMsg(histogram_locs=some, merged_loc=at(tmp_path / name))
            for name, some in (("failing", locs[:2]), ("going on", locs[1:]))
        ]
        with LocalBatch() as client:
            scheduler = Batch("queue", "definition", client=client)
            scheduler.seconds_between_queries = 0.05
            made = ScheduledSubmission(at(tmp_path / "submission"), scheduler, Sharding(1))
            made.submit([*counted, *merges])
            assert [state.is_waiting for state in made.array_states().values()] == [False, True]
            wait_until(lambda: not made.status().at_work, 240)
        status = made.status()
        assert (status.done, status.failed, status.waiting) == (3, 1, 1)
        assert made.count_blocked() == 1
        assert read_bytes(at(tmp_path / "going on"))
        # What is on record is how it was, though the first array ended well for Batch.
        assert [record["exit_code"] for record in read_child_records(made.folder)] == [64, 0, 0, 64, 0]

    def test_kubernetes_has_no_jobs_that_wait_and_takes_those_of_one_shard(self, tmp_path):
        counted = counted_in(tmp_path, 3)
        requests = [*counted, *merging(tmp_path, counted, 3)]
        made = ScheduledSubmission(at(tmp_path / "submission"), Kubernetes("image"), Sharding(2))
        with pytest.raises(SpacerInputError, match="the engine 'kubernetes' has no arrays that wait for others"):
            made.submit(requests)
        assert not made.scheduler.manifests
        # Nothing has begun: the folder takes other requests.
        assert made.check(counted[:2])
        made.sharding = Sharding(3)
        made.submit(requests)
        assert [job["spec"]["completions"] for job in made.scheduler.manifests] == [1]

    def test_batch_has_no_array_that_waits_for_more_than_twenty(self, tmp_path):
        counted = counted_in(tmp_path, 21)
        with LocalBatch(at_once=0) as client:
            scheduler = Batch("queue", "definition", client=client)
            made = ScheduledSubmission(at(tmp_path / "submission"), scheduler, Sharding(1, most_children=1))
            with pytest.raises(SpacerInputError, match="no arrays that wait for more than 20 others"):
                made.submit([*counted, *merging(tmp_path, counted, 21)])

    def test_a_shard_that_begins_too_early_leaves_its_requests_waiting(self, tmp_path):
        counted = counted_in(tmp_path, 2)
        requests = [*counted, *merging(tmp_path, counted, 2)]
        folder = at(tmp_path / "submission")
        Held(folder).submit(requests)
        assert work_on_shard(folder, Serial(), [digest_of(requests[-1])]) == {"waiting": 1}
        assert work_on_shard(folder, Serial()) == {"done": 3}

    @pytest.mark.parametrize(("version", "needs"), [(2, {}), (3, {"c" * 64: ["a" * 64, "b" * 64]})])
    def test_manifests_of_all_versions_are_read(self, tmp_path, version, needs):
        shutil.copy(Path(__file__).parent / f"golden/manifest_{version}.json", tmp_path / "manifest.json")
        manifest = read_manifest(at(tmp_path))
        assert digests_of(manifest) == ["a" * 64, "b" * 64, "c" * 64]
        assert needs_in(manifest) == needs
