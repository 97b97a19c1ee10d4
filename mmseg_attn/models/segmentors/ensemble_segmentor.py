"""Predict with the mean of the probabilities of several models, such as those of cross-validation.

Source: Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep
Ensembles" (arXiv 1612.01474): with the probabilities p_m of M models,

    p = (p_1 + ... + p_M) / M

Each p_m is what the model predicts alone: of all its windows, and at the size of the image. The
logarithm of the mean takes the place of the logits (for a head with one channel, as MMSegmentation
has it, the mean itself), so that everything that reads predictions works with ensembles.
"""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.models.segmentors.base import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from ...compat.checkpoint import load_file
from ...config_types import class_of
from ...errors import CheckpointError, UsageError
from ..label_rule import LabelRule, class_logits, stored_probabilities
from .large_image_encoder_decoder import LargeImageEncoderDecoder
from .settings import swaps_colors

EPS = torch.finfo(torch.float32).tiny


@MODELS.register_module()
class EnsembleSegmentor(LargeImageEncoderDecoder):
    """Average the probabilities of models with the same classes and the same preprocessing.

    It predicts, tests and is exported like its first model, whose ``test_cfg`` counts. It is not
    trained. Tools that need a checkpoint take one of ``checkpoints``, which changes nothing.

    Args:
        models: Config of the models, or one config per checkpoint.
        checkpoints: The checkpoint file of each model.
        data_preprocessor: Config of the preprocessing of models whose configs have none.
        pretrained: Only ``None``, which MMSegmentation's ``init_model`` sets.
        train_cfg: Only ``None``, as ``pretrained``.

    Raises:
        UsageError: If there is no checkpoint, the numbers of models and checkpoints differ, or the
            models differ in their classes or their preprocessing.
        CheckpointError: If a checkpoint cannot be read or does not fit its model.
    """

    members: Any  # a ModuleList of segmentors

    def __init__(
        self,
        models: dict | Sequence[dict],
        checkpoints: Sequence[str],
        *,
        data_preprocessor: dict | None = None,
        pretrained: None = None,
        train_cfg: None = None,
    ):
        configs = [models] * len(checkpoints) if isinstance(models, dict) else list(models)
        if data_preprocessor is not None:
            configs = [dict(dict(data_preprocessor=data_preprocessor), **cfg) for cfg in configs]
        if not checkpoints or len(configs) != len(checkpoints):
            raise UsageError(
                f'EnsembleSegmentor has {len(configs)} models and {len(checkpoints)} checkpoints: '
                'list one checkpoint for each model'
            )
        large = LargeImageEncoderDecoder  # predicts the same, with all that test_cfg can say
        configs = [
            dict(cfg, type=large) if class_of(cfg, MODELS) is EncoderDecoder else cfg
            for cfg in configs
        ]
        members = nn.ModuleList(map(MODELS.build, configs))
        first: Any = members[0]
        BaseSegmentor.__init__(self, data_preprocessor=first.data_preprocessor)
        self.members = members
        self.checkpoints = [str(path) for path in checkpoints]
        self.test_cfg = first.test_cfg
        names: dict[tuple[str, ...], str] = {}  # the first checkpoint of each list of classes
        for member, path in zip(self.members, self.checkpoints, strict=True):
            self._check(member, path)
            member.test_cfg = first.test_cfg
            classes = _load(member, path)
            if classes:
                names.setdefault(classes, path)
        if len(names) > 1:
            (one, first_path), (other, path) = list(names.items())[:2]
            raise UsageError(
                f'{path} has the classes {", ".join(other)}, but {first_path} has '
                f'{", ".join(one)}: use models with the same classes in the same order'
            )
        self._thresholds = [LabelRule.of(member).threshold for member in self.members]
        self.share_threshold()
        self.keep_disagreement = False
        self._register_load_state_dict_pre_hook(self._take_a_checkpoint)

    def _check(self, member: Any, path: str) -> None:
        """Check that a model can be averaged with the first one."""
        first: Any = self.members[0]
        if type(member).inference is not EncoderDecoder.inference:
            raise UsageError(
                f'the model of {path} is a {type(member).__name__}, which predicts in its own way: '
                'use an ensemble of EncoderDecoder or LargeImageEncoderDecoder'
            )
        if member.out_channels != first.out_channels:
            raise UsageError(
                f'the model of {path} has {member.out_channels} output channels, but that of '
                f'{self.checkpoints[0]} has {first.out_channels}: use models with the same classes'
            )
        if _preprocessing(member) != _preprocessing(first):
            raise UsageError(
                f'the model of {path} has another data_preprocessor than that of '
                f'{self.checkpoints[0]}: use models that were trained with the same mean, std and '
                'channel order'
            )

    def share_threshold(self) -> None:
        """Give all models the mean of their thresholds, if they have one output channel.

        A pixel is of class 1 where the mean of the probabilities exceeds it.
        """
        thresholds = [LabelRule.of(member).threshold for member in self.members]
        known = [threshold for threshold in thresholds if threshold is not None]
        for member in self.members if known else ():
            last_head(member).threshold = statistics.fmean(known)

    def separate_thresholds(self) -> None:
        """Give each model its own threshold again, before a temperature changes it."""
        for member, threshold in zip(self.members, self._thresholds, strict=True):
            if threshold is not None:
                last_head(member).threshold = threshold

    @property
    def backbone(self) -> nn.Module:
        """The backbone of the first model."""
        return self.members[0].backbone

    @property
    def decode_head(self) -> nn.Module:
        """The decode head of the first model."""
        return self.members[0].decode_head

    def __getattr__(self, name: str) -> Any:
        if name in ('align_corners', 'num_classes', 'out_channels', 'auxiliary_head', 'neck'):
            return getattr(self.members[0], name)
        return super().__getattr__(name)

    def predict(
        self, inputs: Tensor, data_samples: list[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Predict labels, and the mean of the probabilities in place of logits.

        As in ``LargeImageEncoderDecoder``, only labels are kept of sliding windows, unless
        ``test_cfg.keep_logits`` is set. With ``keep_disagreement``, the samples also have
        ``disagreement`` (1, H, W): the mutual information of label and model in nats, which is the
        entropy of the mean minus the mean of the models' entropies.

        Args:
            inputs: Preprocessed images ``(N, C, H, W)``.
            data_samples: One sample per image, or ``None``.
        """
        samples = data_samples or [SegDataSample() for _ in inputs]
        if self.in_bands(inputs, samples) and not self.keep_disagreement:
            return super().predict(inputs, data_samples)
        metas = [sample.metainfo for sample in samples]
        if data_samples is None:
            shapes = dict.fromkeys(('ori_shape', 'img_shape', 'pad_shape'), inputs.shape[2:])
            metas = [dict(shapes) for _ in samples]
        means: list[_Mean] = [_Mean() for _ in samples]
        for member in self.members:  # one after the other, so that memory does not grow with them
            copies = [SegDataSample(metainfo=meta) for meta in metas]
            predicted = member.postprocess_result(member.inference(inputs, metas), copies)
            for mean, sample in zip(means, predicted, strict=True):
                mean.add(stored_probabilities(sample.seg_logits.data))
        rule = LabelRule.of(self)
        for sample, mean in zip(samples, means, strict=True):
            p, count = mean.probabilities / len(self.members), len(self.members)
            if rule.channels == 1:
                stored, labels = p[1:], rule.above(p[1:]).to(p)
            else:
                stored, labels = p.clamp(EPS).log(), p.argmax(dim=0, keepdim=True)
            values = dict(seg_logits=PixelData(data=stored), pred_sem_seg=PixelData(data=labels))
            if self.keep_disagreement:
                shared = (entropy_of(p[None])[0] - mean.entropy / count).clamp(min=0)
                values['disagreement'] = PixelData(data=shared)
            sample.set_data(values)
        return samples

    def in_bands(self, inputs: Tensor, samples: Sequence[SegDataSample]) -> bool:
        """Tell whether only labels are kept, band by band; cascades predict whole images."""
        large = all(isinstance(member, LargeImageEncoderDecoder) for member in self.members)
        return large and super().in_bands(inputs, samples)

    def encode_decode(self, inputs: Tensor, batch_img_metas: list[dict]) -> Tensor:
        """Compute the logits of the mean of the probabilities in a window.

        Args:
            inputs: Preprocessed images ``(N, C, H, W)``.
            batch_img_metas: Meta data of each image.

        Returns:
            Logits ``(N, out_channels, H, W)``, float32 or more precise.
        """
        return self._average(
            member.encode_decode(inputs, batch_img_metas) for member in self.members
        )

    def _forward(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> Tensor:
        """Compute the logits of the mean at the size of the heads' output."""
        return self._average(member._forward(inputs, data_samples) for member in self.members)

    def bands(self, inputs: Any, metas: Sequence[dict]) -> Iterator[Tensor]:
        """Yield the logits of the mean of bands of complete rows, from the top."""
        members = [member.bands(inputs, metas) for member in self.members]
        for bands in zip(*members, strict=True):
            yield self._average(bands)

    def _average(self, members: Iterable[Tensor]) -> Tensor:
        """Return the logits of the mean of the probabilities."""
        total = None
        for logits in members:
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            p = class_logits(logits).softmax(1)
            total = p if total is None else total + p
        assert total is not None  # there is a member
        logits = (total / len(self.members)).clamp(EPS).log()
        return logits if self.out_channels > 1 else logits[:, 1:] - logits[:, :1]

    def _take_a_checkpoint(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Accept the checkpoint of a member in place of the ensemble's own."""
        own = {f'{prefix}{key}': value for key, value in self.state_dict().items()}
        if state_dict.keys() & own.keys():
            return
        for member in self.members:
            weights = {
                f'{prefix}{key}': value
                for key, value in member.state_dict().items()
                if not key.startswith('auxiliary_head')
            }
            if all(
                key in state_dict and torch.equal(value, state_dict[key].to(value.device))
                for key, value in weights.items()
            ):
                state_dict.clear()
                state_dict.update(own)
                return
        raise CheckpointError(
            'the checkpoint is none of those of the ensemble: name one of them, such as '
            f'{self.checkpoints[0]}'
        )

    def loss(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse training.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            'EnsembleSegmentor cannot be trained: train its models, each with its own config'
        )


def last_head(segmentor: Any) -> Any:
    """Return the decode head of a segmentor; of a cascade, the last one."""
    head = segmentor.decode_head
    return head[-1] if isinstance(head, nn.ModuleList) else head


class _Mean:
    """Sum the probabilities of an image, (C, H, W), and their entropies, (1, H, W)."""

    probabilities: Any = 0
    entropy: Any = 0

    def add(self, p: Tensor) -> None:
        self.probabilities = self.probabilities + p
        self.entropy = self.entropy + entropy_of(p[None])[0]


def entropy_of(probabilities: Tensor) -> Tensor:
    """Compute the entropy in nats: ``(N, C, H, W)`` to ``(N, 1, H, W)``."""
    return torch.special.entr(probabilities).sum(dim=1, keepdim=True)


def _load(member: nn.Module, path: str) -> tuple[str, ...]:
    """Load all weights of a model, except those of auxiliary heads; return the saved classes."""
    content = load_file(path, 'cpu')
    weights = content.get('state_dict', content) if isinstance(content, dict) else {}
    weights = {key.removeprefix('module.'): value for key, value in weights.items()}
    try:
        missing, _ = member.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise CheckpointError(
            f'{path} does not fit its model: {error}; name another one'
        ) from error
    needed = [key for key in missing if not key.startswith('auxiliary_head')]
    if needed:
        raise CheckpointError(
            f'{path} does not fit its model: it lacks {len(needed)} of its weights, such as '
            f'{needed[0]}; name a checkpoint of this model'
        )
    meta = content.get('meta')
    saved = meta.get('dataset_meta') if isinstance(meta, dict) else None
    return tuple(map(str, (saved or {}).get('classes') or ()))


def _preprocessing(member: Any) -> tuple:
    """Return what the preprocessor of a model does to the values of an image."""
    preprocessor = member.data_preprocessor
    values = [getattr(preprocessor, name, None) for name in ('mean', 'std')]
    listed = [None if value is None else value.flatten().tolist() for value in values]
    return (*listed, swaps_colors(preprocessor))
