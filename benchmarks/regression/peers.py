"""Axis ratios of galaxies by other programs, run by a Python that has them.

usage: python benchmarks/regression/peers.py statmorph|autoprof GALAXIES ANSWER

GALAXIES is an npz file with an array for each galaxy, float32 [height, width], the galaxy in its middle; ANSWER a JSON
file with the axis ratio of each, null where the program failed, and the seconds of the processor. statmorph takes what
stands out from the border and hangs together about the middle for the galaxy; AutoProf finds it itself. Nothing of
spacer_like is imported: AutoProf is under GPL-3, and needs older packages.
"""

import json
import logging
import math
import os
import re
import sys
import tempfile
import time
import warnings

import numpy as np
from scipy import ndimage


def by_statmorph(image):
    """1 less the ellipticity about the centre of least asymmetry; None where statmorph flags the fit as a failure."""
    import statmorph

    height, width = image.shape
    border = np.concatenate([image[:2].ravel(), image[-2:].ravel(), image[:, :2].ravel(), image[:, -2:].ravel()])
    sky = np.median(border)
    noise = 1.4826 * np.median(np.abs(border - sky))
    smooth = ndimage.gaussian_filter(image - sky, 1)
    # Pictures whose sky is black have no noise: there a tenth of the brightest, as the crude moments take it.
    labels, _ = ndimage.label(smooth > max(1.5 * noise, 0.1 * smooth.max()))
    number = labels[height // 2, width // 2]
    if not number:
        return None
    found = statmorph.source_morphology(image - sky, (labels == number).astype(int), gain=1.0)[0]
    return None if found.flag >= 4 else 1 - found.ellipticity_asymmetry


def by_autoprof(image):
    """1 less the ellipticity of the whole, from AutoProf's notes; None where its pipeline stops."""
    from astropy.io import fits
    from autoprof.Pipeline import Isophote_Pipeline

    with tempfile.TemporaryDirectory() as folder:
        before = os.getcwd()
        os.chdir(folder)
        try:
            fits.PrimaryHDU(image.astype(np.float32)).writeto("galaxy.fits")
            pipeline = Isophote_Pipeline(loggername="galaxy.log")
            logging.disable(logging.CRITICAL)
            steps = ["background", "psf", "center", "isophoteinit", "isophotefit", "isophoteextract", "writeprof"]
            pipeline.UpdatePipeline(new_pipeline_steps={"head": steps})
            options = {"ap_image_file": "galaxy.fits", "ap_name": "galaxy", "ap_process_mode": "image"}
            pipeline.Process_Image({**options, "ap_pixscale": 1.0, "ap_zeropoint": 22.5, "ap_doplot": False})
            with open("galaxy.aux", encoding="utf-8") as notes:
                found = re.search(r"global ellipticity: ([0-9.]+)", notes.read())
        finally:
            os.chdir(before)
    return 1 - float(found[1]) if found else None


PEERS = {"statmorph": by_statmorph, "autoprof": by_autoprof}


def main(peer, galaxies, answer):
    warnings.simplefilter("ignore")
    measure = PEERS[peer]
    with np.load(galaxies) as file:
        images = [file[name].astype(np.float64) for name in file.files]
    ratios = []
    # What either imports is no time of a galaxy.
    measure(images[0])
    start = time.process_time()
    for image in images:
        try:
            ratio = measure(image)
        # Whatever stops a program on an image is its failure on that image.
        except Exception:
            ratio = None
        ratios.append(float(ratio) if ratio is not None and math.isfinite(ratio) and 0 < ratio <= 1 else None)
    with open(answer, "w", encoding="utf-8") as file:
        json.dump({"axis_ratios": ratios, "seconds": time.process_time() - start}, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
