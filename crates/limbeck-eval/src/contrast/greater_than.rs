//! Years: "The war lasted from the year 1732 to the year 17" asks for more than 32.
//!
//! After Hanna et al. 2023 (arXiv 2305.00586). Right are all two-digit ends above the start's, wrong all others; the corrupted prompt starts in the year 01 of the
//! century, so that nothing rules an end out. That needs a tokenizer that writes a year as two pairs of digits. Where
//! it writes digits one by one, the tens digit is asked for: right are the digits above the start's, wrong those
//! below, and the start's own counts neither way. Other tokenizers are refused.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::draft::ids_of;
use super::{ContrastTask, Draft, Maker, even_words_within, make, require_words};
use crate::{Encode, EvalError};

const TASK: &str = "greater_than";

/// Years of a century that must be two pairs of digits for the century to be used.
const FEWEST_PAIRS: usize = 80;

/// A sentence in parts: `N` stands for what lasted, `Y` for the year it began, `C` for the century it ended in.
pub(super) type Sentence = &'static [&'static str];

/// The sentence of the paper.
pub(super) const SENTENCES: &[Sentence] = &[&["The {N}", "lasted from the year {Y}", "to the year {C}"]];

/// Other sentences.
pub(super) const OTHER_SENTENCES: &[Sentence] = &[
    &["The {N}", "began in {Y}", "and was over in {C}"],
    &["In {Y}", "the {N} began,", "which ended in {C}"],
];

/// What lasts.
pub(super) const EVENTS: [&str; 16] = [
    "war",
    "project",
    "journey",
    "debate",
    "strike",
    "siege",
    "festival",
    "reform",
    "voyage",
    "search",
    "crisis",
    "tour",
    "campaign",
    "expedition",
    "plan",
    "survey",
];

/// Further ones.
pub(super) const OTHER_EVENTS: [&str; 12] = [
    "trial",
    "drought",
    "experiment",
    "famine",
    "revolt",
    "treaty",
    "dispute",
    "construction",
    "study",
    "conflict",
    "peace",
    "rebellion",
];

/// Centuries by their first two digits.
pub(super) const CENTURIES: [u32; 5] = [12, 13, 15, 16, 17];

/// Further ones.
pub(super) const OTHER_CENTURIES: [u32; 3] = [11, 14, 18];

/// What prompts to make.
#[derive(Debug, Clone)]
pub(super) struct YearOptions {
    pub(super) seed: u64,
    pub(super) per_template: usize,
    pub(super) sentences: &'static [Sentence],
    pub(super) events: &'static [&'static str],
    pub(super) centuries: &'static [u32],
}

impl YearOptions {
    pub(super) fn usual(seed: u64, per_template: usize) -> Self {
        YearOptions { seed, per_template, sentences: SENTENCES, events: &EVENTS, centuries: &CENTURIES }
    }
}

/// Makes the prompts; they go through the centuries in turn.
pub(super) fn generate(tokenizer: &dyn Encode, options: &YearOptions) -> Result<ContrastTask, EvalError> {
    let years = Years::new(tokenizer, options)?;
    let mut task = make(&years, tokenizer, options.per_template, options.seed)?;
    if years.form == Form::Digits {
        let reason = "the tokenizer writes digits one by one, so the tens digit is asked for, and a digit equal to \
                      the start's counts neither as right nor as wrong";
        task.left_out.push(("two-digit answers".to_owned(), reason.to_owned()));
    }
    Ok(task)
}

/// How a tokenizer writes the years of a century.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// "17" and "32".
    Pairs,
    /// "1", "7", "3" and "2".
    Digits,
}

struct Years<'a> {
    options: &'a YearOptions,
    form: Form,
    events: Vec<&'a str>,
    /// Years of each century that are two pairs of digits; all of them where digits stand alone.
    written: Vec<Vec<u32>>,
}

impl<'a> Years<'a> {
    fn new(tokenizer: &dyn Encode, options: &'a YearOptions) -> Result<Years<'a>, EvalError> {
        let refuse = |reason: String| EvalError::Inexpressible { task: TASK, reason };
        let events = even_words_within(tokenizer, options.events.iter().copied())?;
        let events = require_words(TASK, "events", events, options.events.len(), 1)?;
        let added = |century: u32, year: u32| tokens_added(tokenizer, century, year);
        let (sample, digits) = (options.centuries.first().copied().unwrap_or(17), |century| {
            (0..100).all(|year| added(century, year) == Ok(Some(2)))
        });
        let form = if digits(sample) { Form::Digits } else { Form::Pairs };
        let mut written = Vec::new();
        for &century in options.centuries {
            let mut pairs = Vec::new();
            for year in 0..100 {
                if form == Form::Digits || added(century, year).map_err(refuse)? == Some(1) {
                    pairs.push(year);
                }
            }
            written.push(pairs);
        }
        if written.iter().all(|pairs| pairs.len() < FEWEST_PAIRS) {
            let example = ids_of(tokenizer, &format!("the year {sample}32")).map_err(refuse)?;
            let pieces: Result<Vec<String>, EvalError> =
                example.iter().map(|&id| tokenizer.decode_ids(&[id])).collect();
            return Err(refuse(format!(
                "it writes years neither as two pairs of digits nor as single digits: `the year {sample}32` is {:?}",
                pieces?
            )));
        }
        Ok(Years { options, form, events, written })
    }
}

/// Tokens that the last two digits add to "the year 17"; none when they change those before.
fn tokens_added(tokenizer: &dyn Encode, century: u32, year: u32) -> Result<Option<usize>, String> {
    let begun = ids_of(tokenizer, &format!("the year {century}"))?;
    let whole = ids_of(tokenizer, &format!("the year {century}{year:02}"))?;
    Ok(whole.starts_with(&begun).then(|| whole.len() - begun.len()))
}

impl Maker for Years<'_> {
    fn task(&self) -> &'static str {
        TASK
    }

    fn templates(&self) -> Vec<String> {
        let fill = |part: &&str| part.replace("{N}", "it").replace("{Y}", "Y").replace("{C}", "C");
        let named = self.options.sentences.iter();
        named.map(|parts| parts.iter().map(fill).collect::<Vec<_>>().join(" ").to_lowercase()).collect()
    }

    fn kinds(&self, _template: usize) -> Vec<String> {
        self.options.centuries.iter().map(|century| format!("years {century}00 to {century}99")).collect()
    }

    fn draw(&self, template: usize, kind: usize, rng: &mut ChaCha8Rng) -> Result<Draft, String> {
        let (century, written) = (self.options.centuries[kind], &self.written[kind]);
        if written.len() < FEWEST_PAIRS || !written.contains(&1) {
            return Err(format!("only {} of these years are two pairs of digits", written.len()));
        }
        let event = self.events.choose(rng).copied().unwrap_or_default();
        let start = match self.form {
            Form::Pairs => written.choose(rng).copied().unwrap_or_default(),
            // A tens digit with others above and below it.
            Form::Digits => rng.random_range(10..90),
        };
        if !(2..99).contains(&start) {
            return Err(format!("nothing is above or below {start}"));
        }
        let parts = |year: u32| -> Vec<String> {
            let year = format!("{century}{year:02}");
            let filled = self.options.sentences[template].iter().map(|part| {
                part.replace("{N}", event).replace("{Y}", &year).replace("{C}", &century.to_string())
            });
            filled.collect()
        };
        let (right, wrong): (Vec<String>, Vec<String>) = match self.form {
            Form::Pairs => {
                let (above, others): (Vec<u32>, Vec<u32>) = written.iter().partition(|&&year| year > start);
                let write = |years: Vec<u32>| years.iter().map(|year| format!("{year:02}")).collect();
                (write(above), write(others))
            }
            Form::Digits => {
                let tens = start / 10;
                let write = |digits: std::ops::Range<u32>| digits.map(|digit| digit.to_string()).collect();
                (write(tens + 1..10), write(0..tens))
            }
        };
        Ok(Draft { clean: parts(start), corrupted: parts(1), right, wrong, glue: "" })
    }
}
