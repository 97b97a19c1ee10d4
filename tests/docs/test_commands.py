"""Every command of the pages: its tool is there and takes the arguments, and it is run or marked.

A block whose commands are not run says so in a comment, as in "# needs the data".
"""

import json
import os
import subprocess
import sys

import pytest

from tests.docs.pages import PAGES, ROOT, Command, blocks, commands
from tests.processes import HANG

COMMANDS = [command for page in PAGES for command in commands(page)]
FOLDERS = ('configs', 'tools', 'benchmarks', 'docs')
# Commands that are no Python tools, and what runs them.
RUN_BY = {
    'make quickstart': '.ci/run',
    'make test': '.ci/run',
    'make docs': '.ci/run',
}
LAUNCHERS = {
    'tools/dist_train.sh': ('tools/train.py', ['CONFIG', 'GPUS']),
    'tools/dist_test.sh': ('tools/test.py', ['CONFIG', 'CHECKPOINT', 'GPUS']),
    'tools/slurm_train.sh': ('tools/train.py', ['PARTITION', 'JOB_NAME', 'CONFIG']),
}


def job(command: Command) -> tuple[str, list[str], str] | None:
    """A command as a Python tool, its arguments, and what is to be tried; ``None`` for others."""
    first, *rest = command.words
    if first in LAUNCHERS:
        tool, positional = LAUNCHERS[first]
        rest = [w for w, p in zip(rest, positional, strict=False) if p in ('CONFIG', 'CHECKPOINT')]
        rest += command.words[1 + len(positional) :]
    elif first == 'python' and rest[0] not in ('-m', '-c'):
        tool, *rest = rest
    else:
        return None
    return tool, rest, 'options' if command.synopsis else 'parse' if command.marked else 'run'


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    """What is wrong with each Python command; those without a mark are run in an empty folder."""
    folder = tmp_path_factory.mktemp('work')
    for name in FOLDERS:
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    jobs = [job(command) for command in COMMANDS]
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', ROOT / 'tests/docs/parse_commands.py'],
        input=json.dumps([each for each in jobs if each]),
        cwd=folder,
        env=os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stderr
    answers = iter(json.loads(done.stdout))
    return [(command, next(answers)) for command, each in zip(COMMANDS, jobs, strict=True) if each]


def test_the_tools_take_the_arguments_and_unmarked_commands_run(results):
    assert len(results) > 50
    assert any(job(command)[2] == 'run' for command, _ in results)
    wrong = [f'{c.page}: {" ".join(c.words)}: {answer}' for c, answer in results if answer]
    assert wrong == []


def test_every_other_command_is_run_elsewhere_or_marked():
    for command in COMMANDS:
        text = ' '.join(command.words)
        if job(command) or (command.marked and not command.synopsis):
            continue
        assert text in RUN_BY, f'{command.page}: run {text} in a test, or mark it'
        assert command.words[-1] in (ROOT / RUN_BY[text]).read_text()
        if command.words[0] == 'make':
            assert f'\n{command.words[1]}:' in (ROOT / 'Makefile').read_text()


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_configs_of_the_commands_exist(page):
    made = {block.code.split()[1] for block in blocks(page, 'python') if block.code[0] == '#'}
    for command in commands(page):
        for word in command.words:
            if word.endswith('.py') and word not in made:
                found = (ROOT / word).exists() or list(ROOT.glob(f'configs/*/{word}'))
                assert found, ' '.join(command.words)


def test_every_tool_has_its_command_on_the_page_of_tools():
    page = ROOT / 'docs/tools.md'
    shown = {word for command in commands(page) for word in command.words}
    tools = [
        str(p.relative_to(ROOT)) for p in ROOT.glob('tools/**/*') if p.suffix in ('.py', '.sh')
    ]
    assert len(tools) > 15
    assert [tool for tool in tools if tool not in shown and tool != 'tools/quickstart.py'] == []
