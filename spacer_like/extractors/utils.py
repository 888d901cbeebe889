"""Names that PySpacer's callers import from here."""

from spacer_like.images.crop import crop_patches, crop_simple

__all__ = ["crop_patches", "crop_simple"]
