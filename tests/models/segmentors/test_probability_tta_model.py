"""The mean of the probabilities of augmented images, by hand."""

import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample


def merge(*versions: list[float]) -> tuple[torch.Tensor, int]:
    """The merged logits and the label of an image of one pixel."""
    module = ConfigDict(
        type='EncoderDecoder',
        data_preprocessor=dict(type='SegDataPreProcessor'),
        backbone=dict(type='UNetEncoder', channels=[2, 4]),
        decode_head=dict(type='UNetHead', in_channels=[2, 4], num_classes=len(versions[0])),
        test_cfg=dict(mode='whole'),
    )
    samples = []
    for logits in versions:
        samples.append(SegDataSample(metainfo=dict(img_path='x.png')))
        samples[-1].seg_logits = PixelData(data=torch.tensor(logits).view(-1, 1, 1))
    model = MODELS.build(dict(type='ProbabilityTTAModel', module=module))
    (merged,) = model.merge_preds([samples])
    return merged.seg_logits.data.flatten(), merged.pred_sem_seg.data.item()


def test_the_logarithm_of_the_mean():
    odds = torch.tensor([[1.0, 3.0], [4.0, 1.0]])  # probabilities 1/4, 3/4 and 4/5, 1/5
    logits, label = merge(*odds.log().tolist())
    torch.testing.assert_close(logits.exp(), torch.tensor([0.525, 0.475]))
    assert label == 0


def test_the_logarithm_of_zero_is_finite():
    logits, label = merge([0.0, 200.0], [0.0, 300.0])
    assert logits[0] < -80
    assert logits.isfinite().all()
    assert label == 1
