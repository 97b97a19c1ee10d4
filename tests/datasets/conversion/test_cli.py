import argparse
import errno

import pytest

from mmseg_attn.compat.checkpoint import CheckpointError
from mmseg_attn.datasets.conversion import ConversionError, at_least, progress, run_cli
from mmseg_attn.datasets.errors import DataError


@pytest.mark.parametrize(
    ('error', 'message'),
    [
        (ConversionError('x.png is bad'), 'error: x.png is bad'),
        (DataError('y.png is bad'), 'error: y.png is bad'),
        (CheckpointError('z.pth is bad'), 'error: z.pth is bad'),
        (OSError(errno.ENOSPC, 'No space left on device', 'x'), 'error: [Errno 28] No space left'),
        (KeyboardInterrupt(), 'error: interrupted'),
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


def test_success_is_exit_code_0():
    with pytest.raises(SystemExit) as caught:
        run_cli(lambda: None)
    assert caught.value.code == 0


def test_at_least():
    assert at_least(3)('3') == 3
    with pytest.raises(argparse.ArgumentTypeError, match='2 is below 3'):
        at_least(3)('2')
    with pytest.raises(ValueError, match='invalid literal'):
        at_least(3)('three')


def test_progress_ends_its_line_before_an_error(capsys):
    def fail():
        for item in progress('ab', 'reading'):
            raise ConversionError(item)

    with pytest.raises(ConversionError, match='a'):
        fail()
    assert capsys.readouterr().err == '\rreading 1/2\n'
