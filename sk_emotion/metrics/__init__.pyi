from ._calibration import MulticlassCalibrationDisplay, expected_calibration_error
from ._curves import MulticlassPrecisionRecallDisplay, MulticlassRocCurveDisplay
from ._operating_point import OperatingPoint, find_operating_point, make_sensitivity_scorer
from ._report import EmotionReport
from ._training_curves import TrainingCurves

__all__ = [
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
