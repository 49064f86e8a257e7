import io

import pytest
from PIL import Image

from sk_emotion import make_faces
from sk_emotion.cli import main


@pytest.fixture
def folder(tmp_path):
    """Folder of faces with untidy names."""
    X, y, _ = make_faces(36, emotions=["happiness", "pain", "fear"], image_size=32, random_state=0)
    for number, (face, emotion) in enumerate(zip(X, y, strict=True)):
        path = tmp_path / "my faces (1)" / emotion.upper() / f"face ({number}).jfif"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).save(path, format="PNG")
    return tmp_path / "my faces (1)"


@pytest.fixture
def run():
    """Return a function that runs a command in this process and returns its exit code."""

    def run_command(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        return stopped.value.code

    return run_command


@pytest.fixture
def picture_bytes():
    """Content of a small PNG file."""
    file = io.BytesIO()
    Image.new("L", (20, 20), 100).save(file, "PNG")
    return file.getvalue()
