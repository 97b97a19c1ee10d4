"""The notebooks run, and hold what they print today.

To renew what they hold: jupyter execute --inplace NOTEBOOK, in an empty folder.
"""

import os
import re

import nbformat
import pytest
from nbclient import NotebookClient

from tests.docs.pages import ROOT
from tests.processes import HANG

TUTORIALS = ROOT / 'docs/tutorials'
LARGEST = 200_000  # bytes: they are in the repository


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a notebook in an empty folder."""
    paths = [str(ROOT), os.environ.get('PYTHONPATH', '')]
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join(filter(None, paths)))
    monkeypatch.setenv('OMP_NUM_THREADS', '1')

    def run(name: str):
        kept = nbformat.read(TUTORIALS / name, as_version=4)
        again = nbformat.from_dict(kept)
        client = NotebookClient(
            again,
            timeout=HANG,
            startup_timeout=HANG,
            kernel_name='python3',
            coalesce_streams=True,
            resources=dict(metadata=dict(path=str(tmp_path))),
        )
        client.execute()
        return kept, again

    return run


def printed(notebook) -> str:
    """All that the cells have printed and shown."""
    outputs = [output for cell in notebook.cells for output in cell.get('outputs', [])]
    texts = [output.get('text', '') for output in outputs]
    return '\n'.join([*texts, *(o.get('data', {}).get('text/markdown', '') for o in outputs)])


@pytest.mark.parametrize('file', sorted(TUTORIALS.glob('*.ipynb')), ids=lambda file: file.stem)
def test_the_notebooks_are_small_and_were_run_in_order(file):
    assert file.stat().st_size < LARGEST
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == 'code']
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


def test_a_dataset_of_ones_own(run, tmp_path):
    kept, again = run('own_data.ipynb')
    text = printed(again)
    assert '255 -> 1 blob' in text
    assert '0 errors, 0 warnings' in text
    (blob,) = re.findall(r'\| IoU\.blob\s+\|\s+([\d.]+)', text)
    assert float(blob) > 60  # on the test set
    made = tmp_path / 'own_data'
    assert len(list((made / 'predicted/masks').glob('*.png'))) == 3
    assert (made / 'report.html').stat().st_size > 10_000
    counts = re.compile(r'^ *(?:background|blob|train|val|test)\b.*$', re.M)
    assert counts.findall(printed(kept))[:5] == counts.findall(text)[:5]  # of the data


def test_parts_in_a_config_of_mmsegmentation(run):
    kept, again = run('reuse_parts.ipynb')
    assert '| with CSAM on the other three |' in printed(again)
    assert printed(again) == printed(kept)
