from ._duplicates import find_duplicates

__all__ = ["find_duplicates"]
