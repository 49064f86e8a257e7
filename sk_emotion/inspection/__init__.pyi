from ._augmentation_display import AugmentationDisplay
from ._face_grid import FaceGridDisplay
from ._gradcam import GradCAMDisplay
from ._occlusion import OcclusionDisplay
from ._randomization import check_randomization

__all__ = ["AugmentationDisplay", "FaceGridDisplay", "GradCAMDisplay", "OcclusionDisplay", "check_randomization"]
