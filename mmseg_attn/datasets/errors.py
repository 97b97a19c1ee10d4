class DataError(ValueError):
    """Data that cannot be used, or not with this config: one sentence with the remedy.

    The tools show the sentence alone; all else is a defect and keeps its traceback.
    """
