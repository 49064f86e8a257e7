"""Answer requests that hold a picture: a model behind LitServe, an existing server.

    pip install litserve
    python serve.py
    curl --form image=@photo.jpg localhost:8000/predict

``MODEL`` names a model of the package, or a file of `save_model`.
"""

import json
import os
from pathlib import Path

import litserve
from fastapi import HTTPException

from sk_emotion import load_model, load_pretrained, predict_faces


class Emotions(litserve.LitAPI):
    def setup(self, device):
        name = os.environ.get("MODEL", "human-emotions")
        self.model = load_model(name) if Path(name).exists() else load_pretrained(name)

    def decode_request(self, request):
        picture = request.get("image")
        if not hasattr(picture, "file"):
            raise HTTPException(400, "Expected a picture as the file `image` of a form.")
        return picture.file.read()

    def predict(self, pictures):
        # A picture that cannot be read, or has no face, is rejected by itself, and the others are told.
        return json.loads(predict_faces(self.model, pictures).drop(columns="picture").to_json(orient="records"))

    def encode_response(self, answer):
        return answer


if __name__ == "__main__":
    api = Emotions(max_batch_size=16, batch_timeout=0.01)
    litserve.LitServer(api, accelerator="auto").run(
        port=int(os.environ.get("PORT", "8000")), generate_client_file=False
    )
