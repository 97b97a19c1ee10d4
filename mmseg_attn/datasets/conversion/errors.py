class ConversionError(ValueError):
    """What is wrong with the input or the output folder, as one sentence for the user."""
