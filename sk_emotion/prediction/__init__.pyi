from ._predict_faces import predict_faces

__all__ = ["predict_faces"]
