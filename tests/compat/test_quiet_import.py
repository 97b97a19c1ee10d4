"""``import mmseg_attn`` adds entries to registries, and changes what the table names, if needed."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import mmseg_attn
from mmseg_attn.compat.replacements import TABLE
from tests.processes import environment

SCRIPT = Path(__file__).with_name('host_before_and_after.py')


def compare(root: Path, *arguments: str, path: Path | None = None) -> dict:
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', str(SCRIPT), *arguments],
        cwd=path or root,
        env=environment(root, *filter(None, [path])),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_import_changes_what_the_table_names_and_nothing_else(root):
    found = compare(root)
    assert found['compared'] > 5000
    # A function is imported under its own name elsewhere; a method is one of its class everywhere.
    allowed = {name.rpartition('.')[2] for row in TABLE if row.needed() for name in row.names}
    assert {name.rpartition('.')[2] for name in found['changed']} <= allowed
    assert 'mmengine.runner.checkpoint.torch' in found['changed'] or 'torch' not in allowed


def test_the_comparison_sees_a_replaced_function_method_module_and_hook(root, tmp_path):
    (tmp_path / 'loud_plugin.py').write_text(
        'import torch\n'
        'from mmengine.hooks import CheckpointHook as Theirs\n'
        'from mmengine.runner import Runner, checkpoint\n'
        'from mmseg.registry import HOOKS\n'
        'class CheckpointHook(Theirs): pass\n'
        'HOOKS.register_module(module=CheckpointHook)\n'
        'checkpoint.load_url = print\n'
        'Runner.resume = lambda self: None\n'
        'torch.load = print\n'
    )
    assert compare(root, 'loud_plugin', path=tmp_path)['changed'] == [
        'lookup HOOKS CheckpointHook',
        'mmengine.runner.checkpoint.load_url',
        'mmengine.runner.runner.Runner.resume',
        'torch.load',
    ]


def test_only_registered_parts_are_imported(root):
    code = 'import json, sys, mmseg_attn; print(); print(json.dumps(list(sys.modules)))'
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        env=environment(root),
        capture_output=True,
        text=True,
    )
    modules = set(json.loads(done.stdout.splitlines()[-1]))
    assert 'mmseg_attn.models' in modules
    parts = ('mmseg_attn.apps', 'mmseg_attn.visualization.attention_picture')
    assert all(map(find_spec, parts))
    assert not {module for module in modules if module.startswith(parts)}
    assert not modules & {'nibabel', 'pydicom', 'onnx', 'triton', 'mmseg.apis'}


def test_the_docs_have_the_table(root):
    page = (root / 'docs/host.md').read_text()
    for row in TABLE:
        assert f'| {row.where} | {row.why} | {row.after} |' in page
        for name in row.names:
            assert f'`{name}`' in page


def test_safe_loading_is_public():
    assert mmseg_attn.enable_safe_loading.__doc__
