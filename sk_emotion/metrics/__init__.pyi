from ._calibration import expected_calibration_error
from ._calibration_curve import MulticlassCalibrationDisplay
from ._confusion import ConfusionMatrixDisplay
from ._curves import MulticlassPrecisionRecallDisplay, MulticlassRocCurveDisplay
from ._operating_point import OperatingPoint, find_operating_point, make_sensitivity_scorer
from ._report import EmotionReport
from ._training_curves import TrainingCurves

__all__ = [
    "ConfusionMatrixDisplay",
    "EmotionReport",
    "MulticlassCalibrationDisplay",
    "MulticlassPrecisionRecallDisplay",
    "MulticlassRocCurveDisplay",
    "OperatingPoint",
    "TrainingCurves",
    "expected_calibration_error",
    "find_operating_point",
    "make_sensitivity_scorer",
]
