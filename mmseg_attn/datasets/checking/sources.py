"""The datasets of a config and what they list, without reading an image."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from os.path import join

from mmcv.transforms import LoadAnnotations, LoadImageFromFile
from mmengine import fileio
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .findings import File, Finding, finding

SPLITS = ('train', 'val', 'test')


@dataclass
class Source:
    """One dataset, without the wrappers around it.

    Attributes:
        split: Train, val or test.
        dataset: The dataset, whose files may be missing; ``None`` if it cannot be built.
        infos: What it lists, as its pipeline takes it.
        image_loaders: The transforms that load an image, in order.
        label_loaders: Those that load its labels.
        findings: What is wrong with the list.
    """

    split: str
    dataset: BaseDataset | None = None
    infos: list[dict] = field(default_factory=list)
    image_loaders: list = field(default_factory=list)
    label_loaders: list = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none if the dataset does not say."""
        if self.dataset is None:
            return ()
        return tuple(self.dataset.metainfo.get('classes') or ())

    def add(self, kind: str, **details) -> None:
        """Note what is wrong."""
        self.findings.append(finding(kind, self.split, **details))


def read_sources(cfg: Config) -> tuple[list[Source], dict[str, str]]:
    """Build the datasets of the three loaders and list their images.

    Returns:
        The datasets, and ``{'test': 'val'}`` if test is the same as val and left out.
    """
    loaders = {split: cfg.get(f'{split}_dataloader') for split in SPLITS}
    sets = {split: loader['dataset'] for split, loader in loaders.items() if loader}
    same = {}
    if 'test' in sets and sets['test'] == sets.get('val'):
        same['test'] = 'val'
        del sets['test']
    leaves = [(split, leaf) for split, each in sets.items() for leaf in dataset_leaves(each)]
    return [_read(split, leaf) for split, leaf in leaves], same


def dataset_leaves(dataset: dict) -> Iterator[dict]:
    """Yield the datasets inside wrappers such as ``RepeatDataset`` and ``ConcatDataset``."""
    inner = dataset.get('datasets') or ([dataset['dataset']] if 'dataset' in dataset else [])
    if not inner:
        yield dataset
    for wrapped in inner:
        yield from dataset_leaves(wrapped)


def _read(split: str, config: dict) -> Source:
    try:
        dataset = DATASETS.build(dict(config, lazy_init=True))
    except Exception as error:  # the class may be the user's own and raise anything
        source = Source(split)
        source.add('refused', why=str(error) or repr(error))
        return source
    return look_at(split, dataset)


def look_at(split: str, dataset: BaseDataset) -> Source:
    """List the images of a dataset, and see what is missing, without opening a file.

    Args:
        split: Train, val or test.
        dataset: The dataset, without wrappers; its files may be missing if it is not initialized.
    """
    source = Source(split, dataset)
    transforms = [each for top in dataset.pipeline.transforms for each in _inner(top)]
    source.label_loaders = [each for each in transforms if _loads_labels(each)]
    source.image_loaders = [each for each in transforms if _loads_image(each)]
    if not source.label_loaders:
        source.add('no-labels')
    refusal = None
    try:
        if not dataset._fully_initialized:
            dataset.serialize_data = False  # which fails where there is no image
            dataset.full_init()
        source.infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    except Exception as error:
        refusal = str(error) or repr(error)
        source.infos = _list_anyway(dataset)
    if refusal and not (source.infos and _find_missing(source)):
        source.add('refused', why=refusal)
    elif not source.infos:
        source.add('no-images')
    elif not refusal:
        _find_missing(source)
    return source


def _inner(transform) -> Iterator:
    """The transform, or those inside ``TestTimeAug``."""
    routines = getattr(transform, 'subroutines', None)
    if routines is None:
        yield transform
    for routine in routines or ():
        yield from routine.transforms


def _loads_labels(transform) -> bool:
    name = type(transform).__name__
    return isinstance(transform, LoadAnnotations) or (
        name.startswith('Load') and 'Annotation' in name
    )


def _loads_image(transform) -> bool:
    return isinstance(transform, LoadImageFromFile) or (
        type(transform).__name__.startswith('Load') and not _loads_labels(transform)
    )


def _list_anyway(dataset: BaseDataset) -> list[dict]:
    """List with MMSegmentation's own code what a stricter class refuses to list."""
    if not isinstance(dataset, BaseSegDataset):
        return []
    try:
        return BaseSegDataset.load_data_list(dataset)
    except Exception:  # the refusal is reported
        return []


def _find_missing(source: Source) -> bool:
    """Note images and masks that are not there, and masks that no image uses.

    Returns:
        Whether one is not there.
    """
    dataset, total = source.dataset, len(source.infos)
    backend = getattr(dataset, 'backend_args', None)
    missing = False
    for kind, key in (('missing-image', 'img_path'), ('missing-mask', 'seg_map_path')):
        if key == 'seg_map_path' and not source.label_loaders:
            continue
        files = [
            File(info.get(key) or info['img_path'])  # which mask it should be may not be known
            for info in source.infos
            if not (info.get(key) and fileio.exists(info[key], backend_args=backend))
        ]
        if files:
            missing = True
            how = getattr(dataset, 'PREPARATION', '')
            usual = finding(kind, source.split).remedy
            remedy = f'{usual}, or {how}' if how else ''
            source.add(kind, files=files, total=total, remedy=remedy)
    lonely = _lonely_masks(dataset, backend)
    if lonely:
        source.add('lonely-mask', files=lonely)
    return missing


def _lonely_masks(dataset: BaseDataset, backend: dict | None) -> list[File]:
    if not isinstance(dataset, BaseSegDataset):
        return []
    images, masks = (dataset.data_prefix.get(key) for key in ('img_path', 'seg_map_path'))
    ends = dataset.img_suffix, dataset.seg_map_suffix
    if not images or not masks or (images, ends[0]) == (masks, ends[1]):
        return []
    if not all(fileio.exists(folder, backend_args=backend) for folder in (images, masks)):
        return []
    stems = [
        {
            name.removesuffix(end)
            for name in fileio.list_dir_or_file(
                folder, list_dir=False, suffix=end, recursive=True, backend_args=backend
            )
        }
        for folder, end in zip((images, masks), ends, strict=True)
    ]
    return [File(join(masks, stem + ends[1])) for stem in sorted(stems[1] - stems[0])]
