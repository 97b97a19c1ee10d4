"""Sphinx: the site of README.md, docs/ and the algorithms' READMEs, see ``make docs``.

The source folder is the repository, so that a link from one page to another, or to a config, is the
same on the site and on GitHub. The pages have no table of contents of their own: ``CONTENTS`` is
the navigation.
"""

import posixpath
import re
import shutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS / 'extensions'))

import mmseg_attn  # noqa: E402  before autodoc, so that the stack is ready

project = 'mmseg_attn'
version = release = mmseg_attn.__version__
html_title = f'{project} {version}'
copyright = 'mmseg_attn contributors, Apache-2.0'

root_doc = 'README'
PROJECT = ['CONTRIBUTING', 'CHANGELOG', 'CODE_OF_CONDUCT']
include_patterns = [
    'README.md',
    *(f'{name}.md' for name in PROJECT),
    'docs/**',
    'configs/*/README.md',
]
exclude_patterns = [
    '.*',
    'mmseg_attn',
    'tests',
    'tools',
    'benchmarks',
    'requirements',
    'build',
    'dist',
    'data',
    'work_dirs',
    'docs/_build',
    'docs/templates',
    '**/.ipynb_checkpoints',
]
extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.autosummary',
    'sphinx.ext.napoleon',
    'mathml',
]

html_theme = 'furo'
html_static_path = ['static']
html_css_files = ['site.css']
html_copy_source = False
html_show_sphinx = False
pygments_style = 'default'  # comments have enough contrast

myst_enable_extensions = ['dollarmath']
myst_fence_as_directive = ['math']  # the fence that GitHub draws, too
myst_heading_anchors = 3  # as on GitHub
nb_execution_mode = 'off'  # the notebooks contain their output
nb_render_markdown_format = 'myst'  # with tables

html_math_renderer = 'mathml'
autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented'
autodoc_inherit_docstrings = False
add_module_names = False
suppress_warnings = ['ref.python']  # words of a docstring that look like the name of two things
napoleon_numpy_docstring = False
napoleon_use_ivar = True
templates_path = [str(DOCS / 'templates')]
autosummary_generate = True

MODELS = ['da_unet', 'csam_resunet', 'hybrid_unet', 'msanet', 'lfa_unet']
BASELINES = sorted({p.parent.name for p in ROOT.glob('configs/*/README.md')} - {*MODELS})
TABLES = sorted({p.stem for p in DOCS.glob('results/*.md')} - {'index'})
CONTENTS = {
    'README': {
        'Use': [
            'new_dataset',
            'datasets',
            'encoders',
            'training',
            'metrics',
            'memory',
            'tools',
            'predict',
            'rasters',
            'report',
            'export',
            'mim',
        ],
        'Models': ['models', *(f'models/{name}' for name in MODELS), 'models/baselines'],
        'Build on it': [
            'host',
            'stacks',
            'reuse',
            'tutorials/own_data',
            'tutorials/reuse_parts',
            'api',
        ],
        'Evidence': ['reproduce', 'performance', 'reliability'],
        'Project': [f'../{name}' for name in PROJECT],
    },
    'docs/reproduce': {'Results': ['results/index']},
    'docs/results/index': {'Tables': [f'results/{name}' for name in TABLES]},
    'docs/models/baselines': {'Configs': [f'../configs/{name}/README' for name in BASELINES]},
}
for name in MODELS:
    CONTENTS[f'docs/models/{name}'] = {'Configs': [f'../configs/{name}/README']}
WIDE = ['attention.jpg', 'curves.png', *(p.name for p in DOCS.glob('results/*.png'))]
TITLES = {f'configs/{name}/README': 'Configs, figures, decisions' for name in MODELS}


def add_contents(app: Sphinx, docname: str, content: list[str]) -> None:
    """Append the navigation below a page, without the pages that do not exist."""
    for caption, names in CONTENTS.get(docname, {}).items():
        pages = [posixpath.normpath(f'docs/{name}') for name in names]
        entries = [
            f'{TITLES[page]} </{page}>' if page in TITLES else f'/{page}'
            for page in pages
            if page in app.env.found_docs
        ]
        lines = ['```{toctree}', ':hidden:', f':caption: {caption}', '', *entries, '```']
        content[0] += '\n\n' + '\n'.join(lines) + '\n'


def point_folders_to_their_page(app: Sphinx, docname: str, content: list[str]) -> None:
    """A link to an algorithm's folder, which GitHub shows, becomes one to its README."""
    content[0] = re.sub(r'\]\((configs/\w+)/?\)', r'](\1/README.md)', content[0])


def show_formulas(app: Sphinx, what: str, name: str, obj, options, lines: list[str]) -> None:
    """What is indented below a colon in a module's docstring keeps its lines."""
    for i in range(len(lines) - 2):
        if what == 'module' and lines[i].endswith(':') and lines[i + 2].startswith('    '):
            lines[i] += ':'


def link_images(
    app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None
) -> None:
    """Link each figure to its file in full size, as GitHub does."""

    def link(match: re.Match) -> str:
        wide = ' wide' if posixpath.basename(match[1]) in WIDE else ''
        return f'<a class="figure{wide}" href="{match[1]}">{match[0]}</a>'

    image = r'<img [^>]*src="([^"]+\.(?:png|jpg))"[^>]*>'
    context['body'] = re.sub(image, link, context.get('body', ''))


def add_index(app: Sphinx, error: Exception | None) -> None:
    """Servers, and people who open the folder, look for index.html."""
    if app.builder.name == 'html' and not error:
        shutil.copy(Path(app.outdir, 'README.html'), Path(app.outdir, 'index.html'))


def setup(app: Sphinx) -> None:
    app.connect('source-read', add_contents)
    app.connect('source-read', point_folders_to_their_page)
    app.connect('autodoc-process-docstring', show_formulas)
    app.connect('html-page-context', link_images)
    app.connect('build-finished', add_index)
