//! What is inside: component influence, alignment and brittleness of two networks.
