//! Indirect objects: "When Mary and John went to the store, John gave a drink to" asks for Mary.
//!
//! After Wang et al. 2022 (arXiv 2211.00593). Right is the name said once, wrong the name said twice. The corrupted prompt names three others, each once
//! (the ABC corruption), so that nothing in it tells who is given to.

use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::people::PEOPLE;
use super::{ContrastTask, Draft, Maker, even_words_within, make, require_words};
use crate::{Encode, EvalError};

const TASK: &str = "ioi";

/// A sentence in parts: `1` and `2` stand for the two people, `S` for the one of them who gives, `P` for the place,
/// `O` for what is given.
pub(super) type Sentence = [&'static str; 5];

/// The usual sentences.
pub(super) const SENTENCES: [Sentence; 3] = [
    ["When {1}", "and {2}", "went to the {P},", "{S} gave a {O}", "to"],
    ["Then {1}", "and {2}", "spent a day at the {P},", "and {S} handed a {O}", "to"],
    ["After {1}", "and {2}", "met in the {P},", "{S} passed a {O}", "to"],
];

/// Other sentences.
pub(super) const OTHER_SENTENCES: [Sentence; 3] = [
    ["While {1}", "and {2}", "waited near the {P},", "{S} showed a {O}", "to"],
    ["Since {1}", "and {2}", "work for the {P},", "{S} sent a {O}", "to"],
    ["Yesterday {1}", "and {2}", "saw the {P},", "where {S} sold a {O}", "to"],
];

const PLACES: [&str; 14] = [
    "store",
    "park",
    "school",
    "office",
    "garden",
    "house",
    "market",
    "station",
    "hospital",
    "library",
    "restaurant",
    "beach",
    "church",
    "museum",
];

const OBJECTS: [&str; 14] = [
    "drink", "book", "ring", "key", "map", "ball", "cup", "hat", "letter", "gift", "basket", "card", "coin",
    "pen",
];

/// What prompts to make.
#[derive(Debug, Clone)]
pub(super) struct IoiOptions<'a> {
    pub(super) seed: u64,
    pub(super) per_template: usize,
    pub(super) sentences: &'a [Sentence],
    pub(super) names: Vec<&'a str>,
    /// A sentence said before the prompt.
    pub(super) before: Option<&'static str>,
}

impl<'a> IoiOptions<'a> {
    pub(super) fn usual(seed: u64, per_template: usize, names: Option<&'a [String]>) -> Self {
        let names = names.map_or_else(|| PEOPLE.to_vec(), |own| own.iter().map(String::as_str).collect());
        IoiOptions { seed, per_template, sentences: &SENTENCES, names, before: None }
    }
}

/// Makes the prompts; in every second one the giver is named first.
pub(super) fn generate<'a>(
    tokenizer: &dyn Encode,
    options: &IoiOptions<'a>,
) -> Result<ContrastTask, EvalError> {
    let words = |what: &str, words: &[&'a str], needed: usize| {
        let even = even_words_within(tokenizer, words.iter().copied())?;
        require_words(TASK, what, even, words.len(), needed)
    };
    let scenes = Scenes {
        sentences: options.sentences,
        before: options.before,
        names: words("names", &options.names, 5)?,
        places: words("places", &PLACES, 1)?,
        objects: words("objects", &OBJECTS, 1)?,
    };
    make(&scenes, tokenizer, options.per_template, options.seed)
}

struct Scenes<'a> {
    sentences: &'a [Sentence],
    before: Option<&'static str>,
    names: Vec<&'a str>,
    places: Vec<&'a str>,
    objects: Vec<&'a str>,
}

impl Maker for Scenes<'_> {
    fn task(&self) -> &'static str {
        TASK
    }

    fn templates(&self) -> Vec<String> {
        self.sentences.iter().map(|parts| parts[0].replace(" {1}", "").to_lowercase()).collect()
    }

    fn kinds(&self, _template: usize) -> Vec<String> {
        vec!["giver named second".to_owned(), "giver named first".to_owned()]
    }

    fn draw(&self, template: usize, kind: usize, rng: &mut ChaCha8Rng) -> Result<Draft, String> {
        let names: Vec<&str> = self.names.choose_multiple(rng, 5).copied().collect();
        let [giver, receiver, others @ ..] = names.as_slice() else {
            return Err("there are fewer than five names".to_owned());
        };
        let place = self.places.choose(rng).copied().unwrap_or_default();
        let object = self.objects.choose(rng).copied().unwrap_or_default();
        let parts = |first: &str, second: &str, gives: &str| -> Vec<String> {
            let filled = self.sentences[template].iter().map(|part| {
                let people = part.replace("{1}", first).replace("{2}", second).replace("{S}", gives);
                people.replace("{P}", place).replace("{O}", object)
            });
            self.before.map(str::to_owned).into_iter().chain(filled).collect()
        };
        let clean = if kind == 0 { parts(receiver, giver, giver) } else { parts(giver, receiver, giver) };
        Ok(Draft {
            clean,
            corrupted: parts(others[0], others[1], others[2]),
            right: vec![(*receiver).to_owned()],
            wrong: vec![(*giver).to_owned()],
            glue: " ",
        })
    }
}
