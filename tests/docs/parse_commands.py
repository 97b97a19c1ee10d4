"""Give command lines of Python tools to the tools' own parsers, all in one process.

    python parse_commands.py < JOBS

JOBS is JSON: a list of [tool, arguments, mode]. A tool is run, and stopped when it has read its
arguments ("parse"), or when it knows its options ("options"), or not at all ("run"). Printed is
JSON: for each job what was wrong, or nothing.
"""

import argparse
import contextlib
import io
import json
import os
import runpy
import sys
import traceback


class Stopped(BaseException):
    """The tool has come far enough."""


def try_job(tool: str, arguments: list[str], mode: str) -> str:
    """What is wrong with a command line, or an empty string."""
    parse = argparse.ArgumentParser.parse_args

    def watched(self, args=None, namespace=None):
        if mode == 'options':
            options = [word for word in arguments if word.startswith('--')]
            unknown = [option for option in options if option not in self._option_string_actions]
            raise Stopped(f'{tool} does not know {unknown}' if unknown else '')
        found = parse(self, args, namespace)
        if mode == 'parse':
            raise Stopped('')
        return found

    argparse.ArgumentParser.parse_args = watched
    sys.argv = [tool, *arguments]
    sys.path.insert(0, os.path.dirname(tool))  # as Python does; the benchmarks share modules
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            runpy.run_path(tool, run_name='__main__')
    except Stopped as stopped:
        return str(stopped)
    except SystemExit as end:
        return f'{end.code}\n{output.getvalue()}' if end.code else ''
    except Exception:
        return traceback.format_exc()
    finally:
        argparse.ArgumentParser.parse_args = parse
        del sys.path[0]
    return '' if mode == 'run' else f'{tool} has read no arguments'


if __name__ == '__main__':
    json.dump([try_job(*job) for job in json.load(sys.stdin)], sys.stdout)
