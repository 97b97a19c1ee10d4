"""Atomic checkpoints and exact resume."""

import hashlib
import pickle
from collections import deque
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process, master_only
from mmengine.hooks import CheckpointHook
from mmengine.runner import CheckpointLoader, Runner, save_checkpoint
from mmseg.registry import HOOKS

from ...io.atomic import SUFFIX
from ..atomic_backend import AtomicLocalBackend
from ..continuation import Continuation
from ..loading import check_loaded, choose_checkpoint

STATE = 'resume_state'  # key that is added to a checkpoint
REPLACED = 'replaced_best_ckpts'  # key in its message hub: files that may be left after a kill


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """Save checkpoints like MMEngine's ``CheckpointHook``, but atomically, and resume exactly.

    It has the arguments of ``CheckpointHook``. Each hook resumes the other's checkpoints; those of
    MMEngine's hook contain no state of the random numbers, which then start anew.

    - A file, including ``last_checkpoint``, is complete or does not exist. Older files are removed
      only after the newer ones are complete, so the disk needs space for one more file than
      ``max_keep_ckpts``.
    - ``--resume`` continues from the newest complete checkpoint and logs which ones it skipped.
    - A checkpoint contains the state of the random numbers and whether its validation is done. A
      resumed training runs a missing validation, then does exactly what the interrupted training
      would have done.
    - A test requires a checkpoint that fits the model; a training requires that some weights fit.

    Remote storage (``out_dir`` as a URI) and an explicit ``backend_args`` are used as in
    ``CheckpointHook``.
    """

    backend_args: dict | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._remote = '://' in str(self.out_dir or '')
        if not self._remote and self.backend_args is None and self.file_client_args is None:
            self.backend_args = dict(backend='atomic_local')
        self._validated = False
        self._state: dict[str, Any] = {}  # to save
        self._continuation = Continuation()

    def before_run(self, runner: Runner) -> None:
        """Choose the checkpoint to resume from.

        Raises:
            CheckpointError: If there are checkpoints and none can be used.
        """
        if not runner._resume or runner._load_from or runner._has_loaded or self._remote:
            return
        folder = Path(runner.work_dir)
        if self.out_dir not in (None, runner.work_dir):
            folder = Path(self.out_dir, folder.name)
        choose_checkpoint(runner, folder, self.filename_tmpl)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check that the checkpoint fits, before MMEngine loads it.

        Raises:
            CheckpointError: If it does not.
        """
        check_loaded(runner, checkpoint)
        if runner._resume:
            self._continuation.state = checkpoint.get(STATE)

    def before_train(self, runner: Runner) -> None:
        """Remove leftover files of an interrupted training, and run its missing validation."""
        info = runner.message_hub.runtime_info
        _keep_only(info, 'keep_ckpt_ids', int)
        _keep_only(info, REPLACED, str)
        if runner._resume and runner._has_loaded:
            self.last_ckpt = str(runner._load_from)
            if '://' not in self.last_ckpt:
                _write_last(
                    runner, self.last_ckpt
                )  # the checkpoint that it names may be removed now
        super().before_train(runner)
        self._remove_best(info.get(REPLACED, []))
        if isinstance(self.file_backend, AtomicLocalBackend) and is_main_process():
            for folder in {Path(self.out_dir), Path(runner.work_dir)}:
                for leftover in folder.glob(f'*{SUFFIX}'):
                    leftover.unlink()
                    runner.logger.info(f'Removed the incomplete file {leftover}')
        self._continuation.start(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        """Send the number of the epoch to the workers."""
        self._continuation.start_epoch(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Save the best checkpoint, and record in it that its validation is done."""
        self._validated = True
        try:
            super().after_val_epoch(runner, metrics)
        finally:
            self._validated = False

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the state that a resumed training needs."""
        if self._state:
            checkpoint[STATE] = self._state

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        """Save, name the file in ``last_checkpoint``, and only then remove older ones."""
        kept, removed = self._keep(runner, step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(step))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._state = self._continuation.now(validated=self._validated)
        runner.save_checkpoint(
            self.out_dir,
            self.filename_tmpl.format(step),
            self.file_client_args,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            by_epoch=self.by_epoch,
            backend_args=self.backend_args,
            **self.args,
        )
        self._state = {}
        _write_last(runner, self.last_ckpt)
        if is_main_process():
            for name in removed:
                self._remove(name)
        if kept is not None:
            self.keep_ckpt_ids = kept

    def _keep(self, runner: Runner, step: int) -> tuple[deque | None, list[str]]:
        """Return the steps to keep and the files to remove, and record both for a later resume."""
        if self.max_keep_ckpts <= 0:
            return None, []
        steps = [kept for kept in self.keep_ckpt_ids if kept != step] + [step]
        runner.message_hub.update_info('keep_ckpt_ids', steps)
        removed = steps[: -self.max_keep_ckpts]
        return deque(steps, self.max_keep_ckpts), list(map(self.filename_tmpl.format, removed))

    def _save_best_checkpoint(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Save the best checkpoint, and only then remove the previous one."""
        if not self.save_best:
            return
        before = self._best
        runner.message_hub.update_info(REPLACED, [str(path) for path in before.values() if path])
        self._best = dict.fromkeys(before)  # so that MMEngine removes none
        super()._save_best_checkpoint(runner, metrics)
        self._best = {key: path or before.get(key) for key, path in self._best.items()}
        self._remove_best(runner.message_hub.runtime_info[REPLACED])

    def _remove_best(self, paths: list[str]) -> None:
        """Remove checkpoints that are no longer the best, by their names."""
        best = self._best.values() if self.save_best else ()
        kept = {Path(str(path)).name for path in best}
        for name in {Path(path).name for path in paths}.difference(kept):
            if name.startswith('best_') and is_main_process():  # MMEngine would remove any path
                self._remove(name)

    @master_only
    def _publish_model(self, runner: Runner, ckpt_path: str) -> None:
        """Save the published keys of a checkpoint under a name with their checksum."""
        checkpoint = CheckpointLoader.load_checkpoint(ckpt_path, 'cpu', logger='silent')
        published = {key: checkpoint[key] for key in checkpoint if key in self.published_keys}
        checksum = hashlib.sha256(pickle.dumps(published)).hexdigest()[:8]
        path = f'{ckpt_path.removesuffix(Path(ckpt_path).suffix)}-{checksum}.pth'
        save_checkpoint(published, path, backend_args=self.backend_args)
        runner.logger.info(f'Published {ckpt_path} as {path}, with {", ".join(published)} only')

    def _remove(self, name: str) -> None:
        path = self.file_backend.join_path(self.out_dir, name)
        if self.file_backend.isfile(path):
            self.file_backend.remove(path)
        elif self.file_backend.isdir(path):  # DeepSpeed's
            self.file_backend.rmtree(path)

    @property
    def _best(self) -> dict[str, str | None]:
        if len(self.key_indicators) == 1:
            return {'': self.best_ckpt_path}
        return dict(self.best_ckpt_path_dict)

    @_best.setter
    def _best(self, paths: dict[str, str | None]) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths['']
        else:
            self.best_ckpt_path_dict = paths


@master_only
def _write_last(runner: Runner, path: str) -> None:
    AtomicLocalBackend().put_text(path, Path(runner.work_dir, 'last_checkpoint'))


def _keep_only(info: dict, key: str, kind: type) -> None:
    """Keep only entries of one type in a list from a checkpoint that is not trusted."""
    if key in info:
        entries = info[key] if isinstance(info[key], list | tuple) else []
        info[key] = [entry for entry in entries if type(entry) is kind]
