"""Translate errors of MMEngine, MMSegmentation and PyTorch into one sentence with a remedy.

The table contains only errors that a user's config can cause; all others keep their traceback.
"""

import errno
import re
from collections.abc import Sequence

from mmengine.config import Config

from ..errors import MMSegAttnError
from .cfg_keys import parameters_of
from .cfg_options import closest

FULL = (errno.ENOSPC, errno.EDQUOT)
INTERRUPTED = 130  # exit code of shells after SIGINT

# type of the error, a part of its text, and the sentence to print
TABLE: tuple[tuple[type[Exception], str, str], ...] = (
    (
        AssertionError,
        'image size in a batch should be the same',
        'the images of a batch differ in size, and no padding is set for validation and test: set '
        'batch_size of val_dataloader and test_dataloader to 1, add a Resize to their pipelines, '
        'or set test_cfg=dict(size_divisor=32) of data_preprocessor',
    ),
    (
        AssertionError,
        'Batch inference is not support',
        'MMSegmentation 1.1.0 tests one image at a time: set batch_size of val_dataloader and '
        'test_dataloader to 1, which does not change the scores',
    ),
    (
        AssertionError,
        'only one of size and size_divisor',
        'data_preprocessor must pad the images of a training to one size: set its size, such as '
        '(512, 512), or its size_divisor, and not both',
    ),
    (
        AssertionError,
        'AmpOptim',
        'AmpOptimWrapper needs a GPU, and this machine has none: set optim_wrapper.type '
        'to mmseg.BF16OptimWrapper for bfloat16 on the CPU, or to OptimWrapper, and leave out '
        'loss_scale and dtype',
    ),
    (
        AssertionError,
        '`--amp` is only supported',
        '--amp works with OptimWrapper only, but the config has another one: leave out --amp, or '
        'set optim_wrapper.type to OptimWrapper',
    ),
    (
        AssertionError,
        'Lack of `base_batch_size`',
        'auto_scale_lr needs the batch size that the learning rate was chosen for: set '
        'auto_scale_lr.base_batch_size',
    ),
    (
        ValueError,
        'base_wd should not be None',
        'paramwise_cfg changes the weight decay, but the optimizer has none: set '
        'optim_wrapper.optimizer.weight_decay',
    ),
    (
        ValueError,
        'some parameters appear in more than one parameter group',
        'layers of the model share parameters, and paramwise_cfg counts them twice: set '
        'optim_wrapper.paramwise_cfg.bypass_duplicate=True',
    ),
    (
        KeyError,
        'must contain the key "type"',
        'a dict of the config describes an object but has no type: add type, or correct its '
        'spelling',
    ),
    (
        RuntimeError,
        'VisualizationHook must be included',
        '--show and --show-dir need a hook that draws: add '
        "visualization=dict(type='SegPictureHook') to default_hooks",
    ),
    (
        IndexError,
        'index 255 is out of bounds for dimension 0 with size',
        'CrossEntropyLoss with class_weight fails for ignored pixels: use '
        "dict(type='SoftmaxFocalLoss', gamma=0.0, class_weight=...), which is the same loss and "
        'leaves them out',
    ),
    (
        RuntimeError,
        'index 1 is out of bounds for dimension 1 with size 1',
        'OHEMPixelSampler with thresh fails for a head with one output channel: set thresh=None, '
        'which samples by the loss, or num_classes=2 without out_channels',
    ),
    (
        ValueError,
        'class_weight has',
        'class_weight of a loss has not one value per class: set as many values as num_classes of '
        'the head',
    ),
    (
        TypeError,
        'clip_grad_norm_() got an unexpected keyword argument',
        'optim_wrapper.clip_grad has an argument that PyTorch does not know: set max_norm and '
        'norm_type, or clip_value with type="value"',
    ),
    (
        ValueError,
        'meta information of the',
        'the datasets of a ConcatDataset differ in classes or palette: give all of them the same '
        'metainfo',
    ),
    (
        ImportError,
        'albumentations is not installed',
        'Albu in a pipeline of the config needs the package albumentations: install it, or use '
        'transforms of MMSegmentation',
    ),
)


def sentence(error: Exception, cfg: Config | None = None, options: Sequence[str] = ()) -> str:
    """Return one sentence that says what is wrong and what the user can change.

    Args:
        error: The error.
        cfg: The config; ``None`` if it is not known.
        options: The values of ``--cfg-options``.

    Returns:
        The sentence; empty if a user's config does not cause such an error.
    """
    text = ' '.join(str(error).split())
    for kind, part, message in TABLE:
        if isinstance(error, kind) and part in text:
            return message
    return (
        _unknown_argument(error, text, cfg, options)
        or _unknown_type(error, text)
        or _unknown_label(error, text)
        or _no_number(error, text, options)
    )


def user_sentence(error: Exception) -> str:
    """Return the sentence about a user error; empty for a defect of this package.

    User errors are those of this package, ``OSError`` and those of :func:`sentence`.
    """
    if isinstance(error, MMSegAttnError):
        return str(error)
    return file_sentence(error) if isinstance(error, OSError) else sentence(error)


def file_sentence(error: OSError) -> str:
    """Return one sentence about a file or folder that cannot be used.

    Args:
        error: The error of the operating system. One that does not name a file keeps its message,
            unless the disk is full.
    """
    name = error.filename
    if name is None:
        full = 'the disk of the output is full: free disk space, and run the command again'
        return full if error.errno in FULL else str(error)
    if isinstance(error, FileNotFoundError):
        return f'{name} is missing: correct the path'
    if isinstance(error, PermissionError):
        return f'{name} cannot be used with your permissions: change them, or choose another path'
    if isinstance(error, FileExistsError | NotADirectoryError):
        return f'{name} is a file, but a folder is needed: choose another path'
    if isinstance(error, IsADirectoryError):
        return f'{name} is a folder, but a file is needed: choose another path'
    if error.errno in FULL:
        return f'{name} cannot be written, as the disk is full: free disk space'
    return str(error)


def _unknown_argument(
    error: Exception, text: str, cfg: Config | None, options: Sequence[str]
) -> str:
    """Explain that a class does not have an argument that the config sets."""
    match = re.search(
        r'(?:(\w+)\.)?__init__\(\) got an unexpected keyword argument \'(\w+)\'', text
    )
    if not (isinstance(error, TypeError) and match):
        return ''
    owner, word = match[1] or 'the class', match[2]
    siblings = {key for holder in _holders(cfg, word) for key in holder} - {word}
    similar = closest(word, siblings | _parameters(error))
    did_you_mean = f'did you mean {similar}?' if similar else 'correct it, or leave it out'
    option = next((o for o in options if word in o.partition('=')[0].split('.')), None)
    if option:
        return f'--cfg-options {option}: {owner} has no argument {word}; {did_you_mean}'
    if _holders(cfg, word):
        return f'{cfg.filename} sets {word}, but {owner} has no such argument; {did_you_mean}'
    return ''


def _holders(value: object, word: str) -> list[dict]:
    """Return the dicts of a config that have a key."""
    if isinstance(value, Config):
        value = value.to_dict()
    if isinstance(value, dict):
        inner = [holder for item in value.values() for holder in _holders(item, word)]
        return [value, *inner] if word in value else inner
    if isinstance(value, list | tuple):
        return [holder for item in value for holder in _holders(item, word)]
    return []


def _parameters(error: BaseException | None) -> set[str]:
    """Return the arguments of the class that refused one, as far as the traceback shows it."""
    names: set[str] = set()
    trace = error.__traceback__
    while trace is not None:
        kind = trace.tb_frame.f_locals.get('obj_cls')
        if trace.tb_frame.f_code.co_name == 'build_from_cfg' and kind is not None:
            names |= parameters_of(kind)[0]
        trace = trace.tb_next
    # MMEngine 0.8.0 raises a new error for each object that contains the class
    return names | (_parameters(error.__context__) if error.__context__ else set())


def _unknown_type(error: Exception, text: str) -> str:
    """Explain that a name in the config is not registered."""
    match = re.search(r'(\S+) is not in the (.+?) registry', text)
    if not (isinstance(error, KeyError) and match):
        return ''
    name, kind = match[1].strip('\'"`'), match[2].rpartition('::')[2]
    return (
        f"type='{name}' is not registered as a {kind}: correct the name, or import the module "
        'that registers it with custom_imports in the config'
    )


def _unknown_label(error: Exception, text: str) -> str:
    """Explain that a loss met a label that is neither a class nor ignored."""
    match = re.search(r'Target (-?\d+) is out of bounds', text)
    if not (isinstance(error, IndexError) and match):
        return ''
    return (
        f'the label {match[1]} is neither a class nor ignored in a loss: set ignore_index of every '
        'head and metric, and seg_pad_val of data_preprocessor, to the ignored label of the masks'
    )


def _no_number(error: Exception, text: str, options: Sequence[str]) -> str:
    """Explain that an option is a word where a number is needed."""
    match = re.search(r"(?:invalid literal for int\(\).*|to float): '(.*)'$", text)
    if not (isinstance(error, ValueError) and match):
        return ''
    option = next((option for option in options if option.partition('=')[2] == match[1]), None)
    return f'--cfg-options {option}: {match[1]} is no number: write one' if option else ''
