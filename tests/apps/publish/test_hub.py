"""Uploads, to a stand-in for the hub on this machine."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mmseg_attn.apps.publish import check_hub, push
from mmseg_attn.errors import UsageError
from tests.libraries import needs_huggingface_hub

pytestmark = needs_huggingface_hub


class Hub(BaseHTTPRequestHandler):
    """Accept every upload, as plain files."""

    def do_POST(self):
        body = self._body()
        self.server.requests.append((self.path, body))
        answer = {}
        if self.path == '/api/repos/create':
            answer = dict(url='https://huggingface.co/me/model')
            if self.server.refusing:
                self.send_error(403, 'no')
                return
        elif '/preupload/' in self.path:
            names = [file['path'] for file in json.loads(body)['files']]
            answer['files'] = [
                dict(path=name, uploadMode='regular', shouldIgnore=False) for name in names
            ]
        elif '/commit/' in self.path:
            answer = dict(commitUrl='https://huggingface.co/me/model/commit/1', commitOid='1')
        self._answer(answer)

    def _answer(self, answer):
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if '/tree/main' not in self.path:
            self.send_error(404)
            return
        self._answer([dict(type='file', oid='1', size=1, path=p) for p in self.server.files])

    def _body(self) -> bytes:
        if length := self.headers.get('Content-Length'):
            return self.rfile.read(int(length))
        body = b''
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    import huggingface_hub

    server = ThreadingHTTPServer(('127.0.0.1', 0), Hub)
    server.requests, server.refusing, server.files = [], False, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f'http://127.0.0.1:{server.server_port}'
    real = huggingface_hub.HfApi
    monkeypatch.setattr(huggingface_hub, 'HfApi', lambda: real(endpoint=address, token='hf_x'))
    yield server
    server.shutdown()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'README.md').write_text('---\nlibrary_name: mmseg_attn\n---\n')
    (tmp_path / 'model.safetensors').write_bytes(b'weights')
    (tmp_path / 'conversion.json').write_text('{}')
    return tmp_path


def test_the_folder_is_one_commit(hub, folder):
    address = push(check_hub('me/model'), folder, 'me/model', private=True)
    assert address == 'https://huggingface.co/me/model/commit/1'
    requests = dict(hub.requests)
    created = json.loads(requests['/api/repos/create'])
    assert (created['name'], created['organization']) == ('model', 'me')
    assert created.get('private') or created.get('visibility') == 'private'
    lines = map(json.loads, requests['/api/models/me/model/commit/main'].splitlines())
    files = {
        line['value']['path']: base64.b64decode(line['value']['content'])
        for line in lines
        if line['key'] == 'file'
    }
    assert files == {
        name: (folder / name).read_bytes() for name in ('README.md', 'model.safetensors')
    }


def test_what_an_earlier_version_had_is_removed_and_files_of_the_user_are_kept(hub, folder):
    mine = ['LICENSE', 'figure.png', 'mine.temperature.json', 'a/preview.png']
    hub.files = ['README.md', *mine, 'model.temperature.json', 'preview.png']
    (folder / 'preview.png').write_bytes(b'new')
    push(check_hub('me/model'), folder, 'me/model', private=True)
    lines = map(json.loads, dict(hub.requests)['/api/models/me/model/commit/main'].splitlines())
    removed = [line['value']['path'] for line in lines if line['key'] == 'deletedFile']
    assert removed == ['model.temperature.json']


def test_a_refusal_keeps_the_folder(hub, folder):
    hub.refusing = True
    with pytest.raises(UsageError, match='was written, but cannot be uploaded to me/model'):
        push(check_hub('me/model'), folder, 'me/model', private=False)
    assert (folder / 'model.safetensors').exists()


@pytest.mark.parametrize('name', ['model', '/model', 'me/', 'me/a/b'])
def test_names(name):
    with pytest.raises(UsageError, match='is not USER/NAME'):
        check_hub(name)


def test_without_a_login(monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, 'get_token', lambda: None)
    with pytest.raises(UsageError, match='--push needs a login'):
        check_hub('me/model')
