"""Descriptions for the BioImage Model Zoo, which its own libraries read."""

import importlib.util
import socket

import numpy as np
import pytest
import yaml

from mmseg_attn.apps.predict import write_temperature
from mmseg_attn.apps.publish import check_bioimage, publish
from mmseg_attn.errors import UsageError
from tests.libraries import needs_bioimageio_spec, needs_safetensors

NEW_PYTORCH = importlib.util.find_spec('onnxruntime') and importlib.util.find_spec('onnxscript')
pytestmark = [needs_safetensors, needs_bioimageio_spec]
AUTHORS = ['Ada Lovelace', 'Alan Turing']


def write(run, folder):
    library = check_bioimage('cc-by-4.0', AUTHORS)
    publish(run, folder, name='blobs', license='cc-by-4.0', bioimage=library, authors=AUTHORS)


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_):
        raise AssertionError('the network was used')

    monkeypatch.setattr(socket.socket, 'connect', refuse)


@pytest.mark.skipif(not NEW_PYTORCH, reason='needs onnx, onnxscript and onnxruntime')
def test_the_libraries_of_the_zoo_accept_and_run_it(run, tmp_path, offline):
    from bioimageio.spec import load_description

    write_temperature(run.checkpoint, 2.0)
    write(run, tmp_path / 'out')
    file = tmp_path / 'out/rdf.yaml'
    model = load_description(file, perform_io_checks=True)
    assert model.validation_summary.status != 'failed'
    assert [author.name for author in model.authors] == AUTHORS
    assert str(model.license) == 'CC-BY-4.0'
    content = yaml.safe_load(file.read_text())
    _, channel, y, _ = content['outputs'][0]['axes']
    assert channel['channel_names'][2] == 'synapse'
    assert y['size'] == dict(tensor_id='image', axis_id='y')
    assert content['inputs'][0]['data']['range'] == [0, 255]
    assert not content['covers']
    for name in ('rdf.yaml', 'model.onnx', 'test_input.npy', 'test_output.npy'):
        assert name in (tmp_path / 'out/SHA256SUMS').read_text()

    import onnxruntime

    network = onnxruntime.InferenceSession(str(tmp_path / 'out/model.onnx'))
    image = np.load(tmp_path / 'out/test_input.npy')
    (logits,) = network.run(None, dict(image=image))
    np.testing.assert_allclose(logits, np.load(tmp_path / 'out/test_output.npy'), rtol=1e-3)
    if importlib.util.find_spec('bioimageio.core'):
        from bioimageio.core import test_model

        summary = test_model(file, weight_format='onnx', devices=['cpu'])
        assert summary.status in ('passed', 'valid-format')
        errors = [error for detail in summary.details for error in detail.errors]
        assert errors == []
        assert any('Reproduce' in detail.name for detail in summary.details)


@pytest.mark.parametrize(('license', 'authors'), [(None, AUTHORS), ('MIT', [])])
def test_what_a_description_needs(license, authors):
    with pytest.raises(UsageError, match='needs the license and the authors'):
        check_bioimage(license, authors)


@pytest.mark.skipif(not NEW_PYTORCH, reason='needs onnx, onnxscript and onnxruntime')
def test_a_license_that_does_not_exist(run, tmp_path):
    library = check_bioimage('mine', AUTHORS)
    with pytest.raises(UsageError, match=r'refuses the description .*license'):
        publish(run, tmp_path / 'out', name='x', license='mine', bioimage=library, authors=AUTHORS)
    assert not (tmp_path / 'out').exists()


def test_steps_before_the_network_are_not_hidden(run, tmp_path):
    pipeline = run.cfg.test_dataloader.dataset.pipeline
    pipeline.insert(1, dict(type='Resize', scale=(64, 64)))
    with pytest.raises(UsageError, match='contains Resize, which the tools of the BioImage'):
        write(run, tmp_path / 'out')
