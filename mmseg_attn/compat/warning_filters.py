"""Filter warnings of the host about its own code, which a user of the tools cannot act on."""

import warnings

# MMSegmentation's BaseDecodeHead builds its losses with its own deprecated function, in every head
OF_THE_HOST = ('``build_loss`` would be deprecated soon',)


def leave_out_warnings_of_the_host() -> None:
    """Filter these warnings in this process; only the tools of this package call it."""
    for message in OF_THE_HOST:
        warnings.filterwarnings('ignore', message=message)
