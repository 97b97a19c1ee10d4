"""Write small DICOM files."""

from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid


def write(path: Path, pixels: np.ndarray, **tags) -> None:
    """Write one file.

    Args:
        path: The file.
        pixels: (H, W), or (frames, H, W), or (H, W, 3) with ``SamplesPerPixel=3``.
        tags: What else the file says, by DICOM's keywords.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = FileDataset(path, {}, file_meta=meta, preamble=b'\0' * 128)
    file.SOPClassUID = meta.MediaStorageSOPClassUID
    file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    file.SeriesInstanceUID = generate_uid()
    file.PhotometricInterpretation = 'MONOCHROME2'
    file.SamplesPerPixel = 1
    file.Rows, file.Columns = pixels.shape[:2] if 'SamplesPerPixel' in tags else pixels.shape[-2:]
    file.BitsAllocated = file.BitsStored = 8 * pixels.dtype.itemsize
    file.HighBit = file.BitsStored - 1
    file.PixelRepresentation = int(pixels.dtype.kind == 'i')
    file.PixelData = pixels.tobytes()
    for tag, value in tags.items():
        setattr(file, tag, value)
    file.save_as(path)
