"""Notes what a process does to files outside of a folder, and to the world."""

import os
import sys
from pathlib import Path
from typing import Any

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# audit events that change files: which arguments are paths, and where the folders are that they
# are relative to, as open files
CHANGES = {
    'os.mkdir': {0: 2},
    'os.remove': {0: 1},
    'os.rmdir': {0: 1},
    'os.rename': {0: 2, 1: 3},
    'os.link': {1: 3},
    'os.symlink': {1: 2},
    'os.chmod': {0: 2},
    'os.truncate': {0: -1},
}
FORBIDDEN = (
    *('os.system', 'os.exec', 'os.fork', 'os.posix_spawn', 'os.spawn', 'subprocess.Popen'),
    *('socket.connect', 'socket.bind', 'pty.spawn', 'webbrowser.open'),
)


class Watch:
    """Notes what this process does that it must not."""

    def __init__(self) -> None:
        self.allowed: Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.allowed is None:
            return
        if event in FORBIDDEN:
            self.seen.append(f'{event} {arguments!r:.200}')
        elif event == 'open' and isinstance(arguments[2], int) and arguments[2] & WRITING:
            self._look(event, arguments[0], -1)
        for path, folder in CHANGES.get(event, {}).items():
            self._look(event, arguments[path], -1 if folder < 0 else arguments[folder])

    def _look(self, event: str, path: Any, folder: int) -> None:
        if isinstance(path, int):  # an open file, which was looked at
            return
        place = os.getcwd() if folder < 0 else os.readlink(f'/proc/self/fd/{folder}')
        name = os.path.normpath(os.path.join(place, os.fsdecode(path)))
        if not name.startswith(str(self.allowed)) and name != os.devnull:
            self.seen.append(f'{event} {name}')
