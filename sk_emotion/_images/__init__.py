"""The contract for arrays of images: validation, pixel range, tensors, and arrays on disk."""
