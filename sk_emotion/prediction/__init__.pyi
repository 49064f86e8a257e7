from ._annotate import annotate_faces
from ._crop import crop_faces
from ._predict_faces import predict_faces

__all__ = ["annotate_faces", "crop_faces", "predict_faces"]
