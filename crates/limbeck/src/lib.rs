//! Distil a large model into a small one, then prove what survived.
