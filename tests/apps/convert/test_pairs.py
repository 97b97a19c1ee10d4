import pytest

from mmseg_attn.apps.convert import find_cases
from mmseg_attn.errors import DataError


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(folder):
    return {
        case: [(pair.name, *(str(path.relative_to(folder)) for path in pair[1:])) for pair in pairs]
        for case, pairs in find_cases(folder).items()
    }


@pytest.mark.parametrize('masks', ['masks', 'annotations', 'labels'])
def test_equal_names_in_two_folders_whatever_the_type(tmp_path, masks):
    touch(tmp_path, 'images/b.JPG', 'images/a.nii.gz', 'images/c.d.dcm', 'images/.DS_Store')
    touch(tmp_path, f'{masks}/b.png', f'{masks}/a_mask.nii', f'{masks}/c.d.tiff', 'readme.txt')
    assert found(tmp_path) == {
        'a': [('a', 'images/a.nii.gz', f'{masks}/a_mask.nii')],
        'b': [('b', 'images/b.JPG', f'{masks}/b.png')],
        'c.d': [('c.d', 'images/c.d.dcm', f'{masks}/c.d.tiff')],
    }


def test_subfolders_are_cases_of_several_files(tmp_path):
    touch(tmp_path, 'images/knee/2.dcm', 'images/knee/10', 'masks/knee/2.png', 'masks/knee/10.png')
    assert found(tmp_path) == {
        'knee': [
            ('knee_10', 'images/knee/10', 'masks/knee/10.png'),
            ('knee_2', 'images/knee/2.dcm', 'masks/knee/2.png'),
        ]
    }


def test_names_with_mask_in_one_folder(tmp_path):
    touch(tmp_path, 'a.png', 'a_mask.png', 'b.tif', 'b_mask.png', 'notes/x.txt')
    assert found(tmp_path) == {
        'a': [('a', 'a.png', 'a_mask.png')],
        'b': [('b', 'b.tif', 'b_mask.png')],
    }


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['images/a.png', 'images/b.png', 'masks/a.png'], r'images/b\.png has no mask: add it'),
        (['images/a.png', 'masks/a.png', 'masks/b.png'], r'masks/b\.png has no image: add it'),
        (['a.png', 'a_mask.png', 'b_mask.png'], r'b_mask\.png has no image'),
        (['a.png', 'b.png', 'c.png'], r'a\.png has no mask, and 2 more files have none: add what'),
        (
            ['images/a.png', 'images/a.jpg', 'masks/a.png'],
            r'a\.jpg and .*a\.png have the same name',
        ),
        (['images/a.png', 'masks/a.png', 'masks/a_mask.png'], 'a.png and .* have the same name'),
        (
            ['images/a.png', 'masks/a.png', 'labels/a.png'],
            'has images/ and 2 of the folders masks, annot',
        ),
        (['images/a.png'], 'has images/ and 0 of the folders masks, annotations, labels: keep'),
        (['images/a/1.png', 'masks/a.png'], r'images/a and .*a\.png are a file and a folder'),
        (['images/a/1.png', 'masks/a/2.png'], r'images/a/1\.png has no mask'),
        (['images/a/.x', 'masks/a/.x'], 'images/a is empty: add its slices'),
    ],
)
def test_what_has_no_partner_is_refused(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=message):
        find_cases(tmp_path)


def test_no_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match='not a folder: name the folder'):
        find_cases(tmp_path / 'nothing')
