import numpy as np
import pytest
from mmseg.registry import TRANSFORMS


@pytest.mark.parametrize('shape', [(3, 5), (3, 5, 3)])
def test_image_and_mask_turn_together_by_every_right_angle(shape):
    transform = TRANSFORMS.build(dict(type='RandomRightAngle'))
    image = np.arange(np.prod(shape)).reshape(shape)
    mask = np.arange(15).reshape(3, 5)
    np.random.seed(0)
    seen = set()
    for _ in range(40):
        results = dict(img=image, gt_seg_map=mask, seg_fields=['gt_seg_map'], img_shape=(3, 5))
        results = transform(results)
        turns = [k for k in range(4) if np.array_equal(results['gt_seg_map'], np.rot90(mask, k))]
        assert len(turns) == 1
        assert np.array_equal(results['img'], np.rot90(image, turns[0]))
        assert results['img_shape'] == results['img'].shape[:2]
        seen.add(turns[0])
    assert seen == {0, 1, 2, 3}
