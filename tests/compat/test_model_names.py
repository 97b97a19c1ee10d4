"""``MMSegInferencer`` by config path and by name."""

import shutil
import subprocess
import sys

import mmseg
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.infer.infer import BaseInferencer
from mmengine.utils import digit_version
from mmseg.apis import MMSegInferencer, init_model
from PIL import Image

import mmseg_attn
from mmseg_attn.apps.predict import Predictor
from mmseg_attn.compat import model_names
from tests.processes import HANG

NAME = 'lfa-unet-b16_1xb4-600i_drosophila-128x128'
CONFIG = f'configs/lfa_unet/{NAME}.py'
VERSION = digit_version(mmseg.__version__)


@pytest.fixture(scope='module')
def weights(tmp_path_factory, request):
    cfg = Config.fromfile(request.config.rootpath / CONFIG)
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp('weights') / 'weights.pth'
    torch.save(dict(state_dict=init_model(cfg, device='cpu').state_dict()), file)
    return str(file)


@pytest.fixture
def image(tmp_path) -> np.ndarray:
    """An image, which x.png contains, too."""
    image = np.random.default_rng(0).integers(0, 256, (41, 52), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / 'x.png')
    return image


@pytest.fixture
def expected(image, weights, root) -> np.ndarray:
    ((_, labels),) = Predictor(Config.fromfile(root / CONFIG), weights)([(0, image)])
    return labels


@pytest.mark.parametrize('model', [CONFIG, NAME, NAME.upper()])
@pytest.mark.filterwarnings('ignore')
def test_the_inferencer_by_path_and_by_name(model, weights, image, expected, root, tmp_path):
    model = str(root / model) if model == CONFIG else model
    inferencer = MMSegInferencer(model, weights, device='cpu')
    found = inferencer(str(tmp_path / 'x.png'), out_dir=str(tmp_path / 'out'))
    np.testing.assert_array_equal(found['predictions'], expected)
    assert (tmp_path / 'out/vis/x.png').is_file()


@pytest.mark.skipif(
    digit_version('1.1.1') > VERSION, reason='MMSegmentation 1.1.0 tests one image at a time'
)
@pytest.mark.filterwarnings('ignore')
def test_the_inferencer_on_a_batch(weights, expected, tmp_path):
    inferencer = MMSegInferencer(NAME, weights, device='cpu')
    first, second = inferencer([str(tmp_path / 'x.png')] * 2, batch_size=2)['predictions']
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, expected)


@pytest.mark.skipif(
    digit_version('1.1.2') > VERSION, reason='MMSegmentation 1.1.2 brought return_vis'
)
@pytest.mark.filterwarnings('ignore')
def test_the_inferencer_on_an_array(weights, image, expected):
    found = MMSegInferencer(NAME, weights, device='cpu')(image, return_vis=True)
    np.testing.assert_array_equal(found['predictions'], expected)
    assert found['visualization'].shape[2] == 3


def test_all_models_are_listed_beside_those_of_mmsegmentation():
    listed = MMSegInferencer.list_models('mmseg')
    assert listed.count(NAME) == 1
    assert any(name.startswith('deeplabv3_') for name in listed)


def test_adding_them_twice_changes_nothing():
    model_names.offer_models()
    assert MMSegInferencer.list_models('mmseg', NAME) == [NAME]


def test_a_name_of_mmsegmentation_still_works():
    cfg, weights = MMSegInferencer._load_model_from_metafile(
        type('WithScope', (), dict(scope='mmseg'))(), 'fcn_r50-d8_4xb2-40k_cityscapes-512x1024'
    )
    assert cfg.model.decode_head.type == 'FCNHead'
    assert weights.startswith('https://')


def test_an_unknown_name_is_told():
    with pytest.raises(ValueError, match='Cannot find model: no-such-net'):
        MMSegInferencer('no-such-net')


def test_a_plain_install_finds_them_too(root, tmp_path):
    package = tmp_path / 'site' / 'mmseg_attn'
    shutil.copytree(
        mmseg_attn.__path__[0], package, ignore=shutil.ignore_patterns('__pycache__', '.mim')
    )
    (package / '.mim').mkdir()
    for name in ('configs', 'model-index.yml'):
        (package / '.mim' / name).symlink_to(root / name)
    code = (
        'import mmseg_attn; from mmseg.apis import MMSegInferencer as M; '
        f'print(M._load_model_from_metafile(type("S", (), dict(scope="mmseg"))(), {NAME!r})[0]'
        '.filename)'
    )
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code],
        cwd=tmp_path,
        env=dict(PYTHONPATH=str(tmp_path / 'site'), PATH='', OMP_NUM_THREADS='1'),
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(f'site/mmseg_attn/.mim/{CONFIG}')


def test_a_copy_without_configs_does_not_hide_the_models_of_mmsegmentation(monkeypatch):
    folder_of = BaseInferencer._get_repo_or_mim_dir
    plain = BaseInferencer._get_models_from_metafile.__wrapped__
    monkeypatch.setattr(BaseInferencer, '_get_models_from_metafile', staticmethod(plain))

    def refuse(scope: str) -> str:
        if scope == 'mmseg_attn':
            raise FileNotFoundError('Cannot find configs directory')
        return folder_of(scope)

    monkeypatch.setattr(BaseInferencer, '_get_repo_or_mim_dir', staticmethod(refuse))
    model_names.offer_models()
    assert 'fcn_r50-d8_4xb2-40k_cityscapes-512x1024' in MMSegInferencer.list_models('mmseg')
