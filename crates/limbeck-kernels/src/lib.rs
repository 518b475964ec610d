//! Fused operations over burn tensors, each with a default body in plain tensor operations.
