//! 1797 handwritten digits of 8 x 8 pixels inside the program, for tests and for machines without a network.

use std::path::Path;

use super::Split;
use super::idx::{bounded, set_of_bytes};
use crate::DataError;

/// Examples of the test part: the last ones, in the file's order.
const TEST: usize = 360;

/// Bytes of either file at most.
const CONTENT: u64 = 1 << 20;

/// The embedded digits (see `digits/NOTICE.md` for their source and licence): 1437 for training, 360 for the test.
///
/// # Errors
/// None is known: the files are part of the program, and are checked as any other.
pub fn digits() -> Result<Split, DataError> {
    let images = (
        Path::new("digits-images-idx3-ubyte.gz"),
        include_bytes!("digits/digits-images-idx3-ubyte.gz").as_slice(),
    );
    let labels = (
        Path::new("digits-labels-idx1-ubyte.gz"),
        include_bytes!("digits/digits-labels-idx1-ubyte.gz").as_slice(),
    );
    let pixels =
        bounded(images.0, flate2::read::MultiGzDecoder::new(images.1), CONTENT, images.1.len() as u64)?;
    let classes =
        bounded(labels.0, flate2::read::MultiGzDecoder::new(labels.1), CONTENT, labels.1.len() as u64)?;
    let all = set_of_bytes((images.0, &pixels), (labels.0, &classes), "digits", 10, 16, Some(1797))?;
    let boundary = all.len() - TEST;
    let training: Vec<usize> = (0..boundary).collect();
    let test: Vec<usize> = (boundary..all.len()).collect();
    Ok(Split { training: all.subset(&training)?, test: all.subset(&test)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_those_of_the_data_set() {
        let split = digits().unwrap();
        assert_eq!((split.training.len(), split.test.len(), split.training.width()), (1437, 360, 64));
        let counts: Vec<usize> = split
            .training
            .class_counts()
            .iter()
            .zip(split.test.class_counts())
            .map(|(training, test)| training + test)
            .collect();
        // As the data set's description lists them.
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let mut row = [0.0; 64];
        split.training.write_row(0, &mut row);
        // The first digit, a zero: its first line of pixels is 0 0 5 13 9 1 0 0.
        let line: Vec<f32> = row[..8].iter().map(|value| value * 16.0).collect();
        assert_eq!(line, [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0]);
    }
}
