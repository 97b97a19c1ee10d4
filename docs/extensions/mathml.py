"""Formulas as MathML: browsers draw it themselves, without scripts, fonts or network.

The converter is docutils' own, which comes with Sphinx.
"""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.writers.html5 import HTML5Translator


def convert(formula: str, *, block: bool) -> str:
    """Turn LaTeX into MathML.

    Raises:
        ExtensionError: if the converter does not know a command.
    """
    try:
        return tex2mathml(formula, as_block=block)
    except MathError as error:
        raise ExtensionError(f'{formula!r} cannot become MathML: {error}') from error


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(convert(node.astext(), block=False))
    raise nodes.SkipNode


def visit_math_block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{convert(node.astext(), block=True)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer('mathml', (visit_math, None), (visit_math_block, None))
    return dict(parallel_read_safe=True, parallel_write_safe=True)
