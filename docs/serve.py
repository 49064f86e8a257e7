"""Serve a model with LitServe.

    pip install litserve
    python serve.py
    curl --form image=@photo.jpg localhost:8000/predict

The environment variable ``MODEL`` is the name of a pretrained model or the path of a file written by `save_model`.
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
        image = request.get("image")
        if not hasattr(image, "file"):
            raise HTTPException(400, "Expected an image file in the form field `image`.")
        return image.file.read()

    def predict(self, images):
        # An unreadable image or an image without a face is rejected without affecting the others in the batch.
        return json.loads(predict_faces(self.model, images).drop(columns="picture").to_json(orient="records"))

    def encode_response(self, answer):
        return answer


if __name__ == "__main__":
    api = Emotions(max_batch_size=16, batch_timeout=0.01)
    litserve.LitServer(api, accelerator="auto").run(
        port=int(os.environ.get("PORT", "8000")), generate_client_file=False
    )
