from mmseg_attn.apps.convert import class_table, split_table


def test_tables():
    folds = {'fold0': dict(train=['a'] * 192, val=['b'] * 64, test=['c'] * 64)}
    assert split_table(folds) == 'split  train  val  test\nfold0    192   64    64'
    assert class_table(('cat', 'elephant'), (1, 799)) == (
        'class     pixels  percent\ncat            1     0.12\nelephant     799    99.88'
    )
