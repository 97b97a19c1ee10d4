"""What groups of runs were and cost, side by side."""

from collections.abc import Sequence

from .cost import cost, duration
from .describe import setup
from .result import GroupResult
from .table import NONE, Cell, Row, Table, marked, mean


def costs(groups: Sequence[GroupResult]) -> Table:
    """What the groups cost, a column each; of several runs the mean. The least is marked."""
    found = [[cost(result) for result in group.results] for group in groups]
    sizes = {each.shape for several in found for each in several if each.complexity}
    size = ' of ' + ' x '.join(map(str, *sizes)) if len(sizes) == 1 else ''
    quantities = {
        'parameters': (lambda c: c.complexity and c.complexity.parameters, millions),
        f'FLOPs for an image{size}': (lambda c: c.complexity and c.complexity.flops, _billions),
        'time per iteration of the training': (lambda c: c.iteration, duration),
        'time of the training with validations': (lambda c: c.training, duration),
        'GPU memory': (lambda c: c.memory, lambda mib: f'{mib / 1024:.1f} GiB'),
    }
    table = Table('A multiply-add is two FLOPs.', _names(groups))
    for name, (value, text) in quantities.items():
        values = [mean(map(value, several)) for several in found]
        if any(each is not None for each in values):
            texts = [NONE if each is None else text(each) for each in values]
            cells = marked(texts, [None if each is None else -each for each in values])
            table.rows.append(Row(name, cells))
    return table


def setups(groups: Sequence[GroupResult]) -> Table:
    """What the groups were, a column each; what all share stands once."""
    told = [[setup(result.run) for result in group.results] for group in groups]
    topics = dict.fromkeys(topic for several in told for each in several for topic in each)
    table = Table('', _names(groups))
    for topic in topics:
        texts = [
            ', '.join(dict.fromkeys(each[topic] for each in several if topic in each)) or NONE
            for several in told
        ]
        same = len(set(texts)) == 1
        cells = [Cell(text) for text in (texts[:1] if same else texts)]
        table.rows.append(Row(topic, cells, span=same and len(groups) > 1))
    return table


def _names(groups: Sequence[GroupResult]) -> list[str]:
    """A header of groups; none where there is but one."""
    return ['', *(group.group.title for group in groups)] if len(groups) > 1 else []


def millions(value: float) -> str:
    """A large number in millions."""
    return f'{value / 1e6:.2f} M'


def _billions(value: float) -> str:
    return f'{value / 1e9:.2f} G'
