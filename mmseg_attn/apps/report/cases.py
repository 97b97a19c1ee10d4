"""Draw the best, median and worst images with the predictions of each group of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...visualization.drawable import drawable, loads_bgr
from .evaluation import Evaluation, Prediction
from .images import colored, error_color, errors, fit, hexadecimal, png
from .results import GroupResult

RunPrediction = tuple[str, Evaluation, Prediction]  # the name of the run comes first


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
