from ._augmentation import AugmentationOverSampler

__all__ = ["AugmentationOverSampler"]
