import errno
import re
import sys

import pytest

from mmseg_attn.apps import cli
from mmseg_attn.apps.cli import (
    check_output,
    load_config,
    print_table,
    progress,
    run_cli,
    usable_device,
)
from mmseg_attn.errors import CheckpointError, DataError, UsageError


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (DataError('x.png is bad'), 'error: x.png is bad'),
        (DataError('y.png is bad'), 'error: y.png is bad'),
        (CheckpointError('z.pth is bad'), 'error: z.pth is bad'),
        (OSError(errno.ENOSPC, 'No space left on device', 'x'), 'error: x cannot be written, as'),
        (OSError(errno.ENOSPC, 'No space left on device'), 'error: the disk of the output is full'),
        (OSError('no file'), 'error: no file'),
        (ImportError('albumentations is not installed, we suggest'), 'error: Albu in a pipeline'),
        (KeyError('Foo is not in the mmseg::model registry.'), "error: type='Foo' is not regis"),
    ],
)
def test_user_errors_become_one_sentence(error, message):
    def main():
        raise error

    with pytest.raises(SystemExit) as caught:
        run_cli(main)
    assert str(caught.value).startswith(message)  # a text as exit code: printed, and exit code 1


def test_defects_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        run_cli(lambda: 1 / 0)


def test_interruptions_are_exit_code_130(capsys):
    def main():
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as caught:
        run_cli(main)
    assert caught.value.code == 130
    assert capsys.readouterr().err == 'error: interrupted\n'


def test_success_is_exit_code_0():
    with pytest.raises(SystemExit) as caught:
        run_cli(lambda: None)
    assert caught.value.code == 0


def test_progress_ends_its_line_before_an_error(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)

    def fail():
        for item in progress('ab', 'reading'):
            raise DataError(item)

    with pytest.raises(DataError, match='a'):
        fail()
    err = capsys.readouterr().err
    assert 'reading' in err
    assert re.search(r'0/2[^/]*\n[^/]*$', err)


@pytest.mark.parametrize(
    ('number', 'told'),
    [
        (0, []),
        (1, [1]),
        (3, [1, 2, 3]),
        (10, list(range(1, 11))),
        (320, list(range(32, 321, 32))),
        (25, [3, 5, 8, 10, 13, 15, 18, 20, 23, 25]),
    ],
)
def test_progress_in_a_file_is_a_line_for_every_tenth(capsys, number, told):
    assert list(progress(range(number), 'reading')) == list(range(number))
    assert capsys.readouterr().err == ''.join(f'reading {i}/{number}\n' for i in told)


def test_progress_in_a_file_names_the_item_of_an_error(capsys):
    def fail():
        for item in progress(range(320), 'reading'):
            if item == 40:
                raise DataError('bad')

    with pytest.raises(DataError):
        fail()
    assert capsys.readouterr().err == 'reading 32/320\nreading 41/320\n'


def test_progress_on_a_terminal_counts_the_items(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, 'isatty', lambda: True)
    assert list(progress('abc', '[reading]')) == ['a', 'b', 'c']
    err = capsys.readouterr().err
    assert [count for count in ('0/3', '1/3', '2/3', '3/3') if count in err] == [
        *('0/3', '1/3', '2/3', '3/3')
    ]
    assert '[reading]' in err


def test_a_table_is_as_wide_as_it_has_to_be(capsys):
    print_table(['name', 'value'], [['[b]' + 100 * 'x', '1.5'], ['y', '-']])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ['|', 'name', '|', 'value', '|']
    assert lines[2:] == [f'| [b]{100 * "x"} |   1.5 |', f'| y{102 * " "} |     - |']


def test_a_config_is_loaded_with_its_options(tmp_path):
    file = tmp_path / 'config.py'
    file.write_text("model = dict(type='EncoderDecoder')\n")
    assert load_config(file, ['model.type=CascadeEncoderDecoder']).model.type.startswith('Cascade')


@pytest.mark.parametrize('own', [False, True], ids=['of the config', 'of the model'])
def test_the_preprocessor_at_the_top_level_is_the_models_as_in_training(tmp_path, own):
    model = (
        "dict(type='EncoderDecoder', data_preprocessor=dict(mean=[1]))"
        if own
        else 'dict(type="EncoderDecoder")'
    )
    file = tmp_path / 'config.py'
    file.write_text(f'data_preprocessor = dict(mean=[2])\nmodel = {model}')
    expected = 1 if own else 5
    assert load_config(file, ['data_preprocessor.mean=[5]']).model.data_preprocessor.mean == [
        expected
    ]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (None, r'config\.py is missing: name a config file$'),
        ('x = 1 +', r'config\.py cannot be read as a config \(.*\): correct it$'),
        ('x = 1 / 0', r'cannot be read as a config \(ZeroDivisionError: division by zero\)'),
    ],
)
def test_what_is_no_config_is_named(tmp_path, text, message):
    file = tmp_path / 'config.py'
    if text:
        file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_config(file)


def test_a_device_that_is_not_there_is_named(monkeypatch):
    assert usable_device('cpu') == 'cpu'
    monkeypatch.setattr(cli, 'get_device', lambda: 'meta')
    assert usable_device(None) == 'meta'
    with pytest.raises(UsageError, match='--device no-such cannot be used'):
        usable_device('no-such')


@pytest.mark.parametrize(
    ('out', 'message'),
    [
        ('folder.json', r'^--json .*folder\.json is a folder: name a file$'),
        ('x.py', r'^--json .*x\.py is not a name that ends in \.json or \.txt: choose one$'),
        ('folder.json/../cfg.json', r'^--json .* is an input of the tool: choose another file$'),
        (
            'cfg.json/x.txt',
            r'cfg\.json cannot be written \(.*\): choose another folder with --j',
        ),
    ],
)
def test_an_output_that_cannot_be_written_is_named(tmp_path, out, message):
    (tmp_path / 'folder.json').mkdir()
    (tmp_path / 'cfg.json').write_text('{}')
    before = set(tmp_path.rglob('*'))
    with pytest.raises(UsageError, match=message):
        check_output('--json', tmp_path / out, ['.json', '.txt'], tmp_path / 'cfg.json')
    assert set(tmp_path.rglob('*')) == before


def test_an_output_in_a_new_folder_can_be_written(tmp_path):
    check_output('--json', tmp_path / 'a/b/X.JSON', ['.json'])
    assert [path.name for path in (tmp_path / 'a').rglob('*')] == ['b']
