from ._load import load_pretrained

__all__ = ["load_pretrained"]
