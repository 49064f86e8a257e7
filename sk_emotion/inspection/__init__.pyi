from ._augmentation_display import AugmentationDisplay
from ._face_grid import FaceGridDisplay
from ._gradcam import GradCAMDisplay, check_randomization
from ._occlusion import OcclusionDisplay

__all__ = ["AugmentationDisplay", "FaceGridDisplay", "GradCAMDisplay", "OcclusionDisplay", "check_randomization"]
