"""One line on stderr that says how far a long run is."""

import sys
import time
from datetime import timedelta

PAUSE = 0.2  # seconds between two states of the line
WIDTH = 100


class ProgressLine:
    """Counts files and their slices, and estimates the time left.

    Args:
        total: The number of files.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.begin = time.monotonic()
        self.shown = 0.0

    def show(self, done: int, name: str, k: int, slices: int) -> None:
        """Tell what is done.

        Args:
            done: The files that are complete.
            name: The file at work.
            k: Its slices that are complete.
            slices: All its slices.
        """
        now = time.monotonic()
        if now - self.shown < PAUSE:
            return
        self.shown = now
        text = f'file {min(done + 1, self.total)}/{self.total}'
        text += f', slice {min(k + 1, slices)}/{slices}' if slices > 1 else ''
        share = (done + k / slices) / self.total
        if share:
            left = timedelta(seconds=round((now - self.begin) * (1 / share - 1)))
            text += f', {share:.0%}, about {left} left'
        self._write(f'{text}: {name}'[:WIDTH])

    def note(self, text: str) -> None:
        """Write a line that stays."""
        self._write(text)
        sys.stderr.write('\n')

    def close(self) -> None:
        """Remove the line."""
        self._write('')

    def _write(self, text: str) -> None:
        sys.stderr.write(f'\r{text:{WIDTH}}\r' if not text else f'\r{text:{WIDTH}}')
        sys.stderr.flush()
