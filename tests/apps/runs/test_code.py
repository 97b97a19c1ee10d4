"""Which files a run uses, and what counts as a change of them."""

import shutil
from pathlib import Path

import pytest

from mmseg_attn.apps.runs import code, read_config
from mmseg_attn.apps.runs.code import changed_files, hash_code, used_files

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
CODE = '''
"""About the module."""

class A:
    """About A."""

    x = "# no comment"  # a comment

    def f(self):
        """About f,

        in several lines.
        """
        return """kept"""
'''


def used(config: str) -> set[str]:
    return set(used_files(read_config(CONFIGS / f'{config}.py', fold=0).model.to_dict()))


@pytest.mark.parametrize(
    ('old', 'new', 'same'),
    [
        ('About the module.', 'Something else\nin two lines.', True),
        ('in several lines.', 'and more.', True),
        ('  # a comment', '', True),
        ('class A:', '# above\n\n\nclass A:', True),
        ('# no comment', '# no', False),
        ('kept', 'changed', False),
        ('x = ', 'y = ', False),
        ('    def f', '    async def f', False),
    ],
)
def test_what_counts_as_a_change(old, new, same):
    assert old in CODE
    assert (hash_code(CODE.replace(old, new)) == hash_code(CODE)) is same


def test_a_run_uses_what_its_config_names_and_what_that_uses():
    files = used('lfa_unet/lfa-unet-b16_1xb4-600i_drosophila-128x128')
    assert {
        'models/decode_heads/lfa_head.py',  # named by the config
        'models/decode_heads/unet_head.py',  # its base class
        'models/layers/local_feature_aggregation.py',  # imported by the head
        'models/layers/concatenation.py',
        'ops/window_attention.py',  # imported through mmseg_attn.ops
        'models/losses/pixels.py',
    } <= files
    assert not {file for file in files if file.startswith('apps') or file.endswith('__init__.py')}


def test_parts_that_the_code_names_are_used():
    files = used_files(dict(runner_type='FastRunner'))
    assert {'engine/fast_runner.py', 'engine/hooks/portable_optimizer_hook.py'} <= files.keys()


def test_a_run_does_not_use_other_models():
    files = used('unet/unet-b16_1xb4-600i_drosophila-128x128')
    assert 'models/decode_heads/unet_head.py' in files
    others = {'models/layers/local_feature_aggregation.py', 'models/backbones/msanet_encoder.py'}
    assert not files & others


def test_classes_in_a_config_are_found_like_names():
    from mmseg_attn.models.layers import CSAM

    assert 'models/layers/csam.py' in used_files(dict(neck=[dict(type=CSAM)]))
    assert 'models/layers/csam.py' in used_files(dict(type='mmseg.CSAM'))
    assert 'models/layers/csam.py' in used_files(dict(type='mmseg_attn.models.layers.csam.CSAM'))


def test_changed_and_missing_files_are_found(tmp_path, monkeypatch):
    files = used_files(dict(type='CSAM'))
    assert changed_files(files) == []
    copy = shutil.copytree(code._ROOT, tmp_path / 'mmseg_attn', symlinks=True)
    monkeypatch.setattr(code, '_ROOT', copy)
    assert changed_files(files) == []
    text = (copy / 'models/layers/csam.py').read_text()
    (copy / 'models/layers/csam.py').write_text(f'{text}\n# a comment\n')
    assert changed_files(files) == []
    (copy / 'models/layers/csam.py').write_text(f'{text}\nX = 1\n')
    assert changed_files(files) == ['models/layers/csam.py']
    (copy / 'models/layers/csam.py').unlink()
    assert changed_files(files) == ['models/layers/csam.py']
