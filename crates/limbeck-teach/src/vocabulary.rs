//! Whether two models speak of the same tokens, and how many columns of their heads can be compared.

use limbeck_model::Tokenizer;

use crate::TeachError;

/// Number of leading columns over which the two heads are compared.
///
/// Models of one family share a tokenizer but pad the head differently (151,936 rows and 152,064 rows over one
/// tokenizer of 151,665 tokens): the columns both heads have are compared, the padding beyond is left out of both
/// softmaxes. `teacher` and `student` are a tokenizer and the rows of its model's head.
///
/// # Errors
/// [`TeachError::Tokenizers`] with the exact difference, or [`TeachError::SmallHead`] when a head cannot hold its own
/// tokenizer's tokens.
pub fn align(teacher: (&Tokenizer, usize), student: (&Tokenizer, usize)) -> Result<usize, TeachError> {
    if let Some(difference) = teacher.0.difference(student.0) {
        return Err(TeachError::Tokenizers { difference });
    }
    for (model, (tokenizer, rows)) in [("teacher", teacher), ("student", student)] {
        let tokens = tokenizer.vocab_size();
        if rows < tokens {
            return Err(TeachError::SmallHead { model, rows, tokens });
        }
    }
    Ok(teacher.1.min(student.1))
}
