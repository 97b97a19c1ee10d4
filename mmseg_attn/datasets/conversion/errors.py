from ..errors import DataError


class ConversionError(DataError):
    """What is wrong with the input or the output folder, as one sentence for the user."""
