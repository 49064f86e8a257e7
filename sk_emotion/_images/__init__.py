"""Validate arrays of images, find their pixel range, convert them to tensors, and read them from disk."""
