"""Run scripts as processes of their own that need not import the whole stack again."""

import gc
import multiprocessing
import os
import runpy
import socket
import sys
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

import torch
from mmengine.config import config

CHILD = '__child__'  # name of this module in the process
PRELOADED = ['mmseg.apis', 'mmseg_attn', 'matplotlib.pyplot']
HANG = 3600  # seconds after which a process is taken to hang; a slow machine is no reason
ROOT = Path(__file__).resolve().parent.parent


def run_script(
    script: str | Path,
    *arguments: object,
    env: Mapping[str, str] | None = None,
    cwd: Path = ROOT,
    limit: float = HANG,
) -> CompletedProcess:
    """Run a script in a fork of a server that has imported the stack and done nothing else.

    What only a new interpreter shows, such as a missing import, is for ``subprocess``.

    Args:
        script: its file, from the project's folder.
        arguments: its command line.
        env: what is added to the environment.
        cwd: the folder in which it runs.
        limit: seconds after which it is killed.

    Returns:
        Exit code and outputs, as of ``subprocess.run``.
    """
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(PRELOADED)
    with TemporaryDirectory() as folder:
        outputs = [Path(folder, name) for name in ('out', 'err')]
        words, variables = [str(each) for each in arguments], os.environ | dict(env or {})
        job = (str(ROOT / script), words, variables, cwd, outputs)
        # the server finds this file by its path: it knows no package called tests
        process = context.Process(target=runpy.run_path, args=(__file__, dict(job=job), CHILD))
        process.start()
        process.join(limit)
        if process.exitcode is None:
            process.kill()
            process.join()
        texts = [each.read_text(errors='replace') for each in outputs]
    return CompletedProcess([script, *arguments], process.exitcode, *texts)


def save_time() -> None:
    """Leave out what takes time in this process and matters to no test.

    - yapf formats each config that MMEngine writes, which takes up to half a second.
    - A data loader that the garbage collector finds waits five seconds for each of its workers.
    """
    config.FormatCode = lambda text, **_: (text, False)
    torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL = 0.1


def environment(*folders: Path) -> dict[str, str]:
    """Return the environment of a process that finds modules in these folders first."""
    inherited = os.environ.get('PYTHONPATH')
    paths = [*map(str, folders), *([inherited] if inherited else [])]
    return os.environ | dict(PYTHONPATH=os.pathsep.join(paths))


def run_ranks(script: str, *arguments: object, ranks: int = 2) -> list[CompletedProcess]:
    """Run a script as several processes that find each other as those of ``torchrun`` do."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]

    def run(rank: int) -> CompletedProcess:
        env = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=port, WORLD_SIZE=ranks, RANK=rank)
        env = {key: str(value) for key, value in (env | dict(LOCAL_RANK=rank)).items()}
        return run_script(script, *arguments, env=env)

    with ThreadPoolExecutor(ranks) as pool:
        return list(pool.map(run, range(ranks)))


def _run(
    script: str, arguments: list[str], env: dict[str, str], cwd: Path, outputs: list[Path]
) -> None:
    for stream, file in zip((1, 2), outputs, strict=True):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
    gc.freeze()  # as in conftest.py
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    warnings.simplefilter('ignore')
    save_time()
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).parent))
    runpy.run_path(script, run_name='__main__')


if __name__ == CHILD:
    _run(*job)  # noqa: F821  runpy gives it
