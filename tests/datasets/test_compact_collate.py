import pytest
import torch
from mmengine.registry import FUNCTIONS
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_attn.datasets import compact_collate


def sample(*values: int, dtype: torch.dtype = torch.int64) -> dict:
    labels = torch.tensor(values, dtype=dtype).view(1, 1, -1)
    return dict(
        inputs=torch.zeros(3, 1, len(values)),
        data_samples=SegDataSample(gt_sem_seg=PixelData(data=labels)),
    )


@pytest.mark.parametrize(
    ('values', 'dtype'),
    [((0, 1, 255), torch.uint8), ((0, 256, 1), torch.int64), ((-1, 0, 1), torch.int64)],
)
def test_label_maps_take_a_byte_where_it_holds_them(values, dtype):
    batch = FUNCTIONS.get('compact_collate')([sample(*values), sample(1, 2, 3)])
    first, second = (each.gt_sem_seg.data for each in batch['data_samples'])
    assert (first.dtype, first.flatten().tolist()) == (dtype, list(values))
    assert (second.dtype, second.flatten().tolist()) == (torch.uint8, [1, 2, 3])
    assert [image.shape for image in batch['inputs']] == [(3, 1, 3)] * 2


def test_other_batches_are_left_alone():
    batch = compact_collate([sample(1.5, dtype=torch.float32)])
    assert batch['data_samples'][0].gt_sem_seg.data.dtype == torch.float32
    assert 'gt_sem_seg' not in compact_collate([dict(data_samples=SegDataSample())])['data_samples']
    assert compact_collate([dict(inputs=1), dict(inputs=2)]) == dict(inputs=[1, 2])
