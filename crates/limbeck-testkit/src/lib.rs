//! Tiny models and data for the tests of every floor.
