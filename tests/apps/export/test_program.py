"""What stands around the network in an exported model."""

import json
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.models import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

from mmseg_attn.apps.export import PixelsToLogits, describe, export_program
from mmseg_attn.errors import ExportError

needs_export = pytest.mark.skipif(
    not hasattr(getattr(torch, 'compiler', None), 'is_exporting'), reason='needs PyTorch 2.7'
)


def build(color_type: str = 'color', **preprocessor) -> PixelsToLogits:
    cfg = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(dict(type='SegDataPreProcessor'), **preprocessor),
        backbone=dict(type='UNetEncoder', channels=[2, 4]),
        decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=3),
        test_cfg=dict(mode='whole'),
    )
    return PixelsToLogits(MODELS.build(cfg), in_channels=3, color_type=color_type)


def of_a_test_step(module: PixelsToLogits, image: torch.Tensor) -> torch.Tensor:
    """The logits of MMSegmentation's own test step, which takes pixels as the loader gives them."""
    size = tuple(image.shape[1:])
    sample = SegDataSample(metainfo=dict(ori_shape=size, img_shape=size))
    (out,) = module.model.eval().test_step(dict(inputs=[image], data_samples=[sample]))
    return out.seg_logits.data


@pytest.mark.parametrize('kind', ['SegDataPreProcessor', 'AsyncSegDataPreProcessor'])
@pytest.mark.parametrize('bgr_to_rgb', [True, False])
@pytest.mark.parametrize(('color_type', 'rgb'), [('color', True), ('unchanged', False)])
@pytest.mark.parametrize(
    'padding', [{}, dict(test_cfg=dict(size=(24, 16))), dict(test_cfg=dict(size_divisor=8))]
)
def test_it_computes_what_a_test_step_computes(kind, bgr_to_rgb, color_type, rgb, padding):
    numbers = dict(mean=[9, 20, 35], std=[4, 5, 6], pad_val=2)
    module = build(color_type, type=kind, bgr_to_rgb=bgr_to_rgb, **numbers, **padding)
    loaded = torch.randint(0, 256, (3, 17, 19), dtype=torch.uint8)  # BGR, if in colors
    image = loaded.flip(0) if rgb else loaded
    with torch.no_grad():
        torch.testing.assert_close(module(image[None].float())[0], of_a_test_step(module, loaded))


@pytest.mark.parametrize('bgr_to_rgb', [True, False])
@pytest.mark.parametrize('bgr', [True, False])
@pytest.mark.parametrize('channels', [1, 2, 3, 4, 5])
def test_channels_of_files_as_stored(channels, bgr, bgr_to_rgb):
    """The input is what a file holds; loaders but ``tifffile`` exchange its red and blue."""
    numbers = dict(mean=list(range(channels)), std=[*range(2, channels + 2)])
    cfg = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor', bgr_to_rgb=bgr_to_rgb, **numbers),
        backbone=dict(type='UNetEncoder', in_channels=channels, channels=[2, 4]),
        decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=3),
        test_cfg=dict(mode='whole'),
    )
    try:
        model = MODELS.build(cfg)
    except AssertionError:
        pytest.skip('the data preprocessor of the onedl fork takes one mean or three')
    module = PixelsToLogits(model, in_channels=channels, color_type='unchanged', bgr=bgr)
    stored = torch.randint(0, 256, (channels, 16, 18), dtype=torch.uint8)
    loaded = stored.clone()
    if bgr and channels >= 3:
        loaded[0], loaded[2] = stored[2], stored[0]
    with torch.no_grad():
        found = module(stored[None].float())[0]
        torch.testing.assert_close(found, of_a_test_step(module, loaded))
    described = describe(module, config='x', steps=[], classes=[], palette=[])
    told = json.loads(described['done_by_model'])
    x = stored.float() - torch.tensor(told['mean'])[:, None, None]
    x = x / torch.tensor(told['std'])[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(module.model(x[None][:, module.order])[0], found)


def test_values_are_left_alone_without_mean_and_std():
    module = build(bgr_to_rgb=True)
    image = torch.rand(1, 3, 6, 8)
    with torch.no_grad():
        torch.testing.assert_close(module(image), module.model(image), rtol=0, atol=0)


@needs_export
@pytest.mark.parametrize('padding', [dict(size=(40, 60)), dict(size_divisor=16)])
def test_padding_is_part_of_the_program(padding):
    module = build(mean=[9, 20, 35], std=[4, 5, 6], pad_val=2, test_cfg=padding)
    program = export_program(module)
    for size in ((35, 33), (48, 64), (50, 41)):
        image = 255 * torch.rand(1, 3, *size)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(image), module(image))


@needs_export
@pytest.mark.parametrize('backend', ['strips', 'sdpa'])
def test_a_backend_in_the_config_does_not_bind_the_program_to_a_size(backend):
    module = build()
    module.model.decode_head = MODELS.build(
        dict(type='LFAHead', in_channels=[2, 4], num_classes=3, backend=backend)
    )
    program, image = export_program(module.eval()), torch.rand(1, 3, 35, 42)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(image), module(image))


@needs_export
def test_programs_name_no_files_of_the_machine():
    program = export_program(build())
    assert not [node for node in program.graph.nodes if 'stack_trace' in node.meta]


class Specialized(nn.Module):
    """What binds an exported model to the size of its sample."""

    def forward(self, x):
        return x * len(range(x.shape[2]))


@needs_export
def test_what_torch_refuses_is_one_sentence():
    module = build()
    module.model.decode_head.dropout = Specialized()
    with pytest.raises(ExportError, match='a step depends on one image size or on') as caught:
        export_program(module)
    assert '\n' not in str(caught.value)


def test_an_old_torch_is_told(monkeypatch):
    monkeypatch.setattr(torch, 'compiler', SimpleNamespace(), raising=False)  # as in 2.2
    with pytest.raises(ExportError, match=r'install 2\.7 or newer'):
        export_program(build())


class OtherSegmentor(BaseSegmentor):
    encode_decode = extract_feat = loss = predict = _forward = lambda self, *args: None


def test_segmentors_and_preprocessors_with_steps_of_their_own_are_refused():
    with pytest.raises(
        ExportError, match=r'^OtherSegmentor cannot be exported, .*: use EncoderDecoder or'
    ):
        PixelsToLogits(OtherSegmentor(), in_channels=3, color_type='color')
    model = build().model
    model.data_preprocessor = OtherSegmentor().data_preprocessor
    with pytest.raises(
        ExportError, match=r'^BaseDataPreprocessor cannot .*: use SegDataPreProcessor or'
    ):
        PixelsToLogits(model, in_channels=3, color_type='color')
