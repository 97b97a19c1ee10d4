"""A small seeded ssTEM set in the layout of ``tools/dataset_converters/drosophila.py``."""

from pathlib import Path

from tools.dataset_converters import drosophila, synthetic_sstem


def make(folder: Path) -> Path:
    """Write two synthetic slices of 128x128, cut into eight crops of 64x64 and five folds."""
    synthetic_sstem.main([str(folder / 'stack'), '--slices', '2', '--size', '128'])
    (folder / 'stack/conversion.json').unlink()  # it stands for the real one
    out = folder / 'drosophila'
    drosophila.main([str(folder / 'stack'), '--out', str(out), '--crop-size', '64'])
    return out
