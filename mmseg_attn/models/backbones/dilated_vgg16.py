"""The convolutions of VGG16 as in DeepLab-LargeFOV (Chen et al., arXiv 1412.7062).

Details that the paper does not give follow the authors' released network: all pools are 3x3, the
last two keep the size, and a 3x3 average pooling follows the last one.
"""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn


@MODELS.register_module()
class DilatedVGG16(BaseModule):
    """Encode with thirteen 3x3 convolutions with ReLU; the last three have dilation two.

    The parameters have torchvision's names, so that its weights for ImageNet load with
    ``init_cfg=dict(type='Pretrained', checkpoint='torchvision://vgg16')``.

    Args:
        in_channels: Channels of the images.
        channels: Channels of the five stages.
        init_cfg: Initialization as in MMEngine; ``None`` means PyTorch's.
    """

    def __init__(
        self,
        in_channels: int = 3,
        *,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg)
        self.features = nn.Sequential()
        stages = zip(channels, (2, 2, 3, 3, 3), (1, 1, 1, 1, 2), (2, 2, 2, 1, 1), strict=True)
        for width, convs, dilation, stride in stages:
            for _ in range(convs):
                self.features.append(
                    nn.Conv2d(in_channels, width, 3, padding=dilation, dilation=dilation)
                )
                self.features.append(nn.ReLU(inplace=True))
                in_channels = width
            self.features.append(nn.MaxPool2d(3, stride=stride, padding=1))
        self.features.append(nn.AvgPool2d(3, stride=1, padding=1))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Encode images.

        Args:
            x: Images ``(N, in_channels, H, W)`` of any size.

        Returns:
            One feature map, at stride 8 with its size rounded up.
        """
        return (self.features(x),)
