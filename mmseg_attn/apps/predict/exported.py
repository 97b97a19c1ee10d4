"""Make the network of a prediction, with a description of its input and output, for a file."""

from mmengine.config import Config

from ...datasets.nested_datasets import nested_datasets
from ...evaluation.input_shape import channels
from ..export import PixelsToLogits, describe
from .predictor import Predictor


def exportable(predictor: Predictor, cfg: Config, *, name: str) -> tuple[PixelsToLogits, dict]:
    """Return the network from pixels to logits, and its description.

    Args:
        predictor: The model.
        cfg: Its config.
        name: The name of the config, for the description.

    Raises:
        ExportError: If the model or the loader of the config cannot be exported.
    """
    *_, dataset = nested_datasets(cfg.test_dataloader.dataset)
    loader = predictor.loader
    color_type = loader.transform.color_type if loader.bgr else 'unchanged'
    module = PixelsToLogits(
        predictor.model,
        in_channels=channels(cfg),
        color_type=predictor.color_type,
        bgr=loader.bgr and not color_type.startswith('gray'),
    )
    description = describe(
        module,
        config=name,
        steps=dataset.pipeline,
        classes=predictor.classes,
        palette=predictor.palette,
        loader=dict(color_type=color_type, imdecode_backend=loader.backend),
        temperatures=predictor.temperatures,
    )
    return module, description
