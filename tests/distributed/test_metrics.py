"""Metrics of several processes count each image once."""

from tests.processes import run_ranks


def test_two_ranks_compute_what_one_process_computes(tmp_path):
    for done in run_ranks('tests/distributed/metrics.py', tmp_path):
        assert done.returncode == 0, done.stderr
