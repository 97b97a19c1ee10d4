"""What a plain install ships, tried by building the wheel and an editable install's tree."""

import subprocess
import sys
import zipfile
from email.parser import Parser

import pytest
import yaml

import mmseg_attn
from tests.processes import HANG


@pytest.fixture(scope='module')
def source(tmp_path_factory, request):
    """A copy of the files that setup.py reads, so that nothing is written into the project."""
    root = request.config.rootpath
    copy = tmp_path_factory.mktemp('source')
    listed = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'],
        cwd=root,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip('needs a git checkout to know the files of the project')
    for name in listed.stdout.splitlines():
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((root / name).read_bytes())
    return copy


def test_the_wheel_ships_configs_tools_and_index_and_no_tests(source):
    subprocess.run(
        [sys.executable, 'setup.py', '-q', 'bdist_wheel'], cwd=source, check=True, timeout=HANG
    )
    (wheel,) = source.glob('dist/*.whl')
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (n for n in names if n.endswith('METADATA'))
        meta = Parser().parsestr(archive.read(metadata).decode())
        index = yaml.safe_load(archive.read('mmseg_attn/.mim/model-index.yml'))
    for name in (
        'mmseg_attn/.mim/model-index.yml',
        'mmseg_attn/.mim/tools/train.py',
        'mmseg_attn/.mim/tools/dist_train.sh',
        'mmseg_attn/.mim/tools/analysis_tools/get_flops.py',
        'mmseg_attn/.mim/configs/_base_/default_runtime.py',
        'mmseg_attn/.mim/configs/lfa_unet/lfa-unet_1xb8-1500e_drosophila-256x256.py',
        'mmseg_attn/py.typed',
        'mmseg_attn/ops/window_attention.py',
        'mmseg_attn/io/output.py',
        'mmseg_attn/apps/report/page.html',
        'mmseg_attn/apps/report/page.css',
    ):
        assert name in names
    assert index['Import']
    assert {f'mmseg_attn/.mim/{name}' for name in index['Import']} <= set(names)
    assert {n.split('/')[0] for n in names} == {'mmseg_attn', metadata.split('/')[0]}
    assert meta['Version'] == mmseg_attn.__version__
    assert meta['Author'] == 'mmseg_attn contributors'
    assert 'Typing :: Typed' in meta.get_all('Classifier')
    assert len(meta.get_all('Project-URL')) >= 3
    assert 'semantic segmentation' in meta['Keywords']
    assert set(meta.get_all('Provides-Extra')) >= {
        'lite',
        'full',
        'onedl',
        'medical',
        'geo',
        'zarr',
        'monai',
        'scikit-image',
        'timm',
        'onnx',
        'tests',
        'tensorboard',
    }


def test_mim_search_can_read_the_metafiles(root):
    """It joins lists of words, and stops with an AttributeError at a list of numbers."""
    index = yaml.safe_load((root / 'model-index.yml').read_text())['Import']
    assert index
    for file in index:
        content = yaml.safe_load((root / file).read_text())
        for entry in content['Collections'] + content['Models']:
            for key, value in entry['Metadata'].items():
                words = value if isinstance(value, list) else [str(value)]
                assert all(isinstance(word, str) for word in words), (file, key)


def test_the_core_requirements_never_replace_the_users_stack(root):
    core = (root / 'requirements/runtime.txt').read_text().splitlines()
    packages = [line.split()[0] for line in core if line and not line.startswith('#')]
    assert packages
    assert not [
        p for p in packages if p.startswith(('torch', 'mmcv', 'mmengine', 'onedl', 'mmseg'))
    ]


def install_editable(source, wheels, before=''):
    """Build an editable install's tree in ``source``, after other code, and return the output."""
    code = (
        f'import os, sys; {before}\n'
        'sys.argv = ["setup.py", "editable_wheel", "--dist-dir", sys.argv[1]]\n'
        'exec(open("setup.py").read(), {"__file__": "setup.py", "__name__": "__main__"})'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, wheels],
        cwd=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_an_editable_install_links_to_the_sources(source, tmp_path):
    install_editable(source, tmp_path)
    mim = source / 'mmseg_attn/.mim'
    for name in ('configs', 'tools', 'model-index.yml'):
        assert (mim / name).is_symlink()
        assert (mim / name).resolve() == (source / name).resolve()


def test_an_editable_install_copies_where_links_are_refused(source, tmp_path):
    """Windows refuses them to users who are not in developer mode."""
    refuse = 'os.symlink = lambda *_, **__: os.stat("no privilege to link")  # an OSError'
    assert 'no privilege to link' in install_editable(source, tmp_path, refuse)
    mim = source / 'mmseg_attn/.mim'
    for name in ('configs/_base_/default_runtime.py', 'tools/train.py', 'model-index.yml'):
        assert not (mim / name.partition('/')[0]).is_symlink()
        assert (mim / name).read_bytes() == (source / name).read_bytes()
