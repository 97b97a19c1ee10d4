import errno
import os
from pathlib import Path

import pytest
from mmengine.logging import MMLogger

from mmseg_attn.apps.predict import find_items


@pytest.fixture
def files(tmp_path):
    """Make files; return their folder."""

    def files(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b'\0' * 128 + b'DICM')
        return tmp_path

    return files


def names(items) -> list[str]:
    return [item.name for item in items]


def test_a_folder_is_searched_at_any_depth(files):
    folder = files('b.PNG', 'deep/er/a.nii.gz', 'deep/IM0001', 'c.dcm', 'x.tiff')
    items, empty = find_items([folder], exclude=folder / 'out')
    assert names(items) == ['b', 'c', 'deep/IM0001', 'deep/er/a', 'x']
    assert items[3].path == folder / 'deep/er/a.nii.gz'
    assert empty == []


def test_hidden_other_and_own_files_do_not_count(files):
    folder = files('a.png', '.b.png', '.c/d.png', 'out/masks/a.png', 'notes.txt')
    (folder / 'notes.txt').write_text('no DICOM file')
    items, _ = find_items([folder], exclude=folder / 'out')
    assert names(items) == ['a']


def test_the_index_of_a_dicom_folder_is_no_image(files):
    folder = files('IM0001', 'DICOMDIR', 'deep/dicomdir')
    items, _ = find_items([folder], exclude=folder / 'out')
    assert names(items) == ['IM0001']


def test_dicom_files_without_a_mark_are_found(files):
    folder = files('IM0001')
    (folder / 'IM0001').write_bytes(b'\x08\0\x05\0' + bytes(200))
    (folder / 'other').write_bytes(b'\x08\0\x09\x09' + bytes(200))
    items, _ = find_items([folder], exclude=folder / 'out')
    assert names(items) == ['IM0001']


def test_a_folder_without_images_is_told(files):
    folder = files('a/x.png', 'b/.hidden.png')
    items, empty = find_items([folder / 'a', folder / 'b'], exclude=folder / 'out')
    assert names(items) == ['a/x']
    assert empty == [folder / 'b']


def test_other_images_of_a_folder_are_not_skipped_in_silence(files):
    folder = files('a.png', 'b.bmp', 'c.WEBP', 'd.csv')
    (folder / 'd.csv').write_text('no image')
    items, _ = find_items([folder], exclude=folder / 'out')
    assert [item.path.name for item in items] == ['a.png', 'b.bmp', 'c.WEBP']


def test_links_are_followed_once(files):
    folder = files('own/a.png', 'other/b.png')
    (folder / 'own/other').symlink_to(folder / 'other')
    (folder / 'other/back').symlink_to(folder / 'own')
    (folder / 'own/gone.png').symlink_to(folder / 'missing.png')
    items, _ = find_items([folder / 'own'], exclude=folder / 'out')
    assert names(items) == ['a', 'gone', 'other/b']


def test_a_file_counts_once(files):
    folder = files('a.png', 'b.png')
    items, _ = find_items([folder / 'a.png', folder, folder / 'a.png'], exclude=folder / 'out')
    assert [item.path.name for item in items] == ['a.png', 'b.png']


def test_files_are_taken_whatever_they_are(tmp_path):
    given = [tmp_path / 'missing.png', tmp_path / 'a.txt']
    assert [item.path for item in find_items(given, exclude=tmp_path / 'out')[0]] == given


@pytest.mark.parametrize(
    ('made', 'expected'),
    [
        (['a.png', 'a.tif', 'a.nii.gz', 'a'], ['a', 'a_nii_gz', 'a_png', 'a_tif']),
        (['A.png', 'a.tif'], ['A', 'a_tif']),
        (['a.tif', 'a.tif.png', 'a_tif.png'], ['a', 'a.tif_png', 'a_tif']),
        (['v.nii', 'v_slices.png', 'v_slices/0.png'], ['v', 'v_slices_0_png_2', 'v_slices_png']),
        (['s/x.png', 's.tif.jpg', 's.tif/y.png'], ['s/x', 's.tif/y', 's.tif_jpg']),
    ],
)
def test_no_result_has_the_place_of_another(files, made, expected):
    folder = files(*made)
    items, _ = find_items([folder], exclude=folder / 'out')
    assert names(items) == expected

    # what may be written for them: no two paths are the same, none is a folder of another
    endings = ('.png', '.tif', '.nii', '.nii.gz', '_slices/0.png')
    paths = [Path((name + ending).lower()) for name in names(items) for ending in endings]
    assert len(set(paths)) == len(paths)
    assert not {parent for path in paths for parent in path.parents} & set(paths)


def test_folders_of_the_same_name_stay_apart(files):
    folder = files('x/s/a.png', 'y/s/a.png', 'y/s/b.png')
    items, _ = find_items([folder / 'x/s', folder / 'y/s'], exclude=folder / 'out')
    assert names(items) == ['s/a', 's/a_png', 's/b']


def test_results_of_an_earlier_run_are_no_images(tmp_path):
    for folder, converter in (('predicted/masks', 'predict'), ('data/images', 'drosophila')):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / 'x.png').touch()
        manifest = (tmp_path / folder).parent / 'conversion.json'
        manifest.write_text(f'{{"converter": "{converter}"}}')
    items, _ = find_items([tmp_path], exclude=tmp_path / 'out')
    assert [item.name for item in items] == ['data/images/x']
    items, _ = find_items([tmp_path / 'predicted/masks'], exclude=tmp_path / 'out')
    assert [item.name for item in items] == ['x']


def test_a_folder_that_cannot_be_read_is_left_out(files, monkeypatch, caplog):
    folder = files('a.png', 'lost+found/b.png')
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == 'lost+found':
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return scandir(path)

    read_text = Path.read_text

    def refuse_text(path, *args, **kwargs):
        if path.parent.name == 'lost+found':
            raise PermissionError(errno.EACCES, 'Permission denied', str(path))
        return read_text(path, *args, **kwargs)

    monkeypatch.setattr(os, 'scandir', refuse)
    monkeypatch.setattr(Path, 'read_text', refuse_text)
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    items, _ = find_items([folder], exclude=folder / 'out')
    logger.removeHandler(caplog.handler)
    assert names(items) == ['a']
    assert f'{folder / "lost+found"} is left out: Permission denied' in caplog.text


def test_an_image_in_a_zarr_group_can_be_named(files):
    folder = files('plate/A/1/0/.zattrs')
    (folder / 'plate/A/1/0/.zattrs').write_text('{"multiscales": []}')
    items, _ = find_items([folder / 'plate/A/1/0'], exclude=folder / 'out')
    assert [item.path for item in items] == [folder / 'plate/A/1/0']
