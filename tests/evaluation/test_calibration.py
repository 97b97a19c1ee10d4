"""Tables of reliability by hand."""

import torch

from mmseg_attn.evaluation.calibration import reliability_tables


def test_a_table_for_the_predicted_class_and_one_for_each_class():
    p = torch.tensor([[0.75, 0.25, 0.25], [0.25, 0.75, 0.75]])
    labels, predicted = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])
    tables = reliability_tables(p, labels, predicted, bins=2)
    assert tables.tolist() == [
        [[0, 3], [0, 2], [0, 2.25]],  # pixels, right ones, and sum of 0.75, 0.75, 0.75
        [[2, 1], [1, 1], [0.5, 0.75]],  # class 0: 0.25 (right and wrong), and 0.75 (right)
        [[1, 2], [0, 1], [0.25, 1.5]],
    ]
