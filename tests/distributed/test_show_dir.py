"""With several processes, ``--show-dir`` holds the images of all of them."""

from PIL import Image

from tests.processes import run_ranks


def test_each_rank_draws_its_images(tmp_path):
    for done in run_ranks('tests/distributed/show_dir.py', tmp_path):
        assert done.returncode == 0, done.stderr
    drawn = sorted((tmp_path / 'show').iterdir())
    assert [path.name for path in drawn] == ['0.png', '1.png']
    for path in drawn:
        with Image.open(path) as image:
            assert image.convert('RGB').getextrema() != ((255, 255),) * 3
