"""Write a folder with a trained model that others can use.

    python tools/publish.py WORK_DIR [--out DIR] [--preview IMAGE] [--push USER/NAME]

WORK_DIR is the output of tools/train.py. DIR gets the weights of the best checkpoint as
model.safetensors, which cannot contain code, config.py with what predictions need, README.md (a
model card with classes, input, scores and training), the same as model.json, and SHA256SUMS. No
path of your machine and none of your images is in it; the card has the name of a project of
new_dataset.py. Use it with

    python tools/predict.py DIR IMAGES --out predicted

--preview IMAGE adds a drawing of an image and its prediction: choose one that you may publish.
"""

import argparse
from pathlib import Path


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('work_dir', type=Path, metavar='WORK_DIR', help='work directory')
    parser.add_argument('--out', type=Path, help='output folder; default: WORK_DIR/published')
    parser.add_argument('--name', help='name of the model; default: that of the training')
    parser.add_argument('--license', help='license of the weights, such as cc-by-4.0')
    parser.add_argument('--preview', type=Path, metavar='IMAGE', help='image to draw')
    parser.add_argument(
        '--push',
        metavar='USER/NAME',
        help='also upload the folder to a model hub, with huggingface_hub',
    )
    parser.add_argument(
        '--private', action='store_true', help='make a new repository of --push private'
    )
    parser.add_argument(
        '--bioimage',
        action='store_true',
        help='also describe the model for the BioImage Model Zoo, with an ONNX file; needs '
        '--license and --authors',
    )
    parser.add_argument(
        '--authors', nargs='+', default=[], metavar='NAME', help='authors, for --bioimage'
    )
    args = parser.parse_args(argv)
    if args.authors and not args.bioimage:
        parser.error('--authors needs --bioimage')
    if args.private and not args.push:
        parser.error('--private needs --push')
    return args


if __name__ == '__main__':
    parse_args()  # --help and wrong arguments are answered before the slow imports

from mmengine.logging import MMLogger

import mmseg_attn  # noqa: F401  registers the parts
from mmseg_attn.apps.cli import check_file, run_cli
from mmseg_attn.apps.publish import PREVIEW, check_bioimage, check_hub, publish, push
from mmseg_attn.apps.runs import find_groups
from mmseg_attn.errors import UsageError


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('WARNING')
    (group,) = find_groups([args.work_dir])
    if len(group.runs) > 1:
        raise UsageError(
            f'{args.work_dir} contains {len(group.runs)} trainings: name one, such as '
            f'{group.runs[0].folder}'
        )
    (run,) = group.runs
    if args.preview:
        check_file(args.preview, 'an image file')
    client = check_hub(args.push) if args.push else None
    out = args.out or run.folder / 'published'
    dropped = not args.preview and (out / PREVIEW).exists()
    publish(
        run,
        out,
        name=args.name or group.name,
        license=args.license,
        preview=args.preview,
        bioimage=check_bioimage(args.license, args.authors) if args.bioimage else None,
        authors=args.authors,
    )
    print(f'{out}: the model of {run.checkpoint}')
    if dropped:
        print(f'the earlier {PREVIEW} was removed: to draw it again, publish with --preview IMAGE')
    _, source = run.recorded_metrics('test')
    if not source.startswith('test'):
        print(f'scores: {source or "none"}; run tools/test.py for others, and publish again')
    if client:
        print(push(client, out, args.push, private=args.private))


if __name__ == '__main__':
    run_cli(main)
