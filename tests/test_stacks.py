"""The versions that are tested: the requirements take them, and the README's table names them."""

import importlib.util
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tables import md_tables

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'requirements/stacks'
spec = importlib.util.spec_from_file_location('stacks', ROOT / '.ci/stacks.py')
stacks = importlib.util.module_from_spec(spec)
spec.loader.exec_module(stacks)
NAMES = [stack.name for stack in stacks.STACKS]


def requirements(file: Path) -> list[Requirement]:
    """Read a requirements or constraints file, with the files that it includes."""
    read = []
    for line in file.read_text().splitlines():
        line = line.partition('#')[0].strip()
        if line.startswith(('-c ', '-r ')):
            read += requirements(file.parent / line[3:])
        elif line:
            read.append(Requirement(line))
    return read


def pins(stack: str) -> dict[str, str]:
    """Versions of a stack, by canonical name."""
    lines = requirements(FOLDER / f'{stack}.txt')
    return {canonicalize_name(each.name): str(each.specifier).removeprefix('==') for each in lines}


def test_every_stack_has_its_file():
    assert sorted(NAMES) == sorted(path.stem for path in FOLDER.glob('*.txt'))


@pytest.mark.parametrize('stack', NAMES)
def test_every_stack_is_within_the_ranges(stack):
    versions = pins(stack)
    compared = 0
    for name in ('runtime', 'full', 'lite', 'onedl', 'medical', 'geo', 'onnx', 'tests', 'docs'):
        for requirement in requirements(ROOT / f'requirements/{name}.txt'):
            version = versions.get(canonicalize_name(requirement.name))
            assert version is None or requirement.specifier.contains(version), str(requirement)
            compared += version is not None
    assert compared > 5


def test_an_install_into_the_oldest_stack_replaces_nothing():
    versions = pins('oldest')
    for requirement in requirements(ROOT / 'requirements/runtime.txt'):
        assert {part.operator for part in requirement.specifier} <= {'>='}, str(requirement)
        if requirement.specifier:
            assert canonicalize_name(requirement.name) in versions


def test_the_table_in_the_readme_is_that_of_the_stacks():
    text = (ROOT / 'README.md').read_text()
    table = md_tables(text[text.index('| stack |') :])[0]
    assert list(table[0]) == ['stack', *stacks.COLUMNS, 'tested']
    assert [row['stack'] for row in table] == NAMES
    for row, stack in zip(table, stacks.STACKS, strict=True):
        assert row['tested'] == stack.tested
        versions = pins(stack.name)
        shown = stacks.cells(versions | dict(python=row['Python']))
        assert list(row.values())[1:-1] == shown


def test_versions_of_an_environment_become_a_row():
    versions = dict(
        python='3.11.2',
        torch='2.13.0+cpu',
        numpy='2.4.6',
        mmengine='0.10.7',
        **{'onedl-mmsegmentation': '1.4.2', 'mmcv-lite': '2.1.0'},
    )
    row = ['3.11.2', '2.13.0', '2.4.6', 'onedl-mmsegmentation 1.4.2', '0.10.7', 'mmcv-lite 2.1.0']
    assert stacks.cells(versions) == row


def test_only_the_table_of_a_page_is_replaced():
    page = 'a\n| stack | x |\n| --- | --- |\n| y | z |\n\nb\n| other |\n'
    assert stacks.replace_table(page, 'NEW\n') == 'a\nNEW\n\nb\n| other |\n'
    with pytest.raises(ValueError, match='0 tables'):
        stacks.replace_table('a', 'NEW')
