"""Which files of a folder are images and masks: links, projects and other files."""

from pathlib import Path

import pytest

from mmseg_attn.apps.new_dataset.files import find_files
from mmseg_attn.errors import DataError


def test_other_files_are_named(folder):
    files = find_files(folder('images/a.png', 'masks/a.png', 'images/notes.txt'))
    assert files.notes == [f'1 file in {files.root} of another type is not used, such as notes.txt']


def test_links_to_missing_files_are_refused(folder):
    source = folder('images/a.png', 'masks/a.png')
    (source / 'images/notes').symlink_to('nowhere')
    find_files(source)
    (source / 'images/b.png').symlink_to('nowhere.png')
    with pytest.raises(DataError, match=r'b\.png is a link to nowhere\.png, which is missing: get'):
        find_files(source)


WRITTEN = 'preview.png', 'dataset.yaml', 'conversion.json', 'data/images/a.png'


@pytest.mark.parametrize(
    'names', [('a.png', 'a_mask.png'), ('scans/a.png', 'masks/a.png'), ('a.png', 'masks/a.png')]
)
def test_written_projects_are_left_out(names, folder):
    source = folder(*names, *(f'projects/x/{name}' for name in WRITTEN))
    assert [pair.name for pair in find_files(source).pairs] == ['a']


def test_a_file_of_the_user_is_no_project(folder):
    source = folder('p1/a.png', 'p1/a_mask.png', 'p1/dataset.yaml', 'p2/b.png', 'p2/b_mask.png')
    assert [pair.name for pair in find_files(source).pairs] == ['p1/a', 'p2/b']


def test_linked_folders(folder):
    source = folder('images/p1/a.png', 'masks/p1/a.png', 'elsewhere/i/b.png', 'elsewhere/m/b.png')
    (source / 'images/p2').symlink_to(source / 'elsewhere/i')
    (source / 'masks/p2').symlink_to(source / 'elsewhere/m')
    (source / 'images/circle').symlink_to(source / 'images')
    (source / 'images/up').symlink_to(source)
    (source / 'images/masks').symlink_to(source / 'masks')
    (source / 'images/an-alias').symlink_to(source / 'images/p1')
    (source / 'images/p1/zz').symlink_to(source / 'images/p3')
    (source / 'images/p3').mkdir()
    assert [pair.name for pair in find_files(source).pairs] == ['p1/a', 'p2/b']


def test_linked_masks_in_the_folder_of_images(folder):
    source = folder('d/a.png', 'e/a.png', 'f/a_mask.png')
    for masks in ('e', 'f'):
        (source / 'd/masks').symlink_to(source / masks)
        assert [pair.name for pair in find_files(source / 'd').pairs] == ['a']
        assert find_files(source, source / 'd', source / 'd/masks').pairs[0].name == 'a'
        (source / 'd/masks').unlink()


def test_pairs_beside_a_link_to_the_parents(folder):
    source = folder('d/a.png', 'd/a_mask.png', 'e/b.png')
    (source / 'd/up').symlink_to(source)
    assert [pair.name for pair in find_files(source / 'd').pairs] == ['a']


def test_masks_in_the_folder_of_images_however_they_are_spelled(folder, monkeypatch):
    source = folder('a.png', 'masks/a.png')
    monkeypatch.chdir(source.parent)
    for masks in (source / 'masks', Path(source.name, 'masks')):
        assert [p.name for p in find_files(source, Path(source.name), masks).pairs] == ['a']
