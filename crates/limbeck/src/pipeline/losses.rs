//! What of the data was lost on the way to token examples, counted by reason.

use std::collections::BTreeMap;

use limbeck_data::examples::TokenExample;
use serde::{Deserialize, Serialize};

/// Records read, and what became of those that were not kept whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Losses {
    /// Records read.
    pub(crate) read: usize,
    /// Records left out, by reason.
    pub(crate) dropped: BTreeMap<String, usize>,
    /// Records cut at their end, what is left of them kept.
    pub(crate) cut: usize,
    /// Tokens of the longest record.
    pub(crate) longest: usize,
    /// `data.sequence_length`, where a record was longer.
    pub(crate) limit: Option<usize>,
    /// Tokens of kept records that hold text of prompt and answer. They are scored with the answer, whose tokens would be others
    /// behind a border.
    #[serde(default)]
    pub(crate) spanning_tokens: usize,
    /// Records with such tokens.
    #[serde(default)]
    pub(crate) spanning_records: usize,
}

/// A record without anything to learn.
const NOTHING: &str =
    "with nothing to learn in them (an empty completion or text, or no turn of the assistant)";
/// A record of which only the prompt is left.
const PROMPT: &str = "whose prompt alone fills the sequence";

impl Losses {
    /// Cuts an example to `limit` tokens; none when nothing to learn is left of it.
    pub(crate) fn fit(&mut self, mut example: TokenExample, limit: usize) -> Option<TokenExample> {
        self.read += 1;
        self.longest = self.longest.max(example.len());
        let whole = example.scored_count();
        let long = example.len() > limit;
        if long {
            self.limit = Some(limit);
            example.ids.truncate(limit);
            example.scored.truncate(limit);
        }
        let left = example.scored_count();
        if left > 0 {
            // What was cut off may have been a last turn of the user's, of which nothing is learned.
            self.cut += usize::from(left < whole);
            return Some(example);
        }
        let reason = if whole == 0 { NOTHING } else { PROMPT };
        *self.dropped.entry(reason.to_owned()).or_default() += 1;
        None
    }

    /// Notes the tokens of a kept record that hold text of prompt and answer.
    pub(crate) fn span(&mut self, tokens: usize) {
        self.spanning_tokens += tokens;
        self.spanning_records += usize::from(tokens > 0);
    }

    /// The tokens across the border of prompt and answer in a sentence; none when there are none.
    pub(crate) fn spanning(&self) -> Option<String> {
        let (tokens, records) = (self.spanning_tokens, self.spanning_records);
        (tokens > 0).then(|| {
            format!(
                "tokens that hold text of prompt and answer, scored with the answer: {tokens}, in {records} of {} records",
                self.read
            )
        })
    }

    /// Records that were left out or cut.
    pub(crate) fn lost(&self) -> usize {
        self.cut + self.dropped.values().sum::<usize>()
    }

    /// The losses in a sentence; none when there are none.
    pub(crate) fn sentence(&self) -> Option<String> {
        let mut parts: Vec<String> =
            self.dropped.iter().map(|(reason, count)| format!("{count} left out, {reason}")).collect();
        if self.cut > 0 {
            parts.push(format!("{} cut at their end", self.cut));
        }
        if parts.is_empty() {
            return None;
        }
        let mut text = format!("of {} records, {}", self.read, parts.join("; "));
        if let Some(limit) = self.limit {
            text +=
                &format!(" (data.sequence_length = {limit}; the longest record has {} tokens)", self.longest);
        }
        Some(text)
    }

    /// Why a run with these losses is refused, when it is.
    pub(crate) fn refusal(&self, max_lost: f64) -> Option<String> {
        let share = self.lost() as f64 / self.read.max(1) as f64;
        if share <= max_lost {
            return None;
        }
        let cure = if self.limit.is_some() {
            format!("raise data.sequence_length (up to {} keeps all whole), ", self.longest)
        } else {
            "mend the records, ".to_owned()
        };
        Some(format!(
            "{}: {:.1}% are lost, and data.max_lost = {max_lost} allows {:.1}%; {cure}or raise data.max_lost to go on with what is left",
            self.sentence().unwrap_or_default(),
            100.0 * share,
            100.0 * max_lost
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_has_its_reason() {
        let mut losses = Losses::default();
        let of = |prompt: u32, completion: u32| {
            let ids = |count: u32| (0..count).collect::<Vec<_>>();
            TokenExample::completion(&ids(prompt), &ids(completion))
        };
        assert_eq!(losses.fit(of(3, 3), 6).unwrap().len(), 6);
        assert_eq!(losses.sentence(), None);
        assert_eq!(losses.fit(of(3, 5), 6).unwrap().scored_count(), 3);
        assert_eq!(losses.fit(of(9, 1), 6), None);
        assert_eq!(losses.fit(of(3, 0), 6), None);
        assert_eq!((losses.read, losses.lost(), losses.cut, losses.longest), (4, 3, 1, 10));
        let said = losses.sentence().unwrap();
        for part in
            ["of 4 records", "1 left out, whose prompt", "1 left out, with nothing", "1 cut", "= 6", "has 10"]
        {
            assert!(said.contains(part), "{part} is not in {said}");
        }
        let refused = losses.refusal(0.5).unwrap();
        assert!(refused.contains("75.0%") && refused.contains("up to 10"), "{refused}");
        assert_eq!(losses.refusal(0.75), None);
        assert_eq!(losses.spanning(), None);
        [0, 2, 1].into_iter().for_each(|tokens| losses.span(tokens));
        let said = losses.spanning().unwrap();
        assert!(said.contains("3, in 2 of 4 records") && losses.lost() == 3, "{said}");
    }
}
