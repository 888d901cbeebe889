"""The task that makes a batch of changed images."""

from __future__ import annotations

import time
from collections import Counter

from spacer_like.overwriting import check_also_written, task
from spacer_like.regression.augmentation import Options, batch_name, counted_bins, fly_batch, grey_and_colour
from spacer_like.regression.dataset import open_pool, pool_files, write_pool
from spacer_like.regression.messages import AugmentDatasetMsg, AugmentDatasetReturnMsg


@task
def augment_dataset(msg: AugmentDatasetMsg) -> AugmentDatasetReturnMsg:
    """Make a batch of changed images, in which every five degrees of inclination are equally frequent.

    Raises:
        MessageError: the batch would overwrite one of the samples.
        TrainingLabelsError: there are no images of colour or no grey ones, of different sizes, or without an
            inclination where these are balanced.
        TableError: a damaged file, or one whose name gives no band.
        DataNotFoundError: there is no such file.
    """
    start = time.perf_counter()
    options = Options(msg.anisotropic_scale, msg.grey_recipe_for_colour, msg.random_order, msg.by_class)
    greys, colours = grey_and_colour([open_pool(loc) for loc in msg.sample_locs])
    batch = fly_batch(greys, colours, msg.per_bin, msg.seed, msg.batch, options)
    file = f"{batch_name(batch.images.shape[1], msg.sub_sample, msg.batch)}.{msg.layout}"
    out_loc = msg.out_loc.below(file)
    check_also_written(msg, pool_files(out_loc))
    write_pool(out_loc, batch)
    return AugmentDatasetReturnMsg(
        file=file,
        n_images=len(batch.images),
        filters=dict(sorted(Counter(batch.filters.tolist()).items())),
        bins=counted_bins(batch.inclinations, msg.by_class),
        runtime=time.perf_counter() - start,
    )
