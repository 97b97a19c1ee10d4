"""What is found in one image and its mask."""

from dataclasses import dataclass, field
from typing import NamedTuple

STRAY = -1  # stands for all labels that are no class


class Problem(NamedTuple):
    """A fault of a file.

    Attributes:
        kind: A key of ``KINDS``.
        path: The file.
        note: What this file has.
        values: Pixels of each value at fault.
    """

    kind: str
    path: str
    note: str = ''
    values: dict[str, int] | None = None


@dataclass
class Inspection:
    """What a pair holds.

    Attributes:
        image: File of the image.
        mask: File of the mask, if it has one.
        problems: What is wrong.
        size: Width and height of the loaded image.
        content: What only images of the same pixels share; ``None`` for one value alone.
        labels: The same for the mask.
        pixels: Pixels of each label, as training sees them, and of ``STRAY``; ``None`` if labels
            cannot be loaded.
        only_0_255: Whether the file of the mask holds 0 and 255 and nothing else, and 255 is known.
    """

    image: str
    mask: str | None
    problems: list[Problem] = field(default_factory=list)
    size: tuple[int, int] | None = None
    content: str | None = None
    labels: str | None = None
    pixels: dict[int, int] | None = None
    only_0_255: bool = False

    def add(self, *problem) -> None:
        """Note what is wrong."""
        self.problems.append(Problem(*problem))
