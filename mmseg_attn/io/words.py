"""Format words of messages."""


def counted(number: int, noun: str) -> str:
    """Format a number with its noun, in the singular or plural."""
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'
