"""Show the progress of a long run on stderr."""

import shutil
import sys
import time
from datetime import timedelta

PAUSE, LOG_PAUSE = 0.2, 10.0  # seconds between two updates, on a terminal and in a file
WIDTH = 100


class ProgressLine:
    """Count files and their slices, and estimate the time left.

    On a terminal, one line is updated. In a file, a line is added every ten seconds.

    Args:
        total: The number of files.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.live = sys.stderr.isatty()
        self.width = min(WIDTH, shutil.get_terminal_size().columns - 1)
        self.begin = time.monotonic()
        self.shown = 0.0 if self.live else self.begin

    def show(
        self, done: int, name: str, k: int, slices: int, window: int = 0, windows: int = 1
    ) -> None:
        """Show the progress.

        Args:
            done: Number of complete files.
            name: Name of the current file.
            k: Number of its complete slices.
            slices: Number of its slices.
            window: Number of complete windows of the current slice.
            windows: Number of windows of the current slice.
        """
        now = time.monotonic()
        if now - self.shown < (PAUSE if self.live else LOG_PAUSE):
            return
        self.shown = now
        text = f'file {min(done + 1, self.total)}/{self.total}'
        text += f', slice {min(k + 1, slices)}/{slices}' if slices > 1 else ''
        text += f', window {window}/{windows}' if windows > 1 else ''
        fraction = (done + (k + window / windows) / slices) / self.total
        if fraction:
            left = timedelta(seconds=round((now - self.begin) * (1 / fraction - 1)))
            text += f', {fraction:.0%}, about {left} left'
        text += f': {name}'
        self._write(f'\r{text[: self.width]:{self.width}}' if self.live else f'{text}\n')

    def note(self, text: str) -> None:
        """Write a permanent line."""
        self.close()
        self._write(f'{text}\n')

    def close(self) -> None:
        """Remove the updated line."""
        if self.live:
            self._write(f'\r{"":{self.width}}\r')

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
