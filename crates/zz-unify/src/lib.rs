//! Temporary: unifies features of dependencies while many hands build.
