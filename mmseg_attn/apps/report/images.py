"""Draw the images of the page and encode them as data URIs."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from ...visualization.drawable import drawable, loads_bgr
from .evaluation import Evaluation, GroupResult, Prediction

RunPrediction = tuple[str, Evaluation, Prediction]  # the name of the run comes first

_SMALLEST, _LARGEST = 256, 640  # smallest and largest longer side of an image, in pixels
_ERROR_COLORS = (213, 94, 0), (230, 0, 150), (0, 90, 255)  # candidates
_DISTINCT = 90  # smallest distance of two colors in RGB
_PALE = 0.35  # opacity of the image behind the errors


@dataclass
class PageImage:
    """An image of the page, with its caption and alternative text."""

    uri: str
    alt: str
    caption: str = ''


@dataclass
class Case:
    """One image of the set.

    Attributes:
        kind: 'best', 'median' or 'worst'.
        name: The name of the file.
        score: Mean IoU over the classes of its ground truth, in percent; the mean over the groups.
        image: The image and its ground truth.
        predictions: Prediction and errors of every group.
        legend: The classes that occur and the errors, each with its color.
    """

    kind: str
    name: str
    score: float
    image: tuple[PageImage, PageImage]
    predictions: list[tuple[PageImage, PageImage]]
    legend: list[tuple[str, str]]


def cases(groups: Sequence[GroupResult], number: int) -> list[Case]:
    """Draw the best, the median and the worst images.

    Groups with the classes of the first group are compared on the images that all of them have
    predicted. If there are none, the images of the first group are drawn. If several runs of a
    group have predicted an image, the prediction of the first run is shown.

    Args:
        groups: The groups.
        number: The number of images of each kind.
    """
    predicted = [(group, _by_path(group)) for group in groups if group.evaluations]
    if not predicted:
        return []
    classes = predicted[0][0].evaluations[0].classes
    predicted = [
        (group, images) for group, images in predicted if group.evaluations[0].classes == classes
    ]
    common = [path for path in predicted[0][1] if all(path in images for _, images in predicted)]
    if not common:
        predicted = predicted[:1]
        common = list(predicted[0][1])
    scores = {
        path: float(np.mean([images[path][2].score for _, images in predicted])) for path in common
    }
    return [
        _case(kind, path, scores[path], [(group, images[path]) for group, images in predicted])
        for kind, paths in choose(scores, number).items()
        for path in paths
    ]


def choose(scores: Mapping[str, float], number: int) -> dict[str, list[str]]:
    """Choose the best, the median and the worst images, each image once.

    Args:
        scores: The score of every image; images with nan are left out.
        number: The largest number of images of each kind.

    Returns:
        Names by kind, the best first; the median of an even number is the lower one.
    """
    order = sorted(
        (name for name in scores if np.isfinite(scores[name])), key=lambda n: (-scores[n], n)
    )
    best = order[:number]
    worst = order[max(len(best), len(order) - number) :]
    between = order[len(best) : len(order) - len(worst)]
    begin = max(0, -(-(len(between) - number) // 2))
    return dict(best=best, median=between[begin : begin + number], worst=worst)


def _by_path(group: GroupResult) -> dict[str, RunPrediction]:
    predictions: dict[str, RunPrediction] = {}
    for result in group.results:
        for image in result.evaluation.images if result.evaluation else ():
            predictions.setdefault(image.path, (result.run.name, result.evaluation, image))
    return predictions


def _case(
    kind: str, path: str, score: float, predicted: Sequence[tuple[GroupResult, RunPrediction]]
) -> Case:
    name = Path(path).name
    _, evaluation, prediction = predicted[0][1]
    item = evaluation.dataset[prediction.index]
    truth = item['data_samples'].gt_sem_seg.data.squeeze(0).numpy()
    image = np.moveaxis(item['inputs'].numpy(), 0, -1)
    image = fit(drawable(image, bgr=loads_bgr(evaluation.dataset)), truth.shape)
    fractions = _fractions(prediction.counts.sum(axis=1), evaluation.classes)
    image_and_truth = (
        PageImage(png(image, smooth=True), f'Input image {name}', 'image'),
        PageImage(
            png(colored(truth, evaluation.palette, image)),
            f'Ground truth of {name}: {fractions}',
            'ground truth',
        ),
    )
    several = len(predicted) > 1
    predictions = [
        _draw_prediction(group, *run, name, truth, image, several=several)
        for group, run in predicted
    ]
    counts = sum(prediction.counts for _, (_, _, prediction) in predicted)
    occurring = np.flatnonzero(counts.sum(axis=0) + counts.sum(axis=1))
    legend = [(evaluation.classes[i], hexadecimal(evaluation.palette[i])) for i in occurring]
    legend.append(('error', hexadecimal(error_color(evaluation.palette))))
    return Case(kind, name, score, image_and_truth, predictions, legend)


def _draw_prediction(
    group: GroupResult,
    run: str,
    evaluation: Evaluation,
    prediction: Prediction,
    name: str,
    truth: np.ndarray,
    image: np.ndarray,
    *,
    several: bool,
) -> tuple[PageImage, PageImage]:
    """Draw the prediction and the errors of a group, with its name if there are ``several``."""
    labels, classes, runs = prediction.unpacked(), evaluation.classes, len(group.results) > 1
    model = ' '.join([group.group.name] * (several or not runs) + [run] * runs)
    label = f'{model}: ' if several or runs else ''
    fractions = _fractions(prediction.counts.sum(axis=0), classes)
    return (
        PageImage(
            png(colored(labels, evaluation.palette, image)),
            f'Prediction of {model} for {name}: {fractions}',
            f'{label}prediction' + (f', IoU {prediction.score:.1f}\xa0%' if several else ''),
        ),
        PageImage(
            png(errors(truth, labels, evaluation.palette, image)),
            f'Errors of {model} in {name}: {prediction.wrong:.1f} % of the labeled pixels',
            f'{label}errors, {prediction.wrong:.1f}\xa0%',
        ),
    )


def _fractions(pixels: np.ndarray, classes: Sequence[str]) -> str:
    """Describe the classes by their percentage of the pixels, the largest first."""
    order = np.argsort(-pixels, kind='stable')
    total = max(pixels.sum(), 1)
    return ', '.join(f'{classes[i]} {100 * pixels[i] / total:.0f} %' for i in order if pixels[i])


def fit(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize an image to the height and width of its label map."""
    if image.shape[:2] == shape:
        return image
    return np.asarray(Image.fromarray(np.ascontiguousarray(image)).resize(shape[::-1]))


def colored(labels: np.ndarray, palette: Sequence[Sequence[int]], image: np.ndarray) -> np.ndarray:
    """Color a label map, and show the image at pixels without a label.

    Args:
        labels: The label map (H, W).
        palette: Colors of the classes, RGB.
        image: The image (H, W, 3).
    """
    pixels, labeled = image.copy(), labels < len(palette)
    pixels[labeled] = np.asarray(palette, dtype=np.uint8)[labels[labeled]]
    return pixels


def errors(
    truth: np.ndarray, labels: np.ndarray, palette: Sequence[Sequence[int]], image: np.ndarray
) -> np.ndarray:
    """Mark the labeled pixels with a wrong prediction on a pale image.

    Args:
        truth: The ground truth (H, W).
        labels: The predicted labels (H, W).
        palette: Colors of the classes, RGB; labels beyond are ignored.
        image: The image (H, W, 3).
    """
    pixels = (255 - _PALE * (255 - image.astype(np.float32))).astype(np.uint8)
    pixels[(truth != labels) & (truth < len(palette))] = error_color(palette)
    return pixels


def error_color(palette: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """Choose the first candidate that differs from the class colors, or the most distant."""

    def distance(color: Sequence[int]) -> float:
        return min(np.linalg.norm(np.subtract(color, other)) for other in palette)

    distinct = (color for color in _ERROR_COLORS if distance(color) >= _DISTINCT)
    return next(distinct, max(_ERROR_COLORS, key=distance))


def hexadecimal(color: Sequence[int]) -> str:
    """Format a color for CSS."""
    return '#{:02x}{:02x}{:02x}'.format(*color)


def png(pixels: np.ndarray, *, smooth: bool = False) -> str:
    """Encode an image as a data URI; a small one is enlarged, a large one reduced.

    Args:
        pixels: The image (H, W, 3).
        smooth: Whether to interpolate values; labels must not be interpolated.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    longer = max(image.size)
    scale = max(1, _SMALLEST // longer) if longer < _LARGEST else _LARGEST / longer
    size = [max(1, round(side * scale)) for side in image.size]
    resampling = Image.LANCZOS if smooth and scale < 1 else Image.NEAREST
    stream = io.BytesIO()
    image.resize(size, resampling).save(stream, format='PNG', optimize=True)
    return _data_uri(stream.getvalue())


def figure_uri(figure: Figure) -> str:
    """Encode a figure as a data URI."""
    stream = io.BytesIO()
    figure.savefig(stream, format='png', metadata={'Software': None})
    return _data_uri(stream.getvalue())


def _data_uri(data: bytes) -> str:
    return f'data:image/png;base64,{base64.b64encode(data).decode()}'
