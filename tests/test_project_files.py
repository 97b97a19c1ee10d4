"""The files that people and services expect of a project."""

import re

import yaml

import mmseg_attn

VARIABLE = re.compile(r'\$\{\{ matrix\.([\w-]+) \}\}')


def load(path):
    return yaml.safe_load(path.read_text(encoding='utf-8'))


def is_target(name, root):
    """Whether the Makefile has a rule for a target, ``stack-%`` rules included."""
    rules = re.findall(r'^([\w%-]+):', (root / 'Makefile').read_text(), re.M)
    stacks = [path.stem for path in root.glob('requirements/stacks/*.txt')]
    return name in {rule.replace('%', stack) for rule in rules for stack in stacks}


def commands(job):
    """Commands of a job, once for each cell of its matrix, without the arguments of make."""
    matrix = job.get('strategy', {}).get('matrix', {})
    for step in job['steps']:
        if 'run' in step:
            (key,) = VARIABLE.findall(step['run'].partition('=')[0]) or [None]
            for value in matrix[key] if key else ['']:
                yield VARIABLE.sub(value, step['run'].partition('=')[0])


def test_workflows_call_only_targets_of_make(root):
    workflows = [load(path) for path in root.glob('.github/workflows/*.yml')]
    called = [c for w in workflows for job in w['jobs'].values() for c in commands(job)]
    targets = {re.fullmatch(r'make ([\w.-]+)( [A-Z]+)?', command)[1] for command in called}
    assert targets >= {'lint', 'test', 'docs', 'wheel', 'smoke', 'stack-oldest'}
    assert {t for t in targets if not is_target(t, root)} == set()
    assert not is_target('stack-none', root)


def test_workflows_test_every_stack_and_python_version(root):
    jobs = load(root / '.github/workflows/ci.yml')['jobs']
    stacks = {path.stem for path in root.glob('requirements/stacks/*.txt')} - {'today'}
    assert set(jobs['stack']['strategy']['matrix']['stack']) == stacks
    minors = re.search(
        r"3\.\{minor\}' for minor in range\((\d+), (\d+)\)", (root / 'setup.py').read_text()
    )
    versions = [f'3.{minor}' for minor in range(*map(int, minors.groups()))]
    assert jobs['test']['strategy']['matrix']['python-version'] == versions


def test_forms_have_a_name_and_fields(root):
    forms = [load(path) for path in root.glob('.github/ISSUE_TEMPLATE/*_*.yml')]
    assert len(forms) == 2
    for form in forms:
        assert {'name', 'description', 'body'} <= set(form)
        ids = [field['id'] for field in form['body']]
        assert len(set(ids)) == len(ids)
        assert all(field['attributes']['label'] for field in form['body'])


def test_the_newest_version_of_the_changelog_and_the_citation_is_the_packages(root):
    newest = re.search(r'^## (\S+)', (root / 'CHANGELOG.md').read_text(), re.M)[1]
    citation = load(root / 'CITATION.cff')
    assert newest == citation['version'] == mmseg_attn.__version__
    assert citation['cff-version'] == '1.2.0'
    assert citation['authors'] == [dict(name='mmseg_attn contributors')]


def test_commits_are_checked_with_the_ruff_of_the_tests(root):
    repos = load(root / '.pre-commit-config.yaml')['repos']
    used = {
        d for repo in repos for h in repo['hooks'] for d in h.get('additional_dependencies', [])
    }
    (pinned,) = re.findall(r'^ruff==.*$', (root / 'requirements/tests.txt').read_text(), re.M)
    assert used == {pinned}


def test_what_the_guide_names_exists(root):
    text = (root / 'CONTRIBUTING.md').read_text()
    links = [link for link in re.findall(r'\]\(([^)#\s]+)', text) if '://' not in link]
    named = re.findall(r'(?:configs|mmseg_attn|tests|tools)/[\w./-]*\w[./]\w*', text)
    assert len(links) > 5
    assert len(named) > 5
    paths = [path for path in links + named if 'NAME' not in path]
    assert [path for path in paths if not (root / path).exists()] == []
    targets = re.findall(r'^make ([\w.-]+)', text, re.M)
    assert targets
    assert [target for target in targets if not is_target(target, root)] == []
