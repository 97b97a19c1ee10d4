"""Load knee MRI with masks of the patellar ligament, converted from pairs of the user."""

import json
from pathlib import Path
from typing import ClassVar

from mmseg.registry import DATASETS

from ..io import percentile_window
from ..io.output import MANIFEST
from .base import PreparedSegDataset


@DATASETS.register_module()
class KneeMRIDataset(PreparedSegDataset):
    """Load slices of knee MRI, as ``tools/dataset_converters/knee_mri.py`` writes them.

    Images have one channel: load them with ``color_type='grayscale'``. The CSAM-ResUNet paper
    does not name a release of its 300 images. If the converter has read the spacing of a slice, its
    entry has ``spacing``, the millimeters between rows and between columns, and ``spacing_unit``.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('background', 'patellar ligament'), palette=[[0, 0, 0], [220, 30, 60]]
    )
    PREPARATION = (
        'run python tools/dataset_converters/knee_mri.py SOURCE, or name the converted folder in '
        'KNEE_MRI_ROOT'
    )
    intensity_window = staticmethod(percentile_window)  # of more than 8 bits

    def load_data_list(self) -> list[dict]:
        """List the images of the split, with their spacing.

        Returns:
            One dict per image.

        Raises:
            FileNotFoundError, DataError: As the base class does.
        """
        infos = super().load_data_list()
        record = Path(self.data_root or '', MANIFEST)
        spacing = json.loads(record.read_text()).get('spacing', {}) if record.is_file() else {}
        for info in infos:
            name = Path(info['img_path']).name.removesuffix(self.img_suffix)
            if name in spacing:
                info.update(spacing=tuple(spacing[name]), spacing_unit='mm')
        return infos
