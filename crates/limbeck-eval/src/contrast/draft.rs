//! From the parts of a prompt to its tokens, with the place of the answer settled.

use super::ContrastPrompt;
use super::words::same_text;
use crate::Encode;

/// A prompt as text, clean and corrupted, before any tokenizer. A space joins the parts.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    /// Parts of the clean prompt.
    pub(crate) clean: Vec<String>,
    /// The same parts of the corrupted one.
    pub(crate) corrupted: Vec<String>,
    /// Right answers.
    pub(crate) right: Vec<String>,
    /// Wrong answers.
    pub(crate) wrong: Vec<String>,
    /// What stands between the prompt and its answer.
    pub(crate) glue: &'static str,
}

/// A draft as tokens.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// Tokens up to the end of each part, without those that lead every text: prompts with the same layout have
    /// the same part of the sentence at every position.
    pub(crate) layout: Vec<usize>,
    /// The prompt.
    pub(crate) prompt: ContrastPrompt,
}

/// Why a tokenizer cannot write a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// What of the draft it is about: `clean`, `corrupted`, `right` or `wrong`.
    pub(crate) key: &'static str,
    /// What stands in the way.
    pub(crate) reason: String,
}

impl Draft {
    /// Writes the draft with a tokenizer, after the tokens that lead every text.
    ///
    /// The error is the reason why this tokenizer cannot: it joins an answer with the prompt, cannot tell right
    /// from wrong by one token, or puts the corrupted prompt on other positions.
    pub(crate) fn write(&self, tokenizer: &dyn Encode, leading: &[u32]) -> Result<Written, Unfit> {
        let (text, corrupted_text) = (self.clean.join(" "), self.corrupted.join(" "));
        let answers = Answers::find(tokenizer, &text, self)?;
        let unfit = |key| move |reason| Unfit { key, reason };
        let mut layout = part_ends(tokenizer, &self.clean).map_err(unfit("clean"))?;
        let other = part_ends(tokenizer, &self.corrupted).map_err(unfit("corrupted"))?;
        if layout.last() != other.last() {
            let [clean, other] = [&layout, &other].map(|ends| ends.last().copied().unwrap_or(0));
            let reason = format!("the corrupted prompt has {other} tokens and the clean one {clean}");
            return Err(Unfit { key: "corrupted", reason });
        }
        if layout != other {
            let reason = "the corrupted prompt does not fall on the same positions".to_owned();
            return Err(Unfit { key: "corrupted", reason });
        }
        layout.push(answers.ids.len());
        let mut clean = leading.to_vec();
        clean.extend(&answers.ids);
        let mut corrupted = leading.to_vec();
        corrupted.extend(ids_of(tokenizer, &corrupted_text).map_err(unfit("corrupted"))?);
        corrupted.extend(&answers.shared);
        let (right, wrong) = (answers.right, answers.wrong);
        let prompt = ContrastPrompt { clean, corrupted, right, wrong, text, corrupted_text };
        Ok(Written { layout, prompt })
    }
}

/// Where a prompt ends and its answers part.
struct Answers {
    /// Tokens up to the one before the answer token.
    ids: Vec<u32>,
    /// Tokens at the end of `ids` that all answers begin with (a lone space, a shared first digit).
    shared: Vec<u32>,
    /// Tokens there of the right answers.
    right: Vec<u32>,
    /// Tokens there of the wrong answers.
    wrong: Vec<u32>,
}

impl Answers {
    /// Tokenises the prompt with each of its answers and finds the first token in which they differ.
    ///
    /// Some tokenizers write " 5" as a space and a digit: then the space belongs to the prompt. Answers of
    /// several tokens are compared at their first difference, and what they share before it joins the prompt.
    fn find(tokenizer: &dyn Encode, prompt: &str, draft: &Draft) -> Result<Answers, Unfit> {
        let unfit = |key, reason: &str| Unfit { key, reason: reason.to_owned() };
        let alone = ids_of(tokenizer, prompt).map_err(|reason| Unfit { key: "clean", reason })?;
        let whole = |answer: &str| format!("{prompt}{}{answer}", draft.glue);
        let right = draft.right.iter().map(|answer| ("right", answer.as_str()));
        let answers: Vec<(&'static str, &str)> =
            right.chain(draft.wrong.iter().map(|answer| ("wrong", answer.as_str()))).collect();
        let mut all = Vec::with_capacity(answers.len());
        for &(key, answer) in &answers {
            let ids = ids_of(tokenizer, &whole(answer)).map_err(|reason| Unfit { key, reason })?;
            if !ids.starts_with(&alone) {
                let reason = format!("it joins the answer `{answer}` with the word before it");
                return Err(Unfit { key, reason });
            }
            all.push(ids);
        }
        let (Some(first), Some((_, answer))) = (all.first(), answers.first()) else {
            return Err(unfit("right", "there is no answer"));
        };
        let agree = |other: &Vec<u32>| first.iter().zip(other).take_while(|(a, b)| a == b).count();
        let common = all.iter().map(agree).min().unwrap_or(0);
        if let Some((key, answer)) = all.iter().position(|ids| ids.len() == common).map(|at| answers[at]) {
            let reason = format!("the tokens of the answer `{answer}` begin all the others");
            return Err(Unfit { key, reason });
        }
        let text = tokenizer.decode_ids(first).map_err(|error| unfit("clean", &error.to_string()))?;
        if !same_text(&text, &whole(answer)) {
            let reason = format!("it cannot write `{}`: that comes back as `{}`", whole(answer), text.trim());
            return Err(Unfit { key: "clean", reason });
        }
        let (right, wrong) = all.split_at(draft.right.len());
        let tokens = |answers: &[Vec<u32>]| {
            let mut tokens: Vec<u32> = answers.iter().map(|ids| ids[common]).collect();
            tokens.sort_unstable();
            tokens.dedup();
            tokens
        };
        let (ids, shared) = (first[..common].to_vec(), first[alone.len()..common].to_vec());
        let found = Answers { ids, shared, right: tokens(right), wrong: tokens(wrong) };
        for (key, tokens) in [("right", &found.right), ("wrong", &found.wrong)] {
            if tokens.is_empty() {
                return Err(unfit(key, &format!("there is no {key} answer")));
            }
        }
        match found.right.iter().find(|token| found.wrong.contains(token)) {
            None => Ok(found),
            Some(token) => {
                let piece = tokenizer.decode_ids(&[*token]).unwrap_or_default();
                let reason = format!("a right and a wrong answer both begin with the token `{piece}`");
                Err(Unfit { key: "wrong", reason })
            }
        }
    }
}

/// Tokens of a text, or why there are none: a closed vocabulary refuses words it lacks.
pub(crate) fn ids_of(tokenizer: &dyn Encode, text: &str) -> Result<Vec<u32>, String> {
    tokenizer.encode_text(text).map_err(|error| error.to_string())
}

/// Tokens of the text up to the end of each of its parts.
fn part_ends(tokenizer: &dyn Encode, parts: &[String]) -> Result<Vec<usize>, String> {
    (1..=parts.len()).map(|many| ids_of(tokenizer, &parts[..many].join(" ")).map(|ids| ids.len())).collect()
}
