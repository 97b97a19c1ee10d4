"""What MMEngine, MMSegmentation and PyTorch say of a user's config, as one sentence with a remedy.

Only what a user can cause is in the table; everything else keeps its traceback.
"""

import re
from collections.abc import Sequence

from mmengine.config import Config

from .cfg_options import closest, parameters_of

# the type, what its text contains, and the sentence
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
        'only one of size and size_divisor',
        'data_preprocessor must pad the images of a training to one size: set its size, such as '
        '(512, 512), or its size_divisor, and not both',
    ),
    (
        AssertionError,
        'AmpOptim',
        'AmpOptimWrapper computes on a GPU only, and this machine has none: set optim_wrapper.type '
        'to mmseg.BF16OptimWrapper for bfloat16 on the CPU, or to OptimWrapper, and leave out '
        'loss_scale and dtype',
    ),
    (
        AssertionError,
        '`--amp` is only supported',
        '--amp works with the OptimWrapper alone, and the config has another: leave out --amp, or '
        'set optim_wrapper.type to OptimWrapper',
    ),
    (
        AssertionError,
        'Lack of `base_batch_size`',
        'auto_scale_lr needs the batch size that the learning rate of the config is for: set '
        'auto_scale_lr.base_batch_size, too',
    ),
    (
        KeyError,
        'must contain the key "type"',
        'a dict of the config, of which something is to be built, has no type: add it, or correct '
        'the spelling of the key',
    ),
    (
        RuntimeError,
        'VisualizationHook must be included',
        '--show and --show-dir need a hook that draws: add '
        "visualization=dict(type='SegPictureHook') to default_hooks",
    ),
)


def sentence(error: Exception, cfg: Config | None, options: Sequence[str]) -> str:
    """Say in one sentence what the user can change.

    Args:
        error: What a tool of MMSegmentation has raised.
        cfg: The config, if it could be read.
        options: Those of ``--cfg-options``.

    Returns:
        The sentence; empty if the error is none that a user can cause.
    """
    text = ' '.join(str(error).split())
    for kind, part, told in TABLE:
        if isinstance(error, kind) and part in text:
            return told
    return _unknown_argument(error, text, cfg, options) or _unknown_type(error, text)


def _unknown_argument(
    error: Exception, text: str, cfg: Config | None, options: Sequence[str]
) -> str:
    """A key of the config that the class which it is for does not take."""
    found = re.search(
        r'(?:(\w+)\.)?__init__\(\) got an unexpected keyword argument \'(\w+)\'', text
    )
    if not (isinstance(error, TypeError) and found):
        return ''
    owner, word = found[1] or 'what is built', found[2]
    siblings = {key for each in _holders(cfg, word) for key in each} - {word}
    alike = closest(word, siblings | _parameters(error))
    did_you_mean = f'did you mean {alike}?' if alike else 'correct it, or leave it out'
    option = next((o for o in options if word in o.partition('=')[0].split('.')), None)
    if option:
        return f'--cfg-options {option}: {owner} takes no {word}; {did_you_mean}'
    if _holders(cfg, word):
        return f'{cfg.filename} sets {word}, which {owner} does not take; {did_you_mean}'
    return ''


def _holders(value: object, word: str) -> list[dict]:
    """The dicts of a config that have a key."""
    if isinstance(value, Config):
        value = value.to_dict()
    if isinstance(value, dict):
        inner = [each for item in value.values() for each in _holders(item, word)]
        return [value, *inner] if word in value else inner
    if isinstance(value, list | tuple):
        return [each for item in value for each in _holders(item, word)]
    return []


def _parameters(error: BaseException) -> set[str]:
    """The arguments that the class took which has refused one, as far as the traceback tells."""
    names: set[str] = set()
    trace = error.__traceback__
    while trace is not None:
        found = trace.tb_frame.f_locals.get('obj_cls')
        if trace.tb_frame.f_code.co_name == 'build_from_cfg' and found is not None:
            names |= parameters_of(found)[0]
        trace = trace.tb_next
    return names


def _unknown_type(error: Exception, text: str) -> str:
    """A name that no registry has."""
    found = re.search(r'(\S+) is not in the (\S+) registry', text)
    if not (isinstance(error, KeyError) and found):
        return ''
    name, kind = found[1].strip('\'"`'), found[2].rpartition('::')[2]
    return (
        f"type='{name}' is not registered as a {kind}: correct the name, or import what registers "
        'it with custom_imports in the config'
    )
