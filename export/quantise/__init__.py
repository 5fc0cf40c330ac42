"""Networks in int8: ranges from calibration images, what stays in float, and writing what came of both."""
