"""TimmEncoder: the contract of our backbones, pretrained weights, frozen stages."""

import pytest
import torch
from mmseg.registry import MODELS

from mmseg_attn.errors import CheckpointError, UsageError
from mmseg_attn.models.backbones import TimmEncoder

timm = pytest.importorskip('timm', exc_type=Exception)

BN = dict(type='BN')


def encoder(name: str = 'test_resnet', **kwargs) -> TimmEncoder:
    return TimmEncoder(name, pretrained=False, norm_cfg=BN, **kwargs)


@pytest.mark.parametrize(
    ('name', 'stem', 'strides', 'kwargs'),
    [
        ('test_resnet', (8,), [1, 2, 4, 8, 16, 32], {}),
        ('test_resnet', (), [2, 4, 8, 16, 32], {}),
        ('test_efficientnet', (8,), [1, 2, 4, 8, 16, 32], {}),
        ('test_convnext', (8, 16), [1, 2, 4, 8, 16, 32], {}),
        ('test_convnext', (16,), [2, 4, 8, 16, 32], dict(out_indices=(0, 1, 2, 3))),
        ('test_convnext', (16,), [2, 4, 16], dict(out_indices=(0, 2))),
        ('test_vit', (), [16, 16], dict(out_indices=(1, 3))),
        (
            'swin_tiny_patch4_window7_224',
            (8, 16),
            [1, 2, 4, 8, 16, 32],
            dict(model_args=dict(embed_dim=24, depths=(1, 1, 1, 1))),
        ),
    ],
)
@pytest.mark.parametrize('size', [(64, 96), (45, 70), (1, 3)])
def test_maps_of_any_image_finest_first(name, stem, strides, kwargs, size):
    backbone = encoder(name, stem_channels=stem, **kwargs).eval()
    maps = backbone(torch.randn(2, 3, *size))
    assert [tuple(x.shape[2:]) for x in maps] == [
        tuple(-(-side // stride) for side in size) for stride in strides
    ]
    assert tuple(x.shape[1] for x in maps) == backbone.channels
    assert all(x.shape[0] == 2 for x in maps)


def test_the_maps_are_those_of_timm_where_nothing_is_padded():
    backbone = encoder().eval()
    x = torch.randn(1, 3, 64, 96)
    for ours, theirs in zip(backbone(x)[1:], backbone.model(x), strict=True):
        assert torch.equal(ours, theirs)


def test_channels_come_before_height_and_width_also_in_swin():
    args = dict(embed_dim=24, depths=(1, 1, 1, 1))
    backbone = encoder('swin_tiny_patch4_window7_224', stem_channels=(), model_args=args).eval()
    x = torch.randn(1, 3, 64, 96)
    for ours, theirs in zip(backbone(x), backbone.model(x), strict=True):
        assert torch.equal(ours, theirs.permute(0, 3, 1, 2))


@pytest.fixture
def weights(tmp_path):
    """A file with the weights of a whole timm classifier, and these weights."""
    torch.manual_seed(1)
    state = timm.create_model('test_resnet').state_dict()
    torch.save(state, tmp_path / 'weights.pth')
    return str(tmp_path / 'weights.pth'), state


@pytest.mark.parametrize('in_channels', [1, 3, 4, 13])
def test_the_first_convolution_is_adapted_to_the_channels(weights, in_channels):
    path, state = weights
    backbone = TimmEncoder('test_resnet', in_channels=in_channels, pretrained=path)
    built = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    backbone.init_weights()
    loaded = backbone.model.state_dict()
    colors = state['conv1.0.weight']
    if in_channels == 1:
        expected = colors.sum(1, keepdim=True)
    else:  # a constant image gives what it gave
        expected = torch.stack([colors[:, i % 3] for i in range(in_channels)], 1) * 3 / in_channels
    torch.testing.assert_close(loaded.pop('conv1.0.weight'), expected)
    assert all(torch.equal(value, state[name]) for name, value in loaded.items())
    assert not torch.equal(built['layer1.0.conv1.weight'], loaded['layer1.0.conv1.weight'])


def test_building_reads_no_weights(tmp_path):
    TimmEncoder('test_resnet', pretrained=str(tmp_path / 'missing.pth'))


def test_weights_that_are_missing_or_of_another_model(tmp_path, weights):
    missing = str(tmp_path / 'missing.pth')
    with pytest.raises(CheckpointError, match=r'missing\.pth.*test_resnet.*does not exist'):
        TimmEncoder('test_resnet', pretrained=missing).init_weights()
    with pytest.raises(CheckpointError, match='set pretrained to weights of test_efficientnet'):
        TimmEncoder('test_efficientnet', pretrained=weights[0]).init_weights()


def test_without_network(monkeypatch):
    create = timm.create_model

    def offline(*args, pretrained=False, **kwargs):
        if pretrained:
            raise OSError('no route to host')
        return create(*args, **kwargs)

    monkeypatch.setattr(timm, 'create_model', offline)
    message = r'test_resnet cannot be loaded \(OSError: no route to host\): set pretrained to the'
    with pytest.raises(CheckpointError, match=message):
        TimmEncoder('test_resnet').init_weights()


@pytest.mark.parametrize('frozen', [0, 2, 5])
def test_frozen_stages_are_what_the_first_maps_depend_on(frozen):
    backbone = encoder(frozen_stages=frozen).train()
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    optimizer = torch.optim.SGD(
        [p for p in backbone.parameters() if p.requires_grad], lr=0.1, weight_decay=0.1
    )
    sum(x.square().mean() for x in backbone(torch.randn(2, 3, 64, 64))).backward()
    optimizer.step()
    changed = {
        name.removeprefix('model.')
        for name, value in backbone.state_dict().items()
        if name.startswith('model.') and not torch.equal(value, before[name])
    }
    stages = {'conv1', 'bn1', 'layer1', 'layer2', 'layer3', 'layer4'}
    kept = {0: set(), 2: {'conv1', 'bn1', 'layer1'}, 5: stages}[frozen]
    assert {name.partition('.')[0] for name in changed} == stages - kept
    assert any(
        not torch.equal(v, before[k]) for k, v in backbone.state_dict().items() if 'stem' in k
    )


def test_stages_of_a_network_by_hand():
    stages = encoder().parameter_stages()
    expected = dict(conv1=0, bn1=0, layer1=1, layer2=2, layer3=3, layer4=4)
    assert {name.partition('.')[0]: stage for name, stage in stages.items()} == expected
    assert len(stages) == len(list(encoder().model.parameters()))


@pytest.mark.parametrize('name', ['test_resnet', 'test_vit'])
def test_checkpointed_gradients_are_the_same(name):
    plain = encoder(name, stem_channels=()).eval()
    saving = encoder(name, stem_channels=(), with_cp=True).eval()
    saving.load_state_dict(plain.state_dict())
    x = torch.randn(1, 3, 64, 64)
    for backbone in (plain, saving):
        sum(x.square().mean() for x in backbone(x)).backward()
    for ours, theirs in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_drop_path_grows_to_the_last_stage():
    from timm.layers import DropPath

    drops = [
        m.drop_prob
        for m in encoder('test_convnext', stem_channels=(), drop_path_rate=0.3).modules()
        if isinstance(m, DropPath)
    ]
    assert drops == sorted(drops)
    assert drops[-1] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ('kwargs', 'error', 'message'),
    [
        (dict(name='resnt34'), UsageError, r"build 'resnt34' .*Unknown model.* such as resnet34"),
        (dict(name='test_resnet', model_args=dict(wings=2)), UsageError, "'wings'"),
        (dict(name='test_resnet', frozen_stages=6), ValueError, 'set a number from 0 to 5'),
        (dict(name='test_resnet', stem_channels=(4, 8)), ValueError, 'begins at stride 0.5'),
        (dict(name='test_vit', stem_channels=(8,)), ValueError, 'begins at stride 8'),
    ],
)
def test_what_does_not_fit_is_refused(kwargs, error, message):
    with pytest.raises(error, match=message):
        TimmEncoder(**kwargs)


def test_every_parameter_learns_in_a_segmentor():
    model = MODELS.build(
        dict(
            type='EncoderDecoder',
            backbone=dict(type='TimmEncoder', name='test_resnet', pretrained=False, norm_cfg=BN),
            decode_head=dict(
                type='UNetHead', in_channels=[32, 32, 32, 48, 192, 96], num_classes=3, norm_cfg=BN
            ),
        )
    )
    model(torch.randn(2, 3, 40, 56)).square().mean().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
