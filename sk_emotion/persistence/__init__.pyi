from ._load import load_model
from ._onnx import export_onnx
from ._save import save_model

__all__ = ["export_onnx", "load_model", "save_model"]
