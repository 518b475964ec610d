//! Objectives, trainer, optimizer, checkpoints.
