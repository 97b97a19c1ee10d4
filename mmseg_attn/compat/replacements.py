"""List and apply everything in the host that ``import mmseg_attn`` replaces, where, and why.

docs/host.md shows this table. Nothing else in MMEngine, mmcv, MMSegmentation or PyTorch changes.
"""

from collections.abc import Callable
from dataclasses import dataclass

from . import checkpoint, model_names, ops, packages


@dataclass(frozen=True)
class Replacement:
    """Describe one replacement.

    Attributes:
        names: The dotted names of the replaced objects; all modules that imported them are changed.
        where: The versions that need it.
        why: What does not work there without it.
        after: What changes with it.
        needed: Function that tells whether the installed stack needs it.
        replace: Function that applies it; a second call changes nothing.
    """

    names: tuple[str, ...]
    where: str
    why: str
    after: str
    needed: Callable[[], bool]
    replace: Callable[[], None]


TABLE = (
    Replacement(
        names=('mmcv.utils.ext_loader.load_ext',),
        where='mmcv-lite with MMSegmentation before 1.3',
        why='`import mmseg.models` needs compiled operators, which mmcv-lite does not contain',
        after='`mmcv.ops` can be imported; an operator raises an error when it is called',
        needed=ops.are_missing,
        replace=ops.allow_missing,
    ),
    Replacement(
        names=(
            'mmengine.utils.package_utils.is_installed',
            'mmengine.utils.package_utils.get_installed_path',
            'mmengine.utils.package_utils.package2module',
        ),
        where='MMEngine up to 0.10.7 with setuptools 82 or newer',
        why='they import `pkg_resources`, which no longer exists: `mmseg::` in a config fails',
        after='`importlib` gives the same answers',
        needed=packages.lacks_pkg_resources,
        replace=packages.do_without_pkg_resources,
    ),
    Replacement(
        names=('mmengine.utils.dl_utils.misc.mmcv_full_available',),
        where='MMEngine up to 0.10.7 with Python 3.14 or newer',
        why='it calls `pkgutil.find_loader`, which no longer exists: building an optimizer fails',
        after='`importlib` gives the same answer',
        needed=packages.lacks_find_loader,
        replace=packages.do_without_find_loader,
    ),
    Replacement(
        names=('mmengine.runner.checkpoint.torch',),
        where='MMEngine up to 0.10.7 with PyTorch 2.6 or newer',
        why='`torch.load` refuses the checkpoints that MMEngine writes: test and resume fail',
        after='files that `torch.load` refuses are loaded safely instead; all others as before',
        needed=checkpoint.is_broken,
        replace=checkpoint.repair,
    ),
    Replacement(
        names=('mmengine.infer.infer.BaseInferencer._get_models_from_metafile',),
        where='all',
        why='`MMSegInferencer` looks up a model by its name in one package only',
        after='for `mmseg` it lists the models of this package first, then those of MMSegmentation',
        needed=lambda: True,
        replace=model_names.offer_models,
    ),
)


def apply() -> None:
    """Replace what the installed stack needs."""
    for row in TABLE:
        if row.needed():
            row.replace()
