"""What tests ask of a page."""

from html.parser import HTMLParser

VOID = {'meta', 'link', 'img', 'br', 'hr', 'input'}


class Page(HTMLParser):
    """Reads a page strictly: every element that begins must end, in order.

    Attributes:
        elements: Names and attributes, in their order.
        text: What stands between them, without styles.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.text = ''
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f'an attribute of {tag} is given twice'
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ('style', 'script'):
            self.text += ' '.join(data.split()) + ' ' if data.strip() else ''

    def all(self, tag: str) -> list[dict]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]
