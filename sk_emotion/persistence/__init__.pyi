from ._files import load_model, save_model
from ._onnx import export_onnx

__all__ = ["export_onnx", "load_model", "save_model"]
