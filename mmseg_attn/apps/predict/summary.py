"""What a run has done, in words and numbers, and what in it looks wrong."""

from pathlib import Path

from ...io import counted
from ..convert import class_table
from .predictor import Predictor
from .results import Results
from .run import Report

ALMOST_ALL = 0.99  # of the pixels


def summarize(out: Path, report: Report, results: Results, *, option: str | None) -> str:
    """What was done.

    Args:
        out: The folder of the results.
        report: What became of the files.
        results: The pixels per class.
        option: The argument with which the user has said what becomes 0 and 255, if any.
    """
    lines = [f'{out}: masks, overlays and pixels.csv of {counted(len(report.done), "file")}']
    if report.slices > len(report.done):
        lines[0] += f' with {counted(report.slices, "slice")}'
    mapped = [mapping for _, mapping in report.done.values() if mapping]
    if mapped:
        windows = sorted({f'{low:g} to {high:g}' for (low, high), _ in mapped})
        more = f' and {counted(len(windows) - 3, "more window")}' if len(windows) > 3 else ''
        outside = max(mapping.outside for mapping in mapped)
        lines.append(
            f'{counted(len(mapped), "file")} of more than 8 bits: {", ".join(windows[:3])}{more} '
            f'became 0 to 255, {"as you said" if option else "as in training"}; outside lies '
            + (f'at most {outside:.2%} of a file' if outside else 'nothing')
        )
    if report.made_gray:
        lines.append(f'{counted(report.made_gray, "color picture")} turned gray for the model')
    if report.cut:
        lines.append(
            f'{counted(report.cut, "image")} of more channels than the model takes, which the '
            "config's loader left out"
        )
    if report.without_area:
        lines.append(f'{counted(report.without_area, "file")} without the size of a pixel: no area')
    return '\n'.join([*lines, '', class_table(results.classes, results.pixels.tolist())])


def doubts(
    report: Report, results: Results, predictor: Predictor, *, option: str | None
) -> list[str]:
    """What the user may have meant otherwise, a sentence each.

    Args:
        report: What became of the files.
        results: The pixels per class.
        predictor: The model.
        option: As of :func:`summarize`.
    """
    found = []
    any_values = predictor.color_type == 'unchanged'
    for note, files in sorted(report.notes.items()):
        more = f' and {counted(len(files) - 1, "other file")}' if files[1:] else ''
        found.append(f'{files[0]}{more} {note}')
    if getattr(predictor, 'shrunk', 0):
        found.append(
            f'--window had no effect on {counted(predictor.shrunk, "image")}: the pipeline of the '
            'config resizes them to fit into one window; take Resize out of its test pipeline if '
            'the model was trained on images of their scale'
        )
    as_stored = sum(mapping is None for _, mapping in report.done.values())
    if option and as_stored:
        why = 'the model takes values as stored' if any_values else 'it is for more than 8 bits'
        found.append(f'{option} changed nothing in {counted(as_stored, "file")}: {why}')
    if report.medical and not any_values and not hasattr(predictor.dataset, 'intensity_window'):
        found.append(
            f'{counted(report.medical, "NIfTI or DICOM file")} for a model that was trained on '
            f'other images ({predictor.dataset.__name__}): look at overlays/ before you use masks/'
        )
    if getattr(predictor, 'far', 0):
        found.append(
            f'{counted(predictor.far, "image")} with values far from mean and std of '
            'data_preprocessor: the model was trained on others; convert the files to the range of '
            'the training images'
        )
    share = results.pixels.max() / results.pixels.sum()
    if share > ALMOST_ALL and len(results.classes) > 1:
        found.append(
            f'{share:.1%} of all pixels are {results.classes[results.pixels.argmax()]}: unless you '
            'expect that, look at overlays/; files may differ from the training images in kind, '
            'scale or intensities'
        )
    return found
