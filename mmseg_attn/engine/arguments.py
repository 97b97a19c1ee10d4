"""Check the command line of MMSegmentation's tools before the tool runs.

The tool reads its arguments itself. They are read here first, so that a misspelled key of
``--cfg-options`` is reported at once, ``--amp`` works where MMSegmentation's own does not (on a
machine without a GPU, in bfloat16, and with a pure Python config, whose ``type`` is a class), and
``--resume`` continues a training that started from ``load_from``.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from mmengine.config import Config
from mmengine.device import get_device

from ..config_types import type_name
from ..errors import DataError
from .cfg_options import merge_options
from .training_record import dumped_config

BF16 = 'mmseg.BF16OptimWrapper'


@dataclass
class Request:
    """Hold the arguments of a tool.

    Attributes:
        argv: The arguments that the tool gets.
        cfg: The config with the options merged; ``None`` if it cannot be read, which the tool
            reports itself.
        options: The values of ``--cfg-options``.
        record: The dumped config of a training, which a test would overwrite.
    """

    argv: list[str]
    cfg: Config | None = None
    options: list[str] = field(default_factory=list)
    record: Path | None = None


def read_request(tool: str, argv: Sequence[str]) -> Request:
    """Read the arguments of a tool, and make ``--amp`` and ``--resume`` work.

    Args:
        tool: The file name of the tool.
        argv: Its arguments.

    Raises:
        DataError: If an option does not fit the config, ``--amp`` or ``AmpOptimWrapper`` cannot
            work, or ``--resume`` would replace the checkpoints of another training.
    """
    request = Request(list(argv))
    try:
        args, _ = _parser(tool).parse_known_args(request.argv)
    except _UnreadableError:
        return request
    request.options = args.cfg_options
    if not Path(args.config).is_file():
        return request
    try:
        cfg = Config.fromfile(args.config)
    except Exception:  # a config is a program; the tool shows what it raises
        return request
    merge_options(cfg, request.options)
    request.cfg = cfg
    dumped = dumped_config(cfg, args.config, args.work_dir)
    if tool == 'test.py':
        request.record = dumped
    if tool == 'train.py':
        _mixed_precision(request, amp=args.amp)
        if args.resume and cfg.get('load_from'):
            _resume(request, dumped)
    return request


def _resume(request: Request, dumped: Path) -> None:
    """Resume from the work directory, and not from ``load_from``.

    MMEngine resumes from ``load_from``, and would replace what the work directory contains. This is
    kept where the work directory has no training, or with one of its own checkpoints on the command
    line.

    Args:
        request: The request, which is changed.
        dumped: The config that a training writes to the work directory.
    """
    load_from, work_dir = str(request.cfg.load_from), dumped.parent
    chosen = any(option.startswith('load_from=') for option in request.options)
    if _has_checkpoints(work_dir, Path(load_from)):
        if not chosen:
            sys.stderr.write(
                f'--resume: the training continues from {work_dir}, not from {load_from}\n'
            )
            _add_option(request, 'load_from=None')
        elif Path(load_from).resolve().parent != work_dir.resolve():
            raise DataError(
                f'--resume with load_from={load_from} would replace the checkpoints of '
                f'{work_dir}: leave out load_from to continue the training in this folder, or '
                'choose another --work-dir'
            )
    elif not chosen and _started_from_weights(dumped):
        sys.stderr.write(
            f'--resume: {work_dir} has no checkpoint, so the training starts again from the '
            f'weights of {load_from}\n'
        )
        request.argv.remove('--resume')


def _started_from_weights(dumped: Path) -> bool:
    text = dumped.read_text(encoding='utf-8', errors='replace') if dumped.is_file() else ''
    return bool(re.search(r'^resume *= *False$', text, re.MULTILINE))


def _has_checkpoints(work_dir: Path, load_from: Path) -> bool:
    """Return whether a training has saved checkpoints, or continues others than ``load_from``."""
    files = [*work_dir.glob('iter_*.pth'), *work_dir.glob('epoch_*.pth')]
    last = work_dir / 'last_checkpoint'
    if last.is_file():
        files.append(Path(last.read_text(errors='replace').strip()))
    return any(file.resolve() != load_from.resolve() for file in files)


class _UnreadableError(Exception):
    """The arguments are wrong; the tool reports it itself."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _UnreadableError(message)


def _parser(tool: str) -> argparse.ArgumentParser:
    parser = _Parser(add_help=False)
    parser.add_argument('config')
    if tool == 'test.py':
        parser.add_argument('checkpoint')
    for name in ('--amp', '--resume', '--show', '--tta'):
        parser.add_argument(name, action='store_true')
    parser.add_argument('--cfg-options', nargs='+', action='extend', default=[])
    for name in ('--work-dir', '--launcher', '--out', '--show-dir', '--wait-time'):
        parser.add_argument(name)  # otherwise their values would be read as the config
    parser.add_argument('--local_rank', '--local-rank')
    return parser


def _mixed_precision(request: Request, *, amp: bool) -> None:
    wrapper = request.cfg.get('optim_wrapper') or {}
    name = type_name(wrapper)
    runner = type_name(dict(type=request.cfg.get('runner_type')))
    replaced = runner == 'FastRunner' and wrapper.get('type') == name  # a mere name
    if get_device() == 'cpu' and name == 'AmpOptimWrapper' and not replaced:
        raise DataError(
            'AmpOptimWrapper needs a GPU, and this machine has none: set '
            f"optim_wrapper.type to '{BF16}' in the config for bfloat16 on the CPU, or to "
            "'OptimWrapper', and leave out loss_scale and dtype"
        )
    if not amp or name == 'AmpOptimWrapper':
        return
    if name == 'BF16OptimWrapper':
        _replace_amp(request)
    elif name != 'OptimWrapper':
        raise DataError(
            f'--amp works with OptimWrapper only, but optim_wrapper in {request.cfg.filename} is '
            f"{name}: leave out --amp, or set optim_wrapper.type to 'OptimWrapper'"
        )
    elif get_device() == 'cpu':
        sys.stderr.write(
            f'--amp: this machine has no GPU, so training computes in bfloat16 ({BF16})\n'
        )
        _replace_amp(request, f'optim_wrapper.type={BF16}')
    elif not isinstance(wrapper.type, str):  # MMSegmentation compares the type with a string
        _add_option(request, 'optim_wrapper.type=OptimWrapper')


def _replace_amp(request: Request, option: str = '') -> None:
    """Replace ``--amp`` by an option of ``--cfg-options``."""
    request.argv = [argument for argument in request.argv if argument != '--amp']
    if option:
        _add_option(request, option)


def _add_option(request: Request, option: str) -> None:
    """Add an option to ``--cfg-options``, which may occur once or several times."""
    request.options.append(option)
    request.cfg.merge_from_dict(dict([option.split('=', maxsplit=1)]))
    request.argv += ['--cfg-options', option]
