//! Ten thousand damaged recipes: each is read or refused, none breaks the reader.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use limbeck::recipe::{BUILTIN, load_text};

/// A small generator of our own, so that the mutants are the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

const FRAGMENTS: &[&str] = &[
    "[",
    "]",
    "[[",
    "]]",
    "=",
    "\"",
    "'''",
    "\n",
    "{",
    "}",
    ".",
    ",",
    "#",
    "-",
    "nan",
    "inf",
    "-1",
    "0",
    "99999999999999999999",
    "9223372036854775807",
    "1e999",
    "true",
    "kind",
    "kind = \"layers\"",
    "\u{0}",
    "é",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r = 1",
    "2026-01-01",
];

fn mutate(text: &str, dice: &mut Dice) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(chars.len());
        match dice.below(5) {
            0 => {
                let end = (at + 1 + dice.below(20)).min(chars.len());
                chars.drain(at.min(end)..end);
            }
            1 => {
                let fragment = FRAGMENTS[dice.below(FRAGMENTS.len())];
                chars.splice(at..at, fragment.chars());
            }
            2 => chars.truncate(at),
            3 => {
                let end = (at + dice.below(60)).min(chars.len());
                let copy = chars[at..end].to_vec();
                let to = dice.below(chars.len());
                chars.splice(to..to, copy);
            }
            _ => {
                if let Some(place) = chars.get_mut(at) {
                    *place = char::from(32 + dice.below(95) as u8);
                }
            }
        }
        if chars.is_empty() {
            break;
        }
    }
    chars.into_iter().collect()
}

#[test]
fn ten_thousand_damaged_recipes_are_read_or_refused() {
    let mut sources: Vec<&str> = BUILTIN.iter().map(|one| one.text).collect();
    sources.push(include_str!("tiny.toml"));
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let (mut read, mut refused) = (0, 0);
    for turn in 0..10_000 {
        let text = mutate(sources[turn % sources.len()], &mut dice);
        match load_text(&text, Path::new("mutant.toml"), &[]) {
            Ok(loaded) => {
                assert!(!loaded.resolved.is_empty());
                read += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    // Both ends of the reader were met.
    assert!(read > 100 && refused > 1000, "{read} read, {refused} refused");
}
