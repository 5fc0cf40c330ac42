"""Networks in fewer bits: int8 by ranges from calibration images, float16 by values made to fit."""
