"""The plot of a table from records by hand."""

from dataclasses import replace

from mmseg_attn.apps.reproduce import plot


def test_the_plot_has_dots_for_folds_their_mean_and_the_papers_figure_as_a_line(table, results):
    rows = results({'U-Net': {(0, 0): [40], (1, 0): [52], (2, 0): [46]}, 'LFA': {(0, 0): [60]}})
    rows[0].plan.row = replace(table.rows[0], paper=(45.0,))
    table = replace(table, rows=(rows[0].row, *table.rows[1:]))
    (panel,) = plot(table, rows).axes
    drawn = [(*map(list, line.get_data()), line.get_linestyle()) for line in panel.lines]
    assert ([45, 45], [-0.4, 0.4], '-') in drawn
    assert ([40, 52, 46], [0, 0, 0], 'None') in drawn
    assert ([46], [0], 'None') in drawn
    assert ([60], [1], 'None') in drawn
    fills = {tuple(line.get_xdata()): line.get_markerfacecolor() for line in panel.lines}
    assert (fills[(46,)], fills[(60,)]) == ('C0', 'white')  # two folds of LFA are missing
