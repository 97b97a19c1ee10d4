"""The same batches as MMSegmentation's, copied from pinned memory."""

import mmseg
import pytest
import torch
from mmengine.structures import PixelData
from mmengine.utils import digit_version
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

ASYNC, PLAIN = 'AsyncSegDataPreProcessor', 'SegDataPreProcessor'


def batch(*, channels: int = 3, labels: torch.dtype = torch.int64, small: bool = False) -> dict:
    """Two images, the second smaller on demand, with a number of their file as metadata."""
    generator = torch.Generator().manual_seed(0)
    sizes = [(6, 8), (4, 5) if small else (6, 8)]
    data = dict(inputs=[], data_samples=[])
    for number, size in enumerate(sizes):
        image = torch.randint(256, (channels, *size), generator=generator, dtype=torch.uint8)
        label = torch.randint(256, (1, *size), generator=generator).to(labels)
        sample = SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=dict(number=number))
        data['inputs'].append(image)
        data['data_samples'].append(sample)
    return data


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('labels', [torch.int64, torch.uint8])
@pytest.mark.parametrize(
    ('settings', 'channels'),
    [
        (dict(bgr_to_rgb=True, mean=[1.0, 2.0, 3.0], std=[4.0, 5.0, 6.0]), 3),
        (dict(rgb_to_bgr=True), 3),
        (dict(bgr_to_rgb=True), 1),
        (dict(mean=[9.0], std=[2.0]), 1),
        (dict(), 4),
    ],
)
def test_batches_are_those_of_mmsegmentation(settings, channels, labels, training):
    if not training and digit_version(mmseg.__version__) < digit_version('1.1.1'):
        pytest.skip('MMSegmentation 1.1.0 tests one image at a time')
    settings = dict(size=(8, 8), pad_val=7, seg_pad_val=9, **settings)
    expected = MODELS.build(dict(type=PLAIN, **settings))(batch(channels=channels), training)
    given = batch(channels=channels, labels=labels)
    found = MODELS.build(dict(type=ASYNC, **settings))(given, training)
    assert torch.equal(found['inputs'], expected['inputs'])
    for one, other in zip(found['data_samples'], expected['data_samples'], strict=True):
        assert one.metainfo == other.metainfo
        assert one.gt_sem_seg.data.dtype == torch.int64
        assert torch.equal(one.gt_sem_seg.data, other.gt_sem_seg.data)
    assert given['data_samples'][0].gt_sem_seg.data.dtype == labels


def test_channels_are_reversed():
    data = dict(inputs=[torch.arange(3).view(3, 1, 1)], data_samples=None)
    found = MODELS.build(dict(type=ASYNC, bgr_to_rgb=True))(data)
    assert found['inputs'].flatten().tolist() == [2, 1, 0]


def test_images_and_label_maps_are_copied_to_a_gpu_from_pinned_memory(monkeypatch):
    preprocessor = MODELS.build(dict(type=ASYNC, size=(6, 8)))
    monkeypatch.setattr(preprocessor, '_device', torch.device('cuda'))
    pinned, copied, original = [], [], torch.Tensor.to

    def pin_memory(self):
        pinned.append(self.clone())
        return pinned[-1]

    def to(self, device, *args, **kwargs):
        if device != torch.device('cuda'):
            return original(self, device, *args, **kwargs)
        copied.append((self, kwargs))
        return self

    monkeypatch.setattr(torch.Tensor, 'pin_memory', pin_memory)
    monkeypatch.setattr(torch.Tensor, 'to', to)
    preprocessor.cast_data(batch())
    assert len(pinned) == 4
    assert all(one is other for one, (other, _) in zip(pinned, copied, strict=True))
    assert all(options == dict(non_blocking=True) for _, options in copied)
