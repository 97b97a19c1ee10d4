"""The Markdown pages of the project, their code blocks and shell commands."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
READMES = sorted(ROOT.glob('configs/*/README.md'))
DOCS = [page for page in sorted(ROOT.glob('docs/**/*.md')) if '_build' not in page.parts]
PAGES = [ROOT / 'README.md', *DOCS, *READMES]
FENCE = re.compile(r'^( *)```(\w+)\n(.*?)^\1```$', re.M | re.S)
INLINE = re.compile(r'`((?:python (?:tools|benchmarks|docs)/|tools/\w+\.sh )[^`]+)`')
ASSIGNMENT = re.compile(r'[A-Z0-9_]+=.*')
MARK = re.compile(r'^# needs .*$', re.M)
# These need no mark: the title says it; the page is what came out of its command.
MARKED_SECTIONS = {('README.md', 'Train on the real ssTEM stack')}
RESULTS = ROOT / 'docs/results'


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


class Block(NamedTuple):
    """A fenced code block."""

    page: Path
    language: str
    code: str
    section: str

    @property
    def marked(self) -> bool:
        """Whether it is said that it needs data, or something else that is not here."""
        told = (name(self.page), self.section) in MARKED_SECTIONS or RESULTS in self.page.parents
        return told or bool(MARK.search(self.code))


class Command(NamedTuple):
    """A shell command; ``synopsis`` if it shows the arguments instead of giving them."""

    page: str
    words: list[str]
    marked: bool
    synopsis: bool = False


def blocks(page: Path, *languages: str) -> Iterator[Block]:
    """The code blocks of a page in some languages."""
    text = page.read_text()
    for found in FENCE.finditer(text):
        if found[2] in languages:
            titles = re.findall(r'^## (.*)$', text[: found.start()], re.M)
            code = textwrap.dedent(found[3])
            yield Block(page, found[2], code, titles[-1] if titles else '')


def commands(page: Path) -> Iterator[Command]:
    """All shell commands of a page, those within a sentence included."""
    for block in blocks(page, 'shell', 'bash'):
        for line in block.code.replace('\\\n', ' ').splitlines():
            for part in line.split(' && '):
                yield from _command(page, part, block.marked)
    for text in INLINE.findall(page.read_text()):
        yield from _command(page, text, True, inline=True)


def _command(page: Path, text: str, marked: bool, *, inline: bool = False) -> Iterator[Command]:
    words = shlex.split(text, comments=True)
    while words and ASSIGNMENT.fullmatch(words[0]):
        words = words[1:]
    if words and words[0] != 'export' and not words[0].startswith('-'):
        yield Command(name(page), words, marked, inline or '[--' in text)
