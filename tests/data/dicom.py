"""Write small DICOM files."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

MACROS = dict(  # what is in which sequence of a functional group
    PixelValueTransformationSequence=('RescaleSlope', 'RescaleIntercept'),
    PixelMeasuresSequence=('PixelSpacing',),
    PlanePositionSequence=('ImagePositionPatient',),
    PlaneOrientationSequence=('ImageOrientationPatient',),
)


def write(path: Path, pixels: np.ndarray, **tags) -> None:
    """Write one file.

    Args:
        path: The file.
        pixels: (H, W), or (frames, H, W), or (H, W, 3) with ``SamplesPerPixel=3``.
        tags: What else the file says, by DICOM's keywords.
    """
    new = file(path)
    fill(new, pixels, **tags)
    new.save_as(path)


def file(path: Path, kind: str = SecondaryCaptureImageStorage) -> FileDataset:
    """Make a file without pixels.

    Args:
        path: Its name.
        kind: The UID of the kind of object.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = kind
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    new = FileDataset(path, {}, file_meta=meta, preamble=b'\0' * 128)
    new.SOPClassUID = meta.MediaStorageSOPClassUID
    new.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    new.SeriesInstanceUID = generate_uid()
    return new


def fill(file: FileDataset, pixels: np.ndarray, **tags) -> None:
    """Give a file pixels and tags, as of :func:`write`."""
    file.PhotometricInterpretation = 'MONOCHROME2'
    file.SamplesPerPixel = 1
    file.Rows, file.Columns = pixels.shape[:2] if 'SamplesPerPixel' in tags else pixels.shape[-2:]
    file.BitsAllocated = 8 * pixels.dtype.itemsize
    file.BitsStored = tags.get('BitsStored', file.BitsAllocated)
    file.HighBit = file.BitsStored - 1
    file.PixelRepresentation = int(pixels.dtype.kind == 'i')
    file.PixelData = pixels.tobytes()
    for tag, value in tags.items():
        setattr(file, tag, value)


def enhance(file: FileDataset, *, each: bool) -> None:
    """Move rescaling and placement into the functional groups, as enhanced objects have them.

    Args:
        file: A file with one frame.
        each: Whether they are said for each frame instead of for all.
    """
    file.NumberOfFrames = 1
    group = Dataset()
    for sequence, keys in MACROS.items():
        macro = Dataset()
        for key in keys:
            if key in file:
                setattr(macro, key, file[key].value)
                delattr(file, key)
        if len(macro):
            setattr(group, sequence, [macro])
    frame, shared = (group, Dataset()) if each else (Dataset(), group)
    file.PerFrameFunctionalGroupsSequence = [frame]
    file.SharedFunctionalGroupsSequence = [shared]
