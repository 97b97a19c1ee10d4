"""Files that want more than data are refused, and nothing of them runs."""

import os
import pickle
import re
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

from mmseg_attn.compat.checkpoint import load_file
from mmseg_attn.errors import CheckpointError
from tests.hostile import PROGRAMS, Call, get


@pytest.fixture(params=[True, False], ids=['zip', 'legacy'])
def save(request, tmp_path):
    def save(content) -> Path:
        file = tmp_path / 'checkpoint.pth'
        torch.save(content, file, _use_new_zipfile_serialization=request.param)
        return file

    return save


@pytest.fixture
def value(save):
    """What comes back of a content."""
    return lambda content: load_file(save(dict(content=content)))['content']


def assert_refused(file: Path, wanted: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_file(file)
    sentence = str(caught.value)
    assert sentence.startswith(f'{file} was not loaded because it asks for ')
    assert wanted in sentence
    assert 'plain state dict' in sentence
    assert '\n' not in sentence
    assert 'weights_only' not in sentence


@pytest.mark.parametrize('wanted', PROGRAMS)
def test_hostile_content_is_refused_and_does_not_run(save, wanted, tmp_path):
    marker = tmp_path / 'marker'
    file = save(dict(state_dict=PROGRAMS[wanted](str(marker))))
    assert_refused(file, wanted.strip())
    assert not marker.exists()
    torch.load(file, weights_only=False)
    assert marker.exists()  # it would have run


@pytest.mark.parametrize(
    'spelling', ['posixpath\nos.system', 'builtins\neval', '__builtin__\nvars']
)
def test_globals_by_other_spellings_are_refused(tmp_path, spelling):
    file = tmp_path / 'checkpoint.pth'
    pickled = b'\x80\x02c' + spelling.encode() + b'\nX\x04\x00\x00\x00true\x85R.'
    with torch.serialization._open_zipfile_writer(str(file)) as archive:
        archive.write_record('data.pkl', pickled, len(pickled))
    assert_refused(file, spelling.rpartition('\n')[2])


@pytest.mark.parametrize(
    'name',
    [
        *('__init__', '__class__', '__globals__', '__reduce_ex__', '__subclasses__', 'update'),
        *('mean.__globals__', 'register_statistics', '_statistics_methods', '', 3),
    ],
)
def test_getattr_only_finds_the_four_statistics(save, name):
    assert_refused(save(get(HistoryBuffer, name)), f'getattr(HistoryBuffer, {name!r})')


@pytest.mark.parametrize(
    'owner', [OrderedDict, torch.Tensor, torch.zeros(1), 'text', OneCycleParamScheduler]
)
def test_getattr_only_finds_them_on_their_owner(save, owner):
    assert_refused(save(get(owner, 'mean')), "'mean')")


def test_getattr_of_a_statistic_leads_nowhere(save):
    assert load_file(save(get(HistoryBuffer, 'mean'))) == 'mean'
    assert_refused(save(get(get(HistoryBuffer, 'mean'), '__globals__')), "'__globals__')")
    with pytest.raises(CheckpointError, match='asks for a call of str'):
        load_file(save(Call(get(HistoryBuffer, 'mean'), 1)))


def test_a_scalar_does_not_unpickle_its_bytes(save, tmp_path):
    marker = tmp_path / 'marker'
    scalar = np.float64(1).__reduce__()[0]
    evil = pickle.dumps(Call(os.system, f'touch {marker}'))
    assert_refused(save(Call(scalar, np.dtype('O'), evil)), "numpy.dtype('O8')")
    assert not marker.exists()


@pytest.mark.parametrize('dtype', ['O', 'V8', 'i4,O', 'M8[s]', [('x', 'f8')], '(2,3)f8'])
def test_only_dtypes_of_numbers_are_known(save, dtype):
    assert_refused(save(np.dtype(dtype)), 'numpy.dtype(')


def test_flags_of_a_dtype_are_not_believed(value):
    hostile = (3, '<', None, None, None, -1, -1, 63)  # "holds objects, counts references, ..."
    make = np.float64(1).__reduce__()[0]
    number = value(Call(make, Call(np.dtype, 'f8', False, True, state=hostile), bytes(8)))
    assert number == 0
    assert number.dtype.flags == np.dtype('f8').flags == 0


def test_bytes_of_a_size_are_not_made(save):
    assert_refused(save(Call(bytearray, 10**10)), 'bytearray')
    with pytest.raises(CheckpointError):
        load_file(save(Call(bytes, 10**10)))


def test_an_array_cannot_free_what_a_tensor_uses(save):
    share = Call(
        torch._utils._rebuild_device_tensor_from_numpy, np.zeros(3), torch.float64, 'cpu', False
    )
    with pytest.raises(CheckpointError):
        load_file(save(share))


def test_a_buffer_does_not_bring_functions_into_its_class(value):
    state = dict(HistoryBuffer([1.0, 3.0], [1, 1]).__getstate__())
    state['statistics_methods'] = dict(mean=OrderedDict, new=OrderedDict)
    before = dict(HistoryBuffer._statistics_methods)
    buffer = value(Call(HistoryBuffer, state=state))
    assert HistoryBuffer._statistics_methods == before
    assert buffer.statistics('mean') == 2.0


@pytest.mark.parametrize('where', [lambda buffer: {buffer: 1}, lambda buffer: Call(set, [buffer])])
def test_a_buffer_where_it_cannot_be_put_in_place_is_refused(save, where):
    with pytest.raises(CheckpointError):
        load_file(save(where(HistoryBuffer([1.0], [1]))))


@pytest.mark.parametrize('code', ['b1', 'i1', 'u2', 'i4', 'i8', 'f2', 'f4', 'f8', 'c16', '>i4'])
def test_arrays_and_scalars_come_back(value, code):
    array = np.arange(6).reshape(2, 3).astype(code)
    for original in (array, array.T, array[:, :0], array[0], array[1, 2]):
        back = value(original)
        assert type(back) is type(original)
        assert back.dtype == original.dtype
        np.testing.assert_array_equal(back, original)


def test_shared_and_nested_containers_come_back(value):
    shared = [np.ones(2)]
    content = dict(a=shared, b=(shared, (np.zeros(1),)), c=OrderedDict(d=HistoryBuffer([2], [1])))
    content['self'] = content
    back = value(content)
    assert back['a'] is back['b'][0]
    assert back['self'] is back
    np.testing.assert_array_equal(back['b'][1][0], np.zeros(1))
    assert back['c']['d'].current() == 2


@pytest.mark.parametrize('strategy', ['_annealing_cos', '_annealing_linear'])
def test_the_annealing_functions_come_back(value, strategy):
    function = getattr(OneCycleParamScheduler, strategy)
    assert value(function) is function


def test_names_from_the_file_are_shown_without_control_characters(tmp_path):
    file = tmp_path / 'checkpoint.pth'
    pickled = b'\x80\x02cevil\n\x1b[2Jname' + b'x' * 1000 + b'\n.'
    with torch.serialization._open_zipfile_writer(str(file)) as archive:
        archive.write_record('data.pkl', pickled, len(pickled))
    with pytest.raises(CheckpointError) as caught:
        load_file(file)
    assert str(caught.value).isprintable()
    assert re.search(r"'evil\.\\x1b\[2Jname", str(caught.value))
    assert len(str(caught.value)) < 500
