"""Window attention in Triton: the cases beside this file, refusals, and compiled kernels."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
import torch

if not hasattr(torch.library, 'custom_op'):
    pytest.skip('needs PyTorch 2.4 or newer', allow_module_level=True)

from benchmarks import window_triton
from tests.benchmarks import triton_cases

needs_triton = pytest.mark.skipif(
    not window_triton.HAS_TRITON, reason='needs triton: pip install triton'
)


def run(root, *command: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=root,
        env=os.environ | dict(OMP_NUM_THREADS='1') | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@needs_triton
@pytest.mark.parametrize(
    'interpreted', ['1', pytest.param('0', marks=pytest.mark.gpu)], ids=['interpreter', 'gpu']
)
def test_cases(root, interpreted):
    if interpreted == '1' and tuple(map(int, version('triton').split('.')[:2])) < (3, 7):
        pytest.skip('needs triton 3.7: the interpreters before fail with NumPy 2.4')
    command = ['-m', 'pytest', '-p', 'no:cacheprovider', triton_cases.__file__]
    assert ' passed' in run(root, *command, TRITON_INTERPRET=interpreted)


def test_refused_where_it_does_not_run(monkeypatch):
    monkeypatch.setattr(window_triton, 'HAS_TRITON', True)
    for device in ('cpu', 'meta'):
        x = torch.zeros(1, 2, 4, 4, device=device)
        with pytest.raises(ValueError, match=rf'run on a GPU .*, not on {device}'):
            window_triton.attend(x, x, x, 3, 1.0)


@pytest.mark.parametrize(
    ('types', 'window', 'message'),
    [
        ([torch.float64] * 3, 3, 'of one type of 16 or 32 bits, got torch.float64 on cpu'),
        ([torch.float32, torch.float32, torch.float16], 3, 'torch.float16 on cpu'),
        ([torch.float32] * 3, 17, 'windows up to 16, got 17'),
    ],
)
def test_what_the_kernels_do_not_know_is_named(types, window, message, monkeypatch):
    monkeypatch.setattr(window_triton, 'HAS_TRITON', True)
    monkeypatch.setattr(window_triton, 'INTERPRETED', True)
    maps = [torch.zeros(1, 2, 4, 4, dtype=dtype) for dtype in types]
    with pytest.raises(ValueError, match=message):
        window_triton.attend(*maps, window, 1.0)


def test_without_triton_a_request_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(window_triton, 'HAS_TRITON', False)
    x = torch.ones(1, 2, 4, 4)
    with pytest.raises(ValueError, match='pip install triton'):
        window_triton.attend(x, x, x, 3, 1.0)


@needs_triton
@pytest.mark.parametrize(
    ('kernel', 'window'), [('forward', 7), ('backward_queries', 7), ('backward_keys', 16)]
)
def test_kernels_compile_without_a_gpu(kernel, window, monkeypatch, tmp_path):
    """For channels-last maps in bfloat16; consumer cards have 99 KiB of shared memory."""
    if window_triton.INTERPRETED:
        pytest.skip('the interpreter compiles nothing')
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from benchmarks import window_kernels

    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    function = getattr(window_kernels, kernel)
    options = window_triton.options(window, torch.bfloat16)
    launch = {name: options.pop(name) for name in ('num_warps', 'num_stages')}
    signature, constants = {}, {(function.arg_names.index(x),): y for x, y in options.items()}
    for i, name in enumerate(function.arg_names):
        if name in options:
            signature[name] = 'constexpr'
        elif name.endswith('strides'):
            signature[name] = ('i32', 'constexpr', 'i32', 'i32')
            constants[i, 1] = 1
        elif name in ('height', 'width', 'channels', 'value_channels', 'scale'):
            signature[name] = 'fp32' if name == 'scale' else 'i32'
        else:
            signature[name] = '*fp32' if name in ('normalizer', 'expected') else '*bf16'
    compiled = triton.compile(
        ASTSource(function, signature, constants), GPUTarget('cuda', 80, 32), launch
    )
    assert 'mma.sync' in compiled.asm['ptx']  # tensor cores
    assert compiled.metadata.shared <= 99 * 1024
