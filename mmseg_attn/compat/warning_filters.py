"""Warnings of the host about its own code, which a user of our tools can do nothing about."""

import warnings

# MMSegmentation's BaseDecodeHead builds its losses with its own deprecated function, in every head
OF_THE_HOST = ('``build_loss`` would be deprecated soon',)


def leave_out_warnings_of_the_host() -> None:
    """Filter them in this process; the tools of this package call it, importing it does not."""
    for message in OF_THE_HOST:
        warnings.filterwarnings('ignore', message=message)
