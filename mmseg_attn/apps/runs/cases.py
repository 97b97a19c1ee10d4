"""Tell which images are of one case (a patient, a stack) by their names."""

import re
from collections.abc import Callable

from ...errors import UsageError


def case_rule(pattern: str) -> Callable[[str], str]:
    """Return the function that returns the case of an image by its name.

    Args:
        pattern: Regular expression; a case is its first group or, if that matches nothing, its
            whole match in a name.

    Raises:
        UsageError: If the pattern is not valid; the function, if it matches nothing in a name.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UsageError(
            f'--case-pattern {pattern} is not a regular expression ({error}): correct it'
        ) from error

    def case(name: str) -> str:
        match = compiled.search(name)
        found = match and ((compiled.groups and match[1]) or match[0])
        if not found:
            raise UsageError(f'--case-pattern {pattern} does not match the name {name}: correct it')
        return found

    return case
