//! One set of labelled examples in memory.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::{DataError, hash};

/// The features of all examples, row after row.
#[derive(Debug, Clone, PartialEq)]
pub enum Features {
    /// Brightness as a file holds it; a network sees `value / white`.
    Bytes {
        /// The values.
        values: Vec<u8>,
        /// What counts as 1.
        white: u8,
    },
    /// Numbers a network sees as they are, all finite.
    Floats(Vec<f32>),
}

/// How a row of features is laid out as a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Image {
    /// Height in pixels.
    pub rows: usize,
    /// Width in pixels.
    pub columns: usize,
}

/// Labelled examples, checked when they are put together: every row has `width` features and a class below `classes`.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledSet {
    name: String,
    features: Features,
    width: usize,
    image: Option<Image>,
    labels: Vec<u32>,
    classes: usize,
}

/// Training and test examples of one source.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// For training and for choosing settings.
    pub training: LabelledSet,
    /// For the final figure only.
    pub test: LabelledSet,
}

impl LabelledSet {
    /// Puts a set together. `width` features a row; with `image`, `width = rows * columns`.
    ///
    /// # Errors
    /// [`DataError::Record`] that names the row: counts that do not fit, a label out of range, a feature that is not finite.
    pub fn new(
        name: impl Into<String>,
        features: Features,
        width: usize,
        image: Option<Image>,
        labels: Vec<u32>,
        classes: usize,
    ) -> Result<Self, DataError> {
        let set = Self { name: name.into(), features, width, image, labels, classes };
        set.check()?;
        Ok(set)
    }

    fn check(&self) -> Result<(), DataError> {
        let wrong = |row: Option<usize>, column: &str, found: String, expected: String| DataError::Record {
            file: Path::new(&self.name).to_path_buf(),
            unit: "example",
            row: row.map(|row| row as u64 + 1),
            column: Some(column.to_owned()),
            found,
            expected,
        };
        let values = match &self.features {
            Features::Bytes { values, .. } => values.len(),
            Features::Floats(values) => values.len(),
        };
        if self.width == 0 || self.labels.is_empty() {
            return Err(wrong(None, "features", "no examples".to_owned(), "at least one".to_owned()));
        }
        if self.labels.len().checked_mul(self.width) != Some(values) {
            let expected = format!("{} examples of {} features", self.labels.len(), self.width);
            return Err(wrong(None, "features", format!("{values} values"), expected));
        }
        if let Some(image) = self.image
            && image.rows.checked_mul(image.columns) != Some(self.width)
        {
            let found = format!("{} x {} pixels", image.rows, image.columns);
            return Err(wrong(None, "features", found, format!("{} features", self.width)));
        }
        if let Some(row) = self.labels.iter().position(|&label| label as usize >= self.classes) {
            let expected = format!("a class from 0 to {}", self.classes.saturating_sub(1));
            return Err(wrong(Some(row), "label", self.labels[row].to_string(), expected));
        }
        match &self.features {
            Features::Bytes { white: 0, .. } => {
                Err(wrong(None, "white", "0".to_owned(), "1 to 255".to_owned()))
            }
            Features::Bytes { values, white } => match values.iter().position(|value| value > white) {
                Some(at) => {
                    let expected = format!("at most {white}");
                    Err(wrong(Some(at / self.width), "pixel", values[at].to_string(), expected))
                }
                None => Ok(()),
            },
            Features::Floats(values) => match values.iter().position(|value| !value.is_finite()) {
                Some(at) => {
                    let found = values[at].to_string();
                    Err(wrong(Some(at / self.width), "feature", found, "a finite number".to_owned()))
                }
                None => Ok(()),
            },
        }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are none; never, for a set that was checked.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Features of an example.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The picture's size, when the features are one.
    pub fn image(&self) -> Option<Image> {
        self.image
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The class of every example.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// How many examples each class has.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for &label in &self.labels {
            counts[label as usize] += 1;
        }
        counts
    }

    /// Writes the features of example `row` into `out`, which has room for [`Self::width`] values.
    pub fn write_row(&self, row: usize, out: &mut [f32]) {
        let range = row * self.width..(row + 1) * self.width;
        match &self.features {
            Features::Bytes { values, white } => {
                let scale = 1.0 / f32::from(*white);
                for (out, &value) in out.iter_mut().zip(&values[range]) {
                    *out = f32::from(value) * scale;
                }
            }
            Features::Floats(values) => out.copy_from_slice(&values[range]),
        }
    }

    /// As [`Self::write_row`], with the picture moved `down` and `right` by whole pixels; what comes in from outside is 0.
    /// Features that are no picture stay where they are.
    pub fn write_row_moved(&self, row: usize, down: isize, right: isize, out: &mut [f32]) {
        let Some(image) = self.image.filter(|_| (down, right) != (0, 0)) else {
            return self.write_row(row, out);
        };
        out.fill(0.0);
        let start = row * self.width;
        let (rows, columns) = (image.rows as isize, image.columns as isize);
        for to_row in down.max(0)..(rows + down.min(0)).max(0) {
            let from_row = to_row - down;
            if !(0..rows).contains(&from_row) {
                continue;
            }
            let first = right.max(0);
            let length = columns - right.abs();
            if length <= 0 {
                continue;
            }
            let to = (to_row * columns + first) as usize;
            let from = start + (from_row * columns + first - right) as usize;
            let length = length as usize;
            match &self.features {
                Features::Bytes { values, white } => {
                    let scale = 1.0 / f32::from(*white);
                    for (out, &value) in out[to..to + length].iter_mut().zip(&values[from..from + length]) {
                        *out = f32::from(value) * scale;
                    }
                }
                Features::Floats(values) => {
                    out[to..to + length].copy_from_slice(&values[from..from + length]);
                }
            }
        }
    }

    /// The examples with these indices, in this order. An index may come more than once.
    ///
    /// # Errors
    /// No index, or one past the end.
    pub fn subset(&self, rows: &[usize]) -> Result<Self, DataError> {
        if let Some(&row) = rows.iter().find(|&&row| row >= self.len()) {
            return Err(DataError::Argument {
                name: "the index of an example",
                found: row.to_string(),
                expected: format!("below {}", self.len()),
            });
        }
        let features = match &self.features {
            Features::Bytes { values, white } => {
                Features::Bytes { values: gather(values, self.width, rows), white: *white }
            }
            Features::Floats(values) => Features::Floats(gather(values, self.width, rows)),
        };
        let labels = rows.iter().map(|&row| self.labels[row]).collect();
        Self::new(self.name.clone(), features, self.width, self.image, labels, self.classes)
    }

    /// The indices of the examples whose class is chosen.
    pub fn rows_where(&self, mut chosen: impl FnMut(u32) -> bool) -> Vec<usize> {
        (0..self.len()).filter(|&row| chosen(self.labels[row])).collect()
    }

    /// Indices of a training part and of `held_out` examples drawn at random, both in ascending order; a pure function
    /// of size and seed.
    pub fn held_out(&self, held_out: usize, seed: u64) -> (Vec<usize>, Vec<usize>) {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut held = order.split_off(self.len() - held_out.min(self.len()));
        order.sort_unstable();
        held.sort_unstable();
        (order, held)
    }

    /// This set and another of the same width as one: the other's classes follow after this one's.
    ///
    /// # Errors
    /// Sets whose features are of different kinds or widths.
    pub fn joined(&self, other: &Self) -> Result<Self, DataError> {
        let features = match (&self.features, &other.features) {
            (Features::Bytes { values: a, white }, Features::Bytes { values: b, white: theirs })
                if white == theirs =>
            {
                Features::Bytes { values: [a.as_slice(), b.as_slice()].concat(), white: *white }
            }
            (Features::Floats(a), Features::Floats(b)) => {
                Features::Floats([a.as_slice(), b.as_slice()].concat())
            }
            _ => return Err(self.unlike(other)),
        };
        if self.width != other.width {
            return Err(self.unlike(other));
        }
        let moved = other.labels.iter().map(|label| label + self.classes as u32);
        let labels = self.labels.iter().copied().chain(moved).collect();
        let name = format!("{} + {}", self.name, other.name);
        Self::new(name, features, self.width, self.image, labels, self.classes + other.classes)
    }

    fn unlike(&self, other: &Self) -> DataError {
        DataError::Argument {
            name: "the second data set",
            found: format!("{} with {} features", other.name, other.width),
            expected: format!("features of the kind of {} ({} of them)", self.name, self.width),
        }
    }

    /// BLAKE3 over features, labels and number of classes, hex: what identifies the data, whatever file it came from.
    pub fn hash(&self) -> String {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&(self.width as u64).to_le_bytes());
        bytes.extend_from_slice(&(self.classes as u64).to_le_bytes());
        for label in &self.labels {
            bytes.extend_from_slice(&label.to_le_bytes());
        }
        match &self.features {
            Features::Bytes { values, white } => {
                bytes.push(*white);
                bytes.extend_from_slice(values);
            }
            Features::Floats(values) => {
                for value in values {
                    bytes.extend_from_slice(&value.to_le_bytes());
                }
            }
        }
        hash::hash_bytes(&bytes)
    }
}

fn gather<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
    rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures() -> LabelledSet {
        let values = (0..12).collect();
        let image = Some(Image { rows: 2, columns: 3 });
        LabelledSet::new("pictures", Features::Bytes { values, white: 255 }, 6, image, vec![1, 0], 2).unwrap()
    }

    fn moved(row: usize, down: isize, right: isize) -> Vec<u32> {
        let mut out = [9.0; 6];
        pictures().write_row_moved(row, down, right, &mut out);
        out.iter().map(|value| (value * 255.0).round() as u32).collect()
    }

    #[test]
    fn a_moved_picture_leaves_zeros_behind() {
        assert_eq!(moved(1, 0, 0), [6, 7, 8, 9, 10, 11]);
        assert_eq!(moved(1, 1, 0), [0, 0, 0, 6, 7, 8]);
        assert_eq!(moved(1, 0, -1), [7, 8, 0, 10, 11, 0]);
        assert_eq!(moved(1, -1, 2), [0, 0, 9, 0, 0, 0]);
        assert_eq!(moved(1, 2, 0), [0; 6]);
        assert_eq!(moved(1, 0, 5), [0; 6]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_row() {
        let floats = |values: Vec<f32>| Features::Floats(values);
        let text = |result: Result<LabelledSet, DataError>| result.unwrap_err().to_string();
        let label = text(LabelledSet::new("it", floats(vec![0.0; 4]), 2, None, vec![0, 7], 3));
        assert!(
            label.contains("example 2") && label.contains("found 7") && label.contains("0 to 2"),
            "{label}"
        );
        let count = text(LabelledSet::new("it", floats(vec![0.0; 3]), 2, None, vec![0, 1], 3));
        assert!(count.contains("3 values") && count.contains("2 examples of 2"), "{count}");
        let nan = text(LabelledSet::new("it", floats(vec![0.0, f32::NAN]), 1, None, vec![0, 1], 3));
        assert!(nan.contains("example 2") && nan.contains("NaN"), "{nan}");
        let bright = Features::Bytes { values: vec![16, 17], white: 16 };
        assert!(text(LabelledSet::new("it", bright, 1, None, vec![0, 1], 3)).contains("at most 16"));
    }

    #[test]
    fn parts_and_unions_keep_rows_and_classes() {
        let set = pictures();
        let part = set.subset(&[1, 1, 0]).unwrap();
        assert_eq!(part.labels(), [0, 0, 1]);
        assert!(set.subset(&[2]).is_err() && set.subset(&[]).is_err());
        let both = set.joined(&set).unwrap();
        assert_eq!(both.labels(), [1, 0, 3, 2]);
        assert_eq!(both.class_counts(), [1, 1, 1, 1]);
        assert_ne!(both.hash(), set.hash());
        let (kept, held) = both.held_out(1, 3);
        assert_eq!((kept.len(), held.len()), (3, 1));
        assert!(!kept.contains(&held[0]));
    }
}
