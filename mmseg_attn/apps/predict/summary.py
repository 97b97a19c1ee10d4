"""Summarize a run, and warn about possible mistakes."""

from pathlib import Path

from ...io import counted
from ..convert import class_table
from .predictor import Predictor
from .results import Results
from .run import Predictions

ALMOST_ALL = 0.99  # of the pixels


def summarize(out: Path, predictions: Predictions, results: Results, *, option: str | None) -> str:
    """Summarize a run.

    Args:
        out: The output folder.
        predictions: The outcome of the run.
        results: The results, with the pixels per class.
        option: The option that set the values that become 0 and 255; ``None`` without one.
    """
    lines = [f'{out}: masks, overlays and pixels.csv of {counted(len(predictions.done), "file")}']
    if predictions.slices > len(predictions.done):
        lines[0] += f' with {counted(predictions.slices, "slice")}'
    mapped = [mapping for _, mapping in predictions.done.values() if mapping]
    if mapped:
        windows = sorted({f'{low:g} to {high:g}' for (low, high), _ in mapped})
        more = f' and {counted(len(windows) - 3, "more window")}' if len(windows) > 3 else ''
        outside = max(mapping.outside for mapping in mapped)
        lines.append(
            f'{counted(len(mapped), "file")} of more than 8 bits: {", ".join(windows[:3])}{more} '
            f'became 0 to 255, {f"as set with {option}" if option else "as in training"}; '
            + (f'at most {outside:.2%}' if outside else 'none')
            + ' of the pixels of a file lie outside'
        )
    if predictions.made_gray:
        lines.append(
            f'{counted(predictions.made_gray, "color image")} converted to gray for the model'
        )
    if predictions.cut:
        lines.append(
            f'{counted(predictions.cut, "image")} with more channels than the model takes; the '
            'loader of the config dropped the others'
        )
    if predictions.without_area:
        lines.append(f'{counted(predictions.without_area, "file")} without a pixel size: no area')
    return '\n'.join([*lines, '', class_table(results.classes, results.pixels.tolist())])


def collect_warnings(
    predictions: Predictions, results: Results, predictor: Predictor, *, option: str | None
) -> list[str]:
    """Return a warning, one sentence, for each possible mistake of the user.

    Args:
        predictions: The outcome of the run.
        results: The results, with the pixels per class.
        predictor: The model.
        option: As in :func:`summarize`.
    """
    warnings = []
    any_values = predictor.color_type == 'unchanged'
    for note, files in sorted(predictions.notes.items()):
        more = f' and {counted(len(files) - 1, "other file")}' if files[1:] else ''
        warnings.append(f'{files[0]}{more}: {note}')
    if getattr(predictor, 'shrunk', 0):
        warnings.append(
            f'--window had no effect on {counted(predictor.shrunk, "image")}: the pipeline of the '
            'config resizes images to fit into one window; remove Resize from its test pipeline if '
            'the model was trained on images of their scale'
        )
    as_stored = sum(mapping is None for _, mapping in predictions.done.values())
    if option and as_stored:
        why = 'the model takes values as stored' if any_values else 'the values have 8 bits'
        warnings.append(f'{option} changed nothing in {counted(as_stored, "file")}: {why}')
    if (
        predictions.medical
        and not any_values
        and not hasattr(predictor.dataset, 'intensity_window')
    ):
        warnings.append(
            f'{counted(predictions.medical, "NIfTI or DICOM file")} for a model that was trained '
            f'on other images ({predictor.dataset.__name__}): check overlays/ before you use masks/'
        )
    if getattr(predictor, 'far', 0):
        warnings.append(
            f'{counted(predictor.far, "image")} with values far from mean and std of '
            'data_preprocessor, so the model was trained on other values: convert the files to the '
            'range of the training images'
        )
    fraction = results.pixels.max() / max(results.pixels.sum(), 1)
    if fraction > ALMOST_ALL and len(results.classes) > 1:
        warnings.append(
            f'{fraction:.1%} of all pixels are {results.classes[results.pixels.argmax()]}: if you '
            'do not expect that, check overlays/; the files may differ from the training images in '
            'type, scale or intensities'
        )
    return warnings
