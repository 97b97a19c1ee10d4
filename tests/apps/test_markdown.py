"""Tables in Markdown."""

from mmseg_attn.apps.markdown import md_table


def test_a_cell_stays_one_cell():
    text = md_table(('class', 'IoU'), [('a|b', 1), ('two\nlines', None)])
    assert text.splitlines() == [
        '| class | IoU |',
        '| --- | --- |',
        r'| a\|b | 1 |',
        '| two lines | None |',
    ]


def test_without_rows_the_header_is_left():
    assert md_table(['x'], []) == '| x |\n| --- |'
