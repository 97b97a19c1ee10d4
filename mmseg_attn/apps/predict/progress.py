"""How far a long run is, on stderr."""

import shutil
import sys
import time
from datetime import timedelta

PAUSE, LOG_PAUSE = 0.2, 10.0  # seconds between two states, on a terminal and elsewhere
WIDTH = 100


class ProgressLine:
    """Counts files and their slices, and estimates the time left.

    On a terminal it is one line that changes; in a file, a line now and then.

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
        """Tell what is done.

        Args:
            done: The files that are complete.
            name: The file at work.
            k: Its slices that are complete.
            slices: All its slices.
            window: The windows of the slice at work that are complete.
            windows: All its windows.
        """
        now = time.monotonic()
        if now - self.shown < (PAUSE if self.live else LOG_PAUSE):
            return
        self.shown = now
        text = f'file {min(done + 1, self.total)}/{self.total}'
        text += f', slice {min(k + 1, slices)}/{slices}' if slices > 1 else ''
        text += f', window {window}/{windows}' if windows > 1 else ''
        share = (done + (k + window / windows) / slices) / self.total
        if share:
            left = timedelta(seconds=round((now - self.begin) * (1 / share - 1)))
            text += f', {share:.0%}, about {left} left'
        text += f': {name}'
        self._write(f'\r{text[: self.width]:{self.width}}' if self.live else f'{text}\n')

    def note(self, text: str) -> None:
        """Write a line that stays."""
        self.close()
        self._write(f'{text}\n')

    def close(self) -> None:
        """Remove the line that changes."""
        if self.live:
            self._write(f'\r{"":{self.width}}\r')

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
