"""Read the tables of a Markdown page."""

import re


def md_tables(text: str) -> list[list[dict[str, str]]]:
    """The tables of a page, each as rows by header."""
    found = []
    for lines in re.findall(r'^(?:\|.*\n?)+', text, re.M):
        header, _, *rows = [
            [cell.strip() for cell in re.split(r'(?<!\\)\|', line[1:-1])]
            for line in lines.splitlines()
        ]
        found.append([dict(zip(header, row, strict=True)) for row in rows])
    return found
