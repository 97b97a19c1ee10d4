"""Write the README's table of what was tested with what, from what the environments hold.

    python .ci/stacks.py

The environments are those that `.ci/run` makes: .venv and .venv-STACK.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PART = 'smoke test; tests of models, ops, compat, engine, evaluation, datasets, io'
VERSIONS = """
import json, platform
from importlib import metadata
versions = {each.name.lower(): each.version for each in metadata.distributions()}
print(json.dumps(versions | dict(python=platform.python_version())))
"""


class Stack(NamedTuple):
    """A stack that is tested.

    Attributes:
        name: The file of its versions in requirements/stacks.
        environment: The folder with its packages.
        tested: What is run with it.
    """

    name: str
    environment: str
    tested: str = PART


STACKS = (
    Stack('today', '.venv', 'all tests, quickstart, docs'),
    Stack('onedl', '.venv-onedl'),
    Stack('torch-2.1', '.venv-torch-2.1'),
    Stack('oldest', '.venv-oldest'),
)
COLUMNS = {  # of the table, and the distributions of which an environment has one
    'Python': ('python',),
    'PyTorch': ('torch',),
    'NumPy': ('numpy',),
    'MMSegmentation': ('onedl-mmsegmentation', 'mmsegmentation'),
    'MMEngine': ('onedl-mmengine', 'mmengine'),
    'mmcv': ('onedl-mmcv', 'mmcv-lite', 'mmcv'),
}


def installed(environment: Path) -> dict[str, str]:
    """Ask an environment for its versions."""
    command = [environment / 'bin/python', '-c', VERSIONS]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def cells(versions: dict[str, str]) -> list[str]:
    """Write the versions of one stack, as the columns of the table."""
    row = []
    for title, names in COLUMNS.items():
        name = next(name for name in names if name in versions)
        version = versions[name].partition('+')[0]  # 2.13.0+cpu
        row.append(version if title != 'mmcv' and name == names[-1] else f'{name} {version}')
    return row


def table(stacks: dict[str, dict[str, str]]) -> str:
    """Write the table.

    Args:
        stacks: The versions of every stack, by its name.
    """
    rows = [['stack', *COLUMNS, 'tested'], ['---'] * (len(COLUMNS) + 2)]
    rows += [[each.name, *cells(stacks[each.name]), each.tested] for each in STACKS]
    return ''.join(f'| {" | ".join(row)} |\n' for row in rows)


def replace_table(text: str, new: str) -> str:
    """Put the table in the place of the one that a page has.

    Raises:
        ValueError: If the page has no such table, or several.
    """
    before, *rest = text.split('| stack |')
    if len(rest) != 1:
        raise ValueError(f'the page has {len(rest)} tables of stacks, not one')
    lines = f'| stack |{rest[0]}'.splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if not line.startswith('|')), len(lines))
    return before + new + ''.join(lines[end:])


if __name__ == '__main__':
    missing = [each.name for each in STACKS if not (ROOT / each.environment).is_dir()]
    if missing:
        sys.exit(f'error: {", ".join(missing)}: there is no environment: run .ci/run first')
    page = ROOT / 'README.md'
    new = table({each.name: installed(ROOT / each.environment) for each in STACKS})
    page.write_text(replace_table(page.read_text(), new))
