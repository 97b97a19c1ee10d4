"""Compare where an image and its mask lie in the body."""

from itertools import product
from pathlib import Path

import numpy as np

from ..errors import UnsupportedError
from .dicom import dicom_header
from .nifti import axis_directions, nifti_affine
from .slices import is_dicom, is_nifti

SHIFT = 0.5  # of a voxel, from which on labels belong to another one


def check_placement(image: Path, mask: Path, shape: tuple[int, ...]) -> None:
    """Check that two files of one shape lie at the same place, as far as both say where.

    Args:
        image: A NIfTI or DICOM file; others say nothing.
        mask: The mask that was drawn on it.
        shape: The number of voxels along the axes of the affine (x, y and, of volumes, z).

    Raises:
        UnsupportedError: If their axes point to other directions, or a voxel of the mask lies more
            than half a voxel away from that of the image.
    """
    if is_nifti(image) and is_nifti(mask):
        affines = nifti_affine(image), nifti_affine(mask)
        ways = axis_directions(affines[0], image), axis_directions(affines[1], mask)
        if ways[0] != ways[1]:
            raise UnsupportedError(
                f'the axes of {mask} point to {ways[1]}, but those of its image {image} to '
                f'{ways[0]}, so that the labels would be mirrored or turned: save both with the '
                'same orientation'
            )
    elif not is_nifti(image) and not is_nifti(mask) and is_dicom(image) and is_dicom(mask):
        affines = dicom_header(image).affine, dicom_header(mask).affine
    else:
        return
    if any(affine is None for affine in affines):
        return
    corners = np.array([*product(*([0, side - 1] for side in shape))])
    places = [corners @ affine[:3, : len(shape)].T + affine[:3, 3] for affine in affines]
    shift = float(np.linalg.norm(places[0] - places[1], axis=1).max())
    spacings = [np.linalg.norm(affine[:3, : len(shape)], axis=0) for affine in affines]
    if shift > SHIFT * spacings[0][spacings[0] > 0].min(initial=np.inf):
        of_mask, of_image = (
            f'spacing {" x ".join(f"{side:.4g}" for side in spacing)} mm and origin '
            f'{", ".join(f"{x:.4g}" for x in affine[:3, 3])}'
            for spacing, affine in zip(spacings[::-1], affines[::-1], strict=True)
        )
        raise UnsupportedError(
            f'{mask} has {of_mask}, but its image {image} has {of_image}, so that labels lie up to '
            f'{shift:.3g} mm away: resample the mask to its image or, if it was drawn on these '
            "pixels, save it with the image's header"
        )
