from ._load import load_model
from ._onnx import export_onnx
from ._onnx_classifier import OnnxClassifier
from ._save import save_model

__all__ = ["OnnxClassifier", "export_onnx", "load_model", "save_model"]
