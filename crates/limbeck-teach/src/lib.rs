//! Who answers: local and replayed teachers, and the signals they give.
