//! Tasks and paired evaluation: accuracy, agreement, divergence, calibration, shift.
