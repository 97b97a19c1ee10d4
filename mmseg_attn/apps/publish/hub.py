"""Upload the folder of a published model to a model hub."""

from pathlib import Path
from typing import Any

from ...compat.libraries import optional_library
from ...errors import UsageError
from ...io.output import MANIFEST
from ..predict.temperature import temperature_file
from .bioimage import NETWORK, RDF, TEST_INPUT, TEST_OUTPUT
from .folder import PREVIEW, WEIGHTS

TEMPERATURE = temperature_file(Path(WEIGHTS)).name
# Files of a published model that not every version has
OPTIONAL = [TEMPERATURE, PREVIEW, RDF, NETWORK, TEST_INPUT, TEST_OUTPUT]


def check_hub(name: str) -> Any:
    """Check that a model can be uploaded, before it is written.

    Args:
        name: USER/NAME.

    Returns:
        The client of the hub.

    Raises:
        UsageError: If the name has another form, huggingface_hub is missing, or nobody is logged
            in.
    """
    user, slash, model = name.partition('/')
    if not (user and slash and model) or '/' in model:
        raise UsageError(f'--push {name} is not USER/NAME: name the user and the model')
    library = optional_library('huggingface_hub', package='huggingface_hub', part='--push')
    client = library.HfApi()
    if not (client.token or library.get_token()):
        raise UsageError('--push needs a login: run hf auth login, or set HF_TOKEN')
    return client


def push(client: Any, folder: Path, name: str, *, private: bool) -> str:
    """Upload a folder as one commit; the repository is created if it does not exist.

    Files of ``OPTIONAL`` that the folder does not have are removed from it; other files are kept.

    Args:
        client: The client of the hub.
        folder: The folder of a published model.
        name: USER/NAME.
        private: Whether a new repository is private.

    Returns:
        The address of the commit.

    Raises:
        UsageError: If the hub refuses the upload or cannot be reached. The folder is kept.
    """
    try:
        client.create_repo(name, repo_type='model', private=private, exist_ok=True)
        commit = client.upload_folder(
            repo_id=name,
            folder_path=str(folder),
            commit_message='Publish a model',
            ignore_patterns=[MANIFEST],
            delete_patterns=OPTIONAL,  # of an earlier version that had them
        )
    except Exception as error:  # of the hub, the network or the file system
        reason = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
        raise UsageError(
            f'{folder} was written, but cannot be uploaded to {name} ({reason}): correct that, and '
            'run the same command again'
        ) from error
    return str(commit)
