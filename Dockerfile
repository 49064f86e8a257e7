# A server that predicts the emotion in an image, on CPUs:
#
#     docker build --tag sk-emotion .
#     docker run --publish 8000:8000 sk-emotion
#     curl --form image=@photo.jpg localhost:8000/predict
FROM python:3.12-slim
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY sk_emotion sk_emotion
RUN pip install --no-cache-dir --constraint constraints.txt . litserve==0.2.19
COPY docs/serve.py .
USER nobody
EXPOSE 8000
CMD ["python", "serve.py"]
