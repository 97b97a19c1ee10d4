"""Folders of files."""

import pytest


@pytest.fixture
def folder(tmp_path):
    """Make empty files."""

    def folder(*names):
        for name in names:
            path = tmp_path / 'source' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b'')
        return tmp_path / 'source'

    return folder
