"""Read the tables of a Markdown page."""

import re


def md_cells(text: str) -> list[list[list[str]]]:
    """The tables of a page, each as rows of cells, the header first."""
    tables = []
    for lines in re.findall(r'^(?:\|.*\n?)+', text, re.M):
        header, _, *rows = [
            [cell.strip() for cell in re.split(r'(?<!\\)\|', line[1:-1])]
            for line in lines.splitlines()
        ]
        tables.append([header, *rows])
    return tables


def md_tables(text: str) -> list[list[dict[str, str]]]:
    """The tables of a page, each as rows by header."""
    return [
        [dict(zip(header, row, strict=True)) for row in rows] for header, *rows in md_cells(text)
    ]
