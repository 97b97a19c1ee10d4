"""Words of messages."""


def counted(number: int, noun: str) -> str:
    """Write a number and its noun."""
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'
