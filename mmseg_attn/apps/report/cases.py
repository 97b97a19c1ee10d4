"""The best, median and worst images, with what each group of runs makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...visualization.drawable import loads_bgr
from .evaluation import Evaluation, Predicted
from .pictures import color_of_mistakes, colored, errors, fit, hexadecimal, image_of, png
from .result import GroupResult
from .scores import choose

Found = tuple[str, Evaluation, Predicted]  # the name of the run comes first


@dataclass
class Shown:
    """A picture with the line below it, and what those hear who cannot see it."""

    uri: str
    caption: str
    alt: str


@dataclass
class Case:
    """An image of the set.

    Attributes:
        kind: 'best', 'median' or 'worst'.
        name: Its file.
        score: Mean IoU over the classes that it has, percent; the mean over the groups.
        given: The image and its ground truth.
        made: Prediction and errors of every group.
        legend: The classes that occur, and mistakes, with their colors.
    """

    kind: str
    name: str
    score: float
    given: tuple[Shown, Shown]
    made: list[tuple[Shown, Shown]]
    legend: list[tuple[str, str]]


def cases(groups: Sequence[GroupResult], number: int) -> list[Case]:
    """Draw images of each kind.

    Images that all groups with the classes of the first have predicted are compared, where there
    are some; else those of the first group are drawn. Of several runs that have predicted an image,
    the first one counts.

    Args:
        groups: Those with predictions.
        number: How many images of each kind.
    """
    found = [(each, _by_path(each)) for each in groups if each.evaluations]
    if not found:
        return []
    classes = found[0][0].evaluations[0].classes
    found = [each for each in found if each[0].evaluations[0].classes == classes]
    shared = [path for path in found[0][1] if all(path in images for _, images in found)]
    if not shared:
        found = found[:1]
        shared = list(found[0][1])
    scores = {
        path: float(np.mean([images[path][2].score for _, images in found])) for path in shared
    }
    return [
        _case(kind, path, scores[path], [(group, images[path]) for group, images in found])
        for kind, paths in choose(scores, number).items()
        for path in paths
    ]


def _by_path(group: GroupResult) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for result in group.results:
        for image in result.evaluation.images if result.evaluation else ():
            found.setdefault(image.path, (result.run.name, result.evaluation, image))
    return found


def _case(kind: str, path: str, score: float, found: Sequence[tuple[GroupResult, Found]]) -> Case:
    name = Path(path).name
    _, evaluation, predicted = found[0][1]
    item = evaluation.dataset[predicted.index]
    truth = item['data_samples'].gt_sem_seg.data.squeeze(0).numpy()
    image = fit(image_of(item, bgr=loads_bgr(evaluation.dataset)), truth.shape)
    drawn = colored(truth, evaluation.palette, image)
    shares = _shares(predicted.counts.sum(axis=1), evaluation.classes)
    given = (
        Shown(png(image, smooth=True), 'image', f'Image {name}'),
        Shown(png(drawn), 'ground truth', f'Ground truth of {name}: {shares}'),
    )
    made = [_made(group, *each, name, truth, image, len(found) > 1) for group, each in found]
    counts = sum(each.counts for _, (_, _, each) in found)
    seen = counts.sum(axis=0) + counts.sum(axis=1) > 0
    legend = [
        (evaluation.classes[i], hexadecimal(evaluation.palette[i])) for i in np.flatnonzero(seen)
    ]
    legend.append(('error', hexadecimal(color_of_mistakes(evaluation.palette))))
    return Case(kind, name, score, given, made, legend)


def _made(
    group: GroupResult,
    run: str,
    evaluation: Evaluation,
    predicted: Predicted,
    name: str,
    truth: np.ndarray,
    image: np.ndarray,
    named: bool,
) -> tuple[Shown, Shown]:
    """Prediction and errors of a group, whose name is said if ``named``."""
    labels, classes = predicted.unpacked(), evaluation.classes
    several = len(group.results) > 1
    who = ' '.join([group.group.name] * (named or not several) + [run] * several)
    label = f'{who}: ' if named or several else ''
    shares = _shares(predicted.counts.sum(axis=0), classes)
    return (
        Shown(
            png(colored(labels, evaluation.palette, image)),
            f'{label}prediction' + (f', IoU {predicted.score:.1f}\xa0%' if named else ''),
            f'Prediction of {who} for {name}: {shares}',
        ),
        Shown(
            png(errors(truth, labels, evaluation.palette, image)),
            f'{label}errors, {predicted.wrong:.1f}\xa0%',
            f'Errors of {who} in {name}: {predicted.wrong:.1f} % of the labeled pixels',
        ),
    )


def _shares(pixels: np.ndarray, classes: Sequence[str]) -> str:
    """Classes and their shares, the largest first."""
    order = np.argsort(-pixels, kind='stable')
    total = max(pixels.sum(), 1)
    return ', '.join(f'{classes[i]} {100 * pixels[i] / total:.0f} %' for i in order if pixels[i])
