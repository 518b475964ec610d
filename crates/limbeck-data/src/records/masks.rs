//! Token ids made elsewhere, and the masks that say which of them are learned.

use serde_json::Value;

use super::Record;
use super::columns::{Misfit, describe};

/// The label that is not learned, in Hugging Face's collators.
const IGNORED_LABEL: i64 = -100;

/// A record of `input_ids`; `take` gives the other columns of the row. What every mask lets through is learned:
/// `labels` other than -100, and 1 or true in `loss_mask`, `completion_mask` and `assistant_masks`. Tokens that
/// `attention_mask` hides at either end are padding and are cut off.
pub(super) fn tokens(ids: Value, mut take: impl FnMut(&str) -> Option<Value>) -> Result<Record, Misfit> {
    let mut input_ids = token_ids(ids)?;
    let length = input_ids.len();
    let mut mask: Option<Vec<bool>> = None;
    for column in ["loss_mask", "completion_mask", "assistant_masks", "assistant_mask"] {
        if let Some(value) = take(column) {
            both(&mut mask, flags(column, value, length)?);
        }
    }
    if let Some(value) = take("labels") {
        both(&mut mask, labels(value, &input_ids)?);
    }
    if let Some(value) = take("position_ids") {
        positions(value, length)?;
    }
    if let Some(value) = take("attention_mask") {
        let seen = flags("attention_mask", value, length)?;
        let first = seen.iter().position(|flag| *flag).unwrap_or(length);
        let end = seen.iter().rposition(|flag| *flag).map_or(first, |last| last + 1);
        if let Some(gap) = seen[first..end].iter().position(|flag| !flag) {
            return Err(Misfit::new(
                format!("attention_mask[{}]", first + gap),
                "0 between tokens that are seen",
                "0 at the beginning or the end only, for padding, or data.ignore = [\"attention_mask\"]",
            ));
        }
        input_ids = input_ids[first..end].to_vec();
        mask = mask.map(|mask| mask[first..end].to_vec());
    }
    Ok(Record::Tokens { input_ids, loss_mask: mask })
}

/// Keeps what both masks let through.
fn both(mask: &mut Option<Vec<bool>>, other: Vec<bool>) {
    match mask {
        Some(mask) => mask.iter_mut().zip(other).for_each(|(flag, other)| *flag &= other),
        None => *mask = Some(other),
    }
}

fn token_ids(value: Value) -> Result<Vec<u32>, Misfit> {
    let Value::Array(list) = value else {
        return Err(Misfit::new("input_ids", describe(&value), "a list of token ids"));
    };
    list.into_iter()
        .enumerate()
        .map(|(index, value)| {
            value.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(|| {
                Misfit::new(
                    format!("input_ids[{index}]"),
                    describe(&value),
                    "a whole number from 0 to 4294967295",
                )
            })
        })
        .collect()
}

/// A list of as many entries as there are ids.
fn list(column: &str, value: Value, length: usize, of: &str) -> Result<Vec<Value>, Misfit> {
    match value {
        Value::Array(list) if list.len() == length => Ok(list),
        Value::Array(list) => Err(Misfit::new(
            column,
            format!("{} entries", list.len()),
            format!("{length}, as many as `input_ids`"),
        )),
        other => Err(Misfit::new(column, describe(&other), format!("a list of {of}"))),
    }
}

fn flags(column: &str, value: Value, length: usize) -> Result<Vec<bool>, Misfit> {
    list(column, value, length, "true and false, or 1 and 0")?
        .into_iter()
        .enumerate()
        .map(|(index, value)| match (&value, value.as_u64()) {
            (Value::Bool(flag), _) => Ok(*flag),
            (_, Some(0)) => Ok(false),
            (_, Some(1)) => Ok(true),
            _ => Err(Misfit::new(format!("{column}[{index}]"), describe(&value), "true, false, 1 or 0")),
        })
        .collect()
}

/// Labels stand at the tokens they repeat: each is -100 or the id at its place.
fn labels(value: Value, ids: &[u32]) -> Result<Vec<bool>, Misfit> {
    let list = list("labels", value, ids.len(), "token ids, -100 where nothing is learned")?;
    let shifted = list.len() > 1
        && list.iter().zip(ids.iter().skip(1)).all(|(label, next)| {
            label.as_i64().is_some_and(|label| label == IGNORED_LABEL || label == i64::from(*next))
        });
    list.iter()
        .zip(ids)
        .enumerate()
        .map(|(index, (label, id))| match label.as_i64() {
            Some(IGNORED_LABEL) => Ok(false),
            Some(label) if label == i64::from(*id) => Ok(true),
            _ => Err(Misfit::new(
                format!("labels[{index}]"),
                describe(label),
                if shifted {
                    format!("-100 or {id}, the token at its own place: these labels are shifted by one")
                } else {
                    format!("-100 or {id}, as `input_ids` has there")
                },
            )),
        })
        .collect()
}

/// Positions must count up from 0: others mean packed sequences, which would see each other.
fn positions(value: Value, length: usize) -> Result<(), Misfit> {
    let list = list("position_ids", value, length, "positions")?;
    match list.iter().enumerate().find(|(index, value)| value.as_u64() != Some(*index as u64)) {
        None => Ok(()),
        Some((index, value)) => Err(Misfit::new(
            format!("position_ids[{index}]"),
            describe(value),
            format!("{index}: one sequence a record, or data.ignore = [\"position_ids\"] to pass it over"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::columns::Columns;
    use super::*;

    fn read(value: Value) -> Result<(Vec<u32>, Option<Vec<bool>>), Misfit> {
        match Columns::default().record(value)? {
            Record::Tokens { input_ids, loss_mask } => Ok((input_ids, loss_mask)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_mask_is_used_and_padding_is_cut_off() {
        let learned = Some(vec![false, true, true]);
        for (column, mask) in [
            ("labels", json!([-100, 8, 9])),
            ("loss_mask", json!([0, 1, 1])),
            ("completion_mask", json!([0, 1, 1])),
            ("assistant_masks", json!([false, true, true])),
        ] {
            let mut row = json!({"input_ids": [7, 8, 9]});
            row[column] = mask;
            assert_eq!(read(row).unwrap(), (vec![7, 8, 9], learned.clone()), "{column}");
        }
        let both = json!({"input_ids": [7, 8, 9], "labels": [-100, 8, 9], "completion_mask": [1, 1, 0]});
        assert_eq!(read(both).unwrap().1, Some(vec![false, true, false]));
        for (ids, attention, labels) in [
            (json!([7, 8, 9, 0, 0]), json!([1, 1, 1, 0, 0]), json!([-100, 8, 9, -100, -100])),
            (json!([0, 7, 8, 9]), json!([0, 1, 1, 1]), json!([-100, -100, 8, 9])),
        ] {
            let row = json!({"input_ids": ids, "attention_mask": attention, "labels": labels});
            assert_eq!(read(row).unwrap(), (vec![7, 8, 9], learned.clone()));
        }
        assert_eq!(read(json!({"input_ids": [7], "labels": null})).unwrap().1, None);
        let all_hidden = json!({"input_ids": [7, 8], "attention_mask": [0, 0]});
        assert_eq!(read(all_hidden).unwrap().0, Vec::<u32>::new());
    }

    #[test]
    fn masks_that_do_not_fit_are_refused_by_place() {
        for (row, column, part) in [
            (json!({"input_ids": [7, 8], "labels": [-100]}), "labels", "2, as many"),
            (json!({"input_ids": [7, 8], "labels": [7, 9]}), "labels[1]", "-100 or 8"),
            (json!({"input_ids": [7, 8, 9], "labels": [8, 9, -100]}), "labels[0]", "shifted by one"),
            (json!({"input_ids": [7, 8], "labels": "x"}), "labels", "a list of token ids"),
            (json!({"input_ids": [7, 8, 9], "attention_mask": [1, 0, 1]}), "attention_mask[1]", "padding"),
            (json!({"input_ids": [7], "completion_mask": [2]}), "completion_mask[0]", "1 or 0"),
            (json!({"input_ids": [7, 8, 9], "position_ids": [0, 1, 0]}), "position_ids[2]", "one sequence"),
        ] {
            let misfit = read(row).unwrap_err();
            assert_eq!(misfit.column.as_deref(), Some(column));
            assert!(misfit.expected.contains(part), "{misfit:?}");
        }
    }
}
