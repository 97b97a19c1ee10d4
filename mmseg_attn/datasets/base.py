"""Share the checks of our datasets, with a clear error if files are missing."""

from pathlib import Path
from typing import Any

from mmengine import fileio
from mmseg.datasets import BaseSegDataset

from ..errors import DataError
from .loading import find_fault


class PreparedSegDataset(BaseSegDataset):
    """A ``BaseSegDataset`` whose errors say how to get missing files.

    MMSegmentation stops with an assertion if a split file is missing, continues without images if
    it is empty, and finds a missing image or label only during the training. If a file cannot be
    decoded, the training ends with the message of the decoder.
    """

    PREPARATION: str = ''  # how to get the data, in the imperative

    def __init__(self, *, img_suffix: str = '.png', **kwargs: Any) -> None:
        super().__init__(img_suffix=img_suffix, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the images of the split.

        Returns:
            One dict per image, as MMSegmentation's own datasets return it.

        Raises:
            FileNotFoundError: If the split file, a folder, an image or a label is missing; without
                a split file, every label must have an image.
            DataError: If the split file or the folder has no image, or the file is not text.
        """

        def missing(name: str) -> FileNotFoundError:
            return FileNotFoundError(f'The {name} is missing: {self.PREPARATION}.')

        split, prefix = Path(self.ann_file), self.data_prefix
        kinds = [('image', 'img_path', self.img_suffix)]
        if prefix.get('seg_map_path'):  # otherwise there are no labels
            kinds.append(('label', 'seg_map_path', self.seg_map_suffix))
        if self.ann_file and not split.exists():
            raise missing(f'split file {split}')
        for kind, key, _ in kinds:
            if not fileio.exists(prefix[key], backend_args=self.backend_args):
                raise missing(f'{kind} folder {prefix[key]}')
        if split.is_file() and not self._read(split).strip():
            raise DataError(f'The split file {split} is empty: {self.PREPARATION}.')
        data_list = super().load_data_list()
        if not data_list:
            raise DataError(
                f'{prefix["img_path"]} contains no {self.img_suffix} image: {self.PREPARATION}.'
            )
        for kind, key, suffix in kinds:
            present = self.files(prefix[key], suffix)
            for info in data_list:
                if Path(info[key]) not in present:
                    raise missing(f'{kind} {info[key]}')
            if kind == 'label' and not self.ann_file:
                unmatched = present - {Path(info[key]) for info in data_list}
                if unmatched:
                    raise missing(f'image of {min(unmatched)}')
        return data_list

    def prepare_data(self, idx: int) -> Any:
        """Send an image through the pipeline.

        Raises:
            DataError: If the image or its mask is damaged, not supported or too large.
        """
        try:
            return super().prepare_data(idx)
        except DataError:
            raise
        except Exception as error:  # decoders raise nearly anything
            fault = find_fault(self.get_data_info(idx), self.backend_args)
            if fault is None:
                raise
            raise fault from error

    def _read(self, split: Path) -> str:
        try:
            return split.read_text(encoding='utf-8')
        except UnicodeDecodeError as error:
            raise DataError(
                f'The split file {split} is not text in UTF-8 ({error.reason} at byte '
                f'{error.start}): {self.PREPARATION}.'
            ) from error

    def files(self, folder: str, suffix: str) -> set[Path]:
        """Return the files in a folder and below it whose names end in ``suffix``."""
        names = fileio.list_dir_or_file(
            folder,
            list_dir=False,
            suffix=suffix,
            recursive=True,
            backend_args=self.backend_args,
        )
        return {Path(folder, name) for name in names}
