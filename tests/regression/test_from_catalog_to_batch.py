"""From a catalog and images on disk to a batch to train on, by one job after the other."""

import numpy as np
import pytest

from spacer_like.location import DataLocation
from spacer_like.mailman import process_job
from spacer_like.messages import AugmentDatasetMsg, JobMsg, PackDatasetMsg, PrepareImagesMsg, SplitDatasetMsg
from spacer_like.regression.dataset import open_pool

from .galaxies import catalog, encoded

BANDS = ("g", "r", "i", "gri")
N, SIZE, INPUT = 36, 16, 24


def galaxy(inclination, band, seed):
    """An ellipse of the inclination's axis ratio with noise."""
    y, x = np.mgrid[:INPUT, :INPUT] - (INPUT - 1) / 2
    light = 200 * np.exp(-np.hypot(x, y / np.cos(np.deg2rad(inclination)).clip(0.2)) / 4)
    values = light[..., None] + np.random.default_rng(seed).normal(20, 3, (INPUT, INPUT, 3 if band == "gri" else 1))
    return values.clip(0, 255).astype(np.uint8).squeeze()


@pytest.fixture
def folder(tmp_path):
    inclinations = np.linspace(45, 90, N).astype(int)
    rows = [(100 + number, inclination, 0, "", "") for number, inclination in enumerate(inclinations)]
    (tmp_path / "catalog.txt").write_bytes(catalog(*rows, (7, 0, 2, "F", "[face_on]"), (8, 60, 0, "", "")))
    (tmp_path / "galaxies").mkdir()
    for number, (galaxy_id, inclination, *_) in enumerate([*rows, (7, 0)]):
        for band in BANDS:
            ending = ("gri.sdss.jpg", "JPEG") if band == "gri" else (f"{band}.png", "PNG")
            path = tmp_path / "galaxies" / f"pgc{galaxy_id}_d25x2_rot_{ending[0]}"
            path.write_bytes(encoded(galaxy(inclination, band, number), ending[1]))
    return DataLocation("filesystem", str(tmp_path))


def done(*messages):
    answer = process_job(JobMsg(messages[0].task, list(messages)))
    assert answer.ok, answer.error_message
    return answer.results


def test_a_catalog_and_images_become_batches(folder):
    images, rows, prepared = folder.below("galaxies"), folder.below("catalog.txt"), folder.below("prepared")
    found = done(*(PrepareImagesMsg(images, rows, prepared, band=band, size=SIZE) for band in BANDS))
    assert [answer.n_written for answer in found] == [N + 1] * 4
    assert found[0].missing == [8]
    files = done(*(PackDatasetMsg(prepared.below(answer.folder), folder.below("packed")) for answer in found))
    packed = {band: folder.below("packed", answer.file) for band, answer in zip(BANDS, files, strict=True)}
    [split] = done(SplitDatasetMsg(packed_locs=packed, out_loc=folder.below("samples"), sub_samples=1))
    assert (split.n_galaxies, split.n_left_out, split.n_held_out) == (N, 1, 4)
    batches = done(
        *(
            AugmentDatasetMsg(
                sample_locs=[
                    folder.below("samples", f"{band}_{SIZE}x{SIZE}_train_{sub_sample:03d}.npz")
                    for band in ("g", "r", "i", "RGB")
                ],
                out_loc=folder.below("augmented"),
                sub_sample=sub_sample,
                batch=batch,
                per_bin=2,
            )
            for sub_sample in (0, 1)
            for batch in (0, 1)
        )
    )
    held_out = set(open_pool(folder.below("samples", f"r_{SIZE}x{SIZE}_test_000.npz")).ids)
    assert len({answer.file for answer in batches}) == 4
    for answer in batches:
        pool = open_pool(folder.below("augmented", answer.file))
        assert pool.images.shape == (answer.n_images, SIZE, SIZE, 3)
        assert (pool.filters == "c").sum() * 2 == answer.n_images
        assert not held_out & set(pool.ids)
    assert [sum(answer.bins.values()) for answer in batches[:2]] == [36, 36]
