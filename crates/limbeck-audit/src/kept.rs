//! Parts of an audit that an interrupted process has found already.

use limbeck_data::progress::Progress;

use crate::AuditError;
use crate::rows::stop_if_asked;

/// What `work` finds of a part of the audit, or what an interrupted process kept of it, bit for bit; `steps` of the
/// work are then done. Stops before the part on request.
pub(crate) fn kept_part(
    part: &str,
    steps: u64,
    progress: &dyn Progress,
    work: impl FnOnce() -> Result<Vec<f64>, AuditError>,
) -> Result<Vec<f64>, AuditError> {
    stop_if_asked(progress)?;
    if let Some(found) = progress.recall(part).as_deref().and_then(read) {
        progress.resume(steps);
        return Ok(found);
    }
    let found = work()?;
    keep(part, &found, progress);
    progress.advance(steps);
    Ok(found)
}

/// The values kept of a part, where there are as many as they must be.
pub(crate) fn recalled(part: &str, count: usize, progress: &dyn Progress) -> Option<Vec<f64>> {
    progress.recall(part).as_deref().and_then(read).filter(|values| values.len() == count)
}

/// Keeps the values of a part.
pub(crate) fn keep(part: &str, values: &[f64], progress: &dyn Progress) {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    progress.keep(part, &bytes);
}

fn read(bytes: &[u8]) -> Option<Vec<f64>> {
    let (values, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| values.iter().map(|value| f64::from_le_bytes(*value)).collect())
}
