"""Records of runs, by hand."""

from typing import Any

from mmseg_attn.apps.runs import Record


def make_record(**changes: Any) -> Record:
    """Make the record of a run with two classes and two images."""
    content = dict(
        config='a/unet_1xb4-600i_cells-64x64',
        options={'model.decode_head.window_size': 3},
        config_hash='0123456789abcdef',
        fold=0,
        seed=0,
        split='test',
        measured='best',
        checkpoint='best_mIoU_iter_400.pth',
        metrics={'mIoU': 47.62, 'mean_loss': 0.25},
        classes=['wall', 'cell'],
        images={
            '1.png': [[2, 4], [3, 5], [3, 5]],
            '2.png': [[1, 0], [1, 1], [2, 0]],
        },
        parameters=1_000_000,
        flops=2_000_000_000,
        seconds=dict(training=600.0, test=6.0, iteration=0.25),
        memory=None,
        resumed=0,
        date='2026-01-02',
        machine=dict(CPU='Some CPU', cores=2, threads=1),
        versions=dict(Python='3.11.7', torch='2.13.0'),
        code={},
        command='python tools/reproduce.py cells',
    )
    return Record(**content | changes)
