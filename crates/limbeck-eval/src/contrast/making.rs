//! How every built-in task makes its prompts: draws, groups by layout, and enough corrupted prompts for means.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::draft::{Draft, Written};
use super::{ContrastGroup, ContrastPrompt, ContrastTask};
use crate::{Encode, EvalError};

/// Draws after which something that depends on chance is given up.
pub(crate) const DRAWS: usize = 1_000;
/// Draws after which a kind of prompt counts as one that the tokenizer cannot write.
const TRIES: usize = 20;
/// Fewest corrupted prompts in a group.
const FEWEST_CORRUPTED: usize = 32;

/// What a task knows of its own prompts.
pub(crate) trait Maker {
    /// The task's name.
    fn task(&self) -> &'static str;
    /// Names of its templates.
    fn templates(&self) -> Vec<String>;
    /// What prompts of a template are made for in turn (a start, an order of names, a subject), by name.
    fn kinds(&self, template: usize) -> Vec<String>;
    /// Whether a kind makes one prompt only, because a second would say the same.
    fn once(&self) -> bool {
        false
    }
    /// One prompt, or the reason why this tokenizer cannot have it.
    fn draw(&self, template: usize, kind: usize, rng: &mut ChaCha8Rng) -> Result<Draft, String>;
}

/// Makes `per_template` prompts for each template of a task.
///
/// Prompts that fall on the same positions form a group. Kinds of prompt that the tokenizer cannot write are left out,
/// each with the reason.
///
/// # Errors
/// [`EvalError::Inexpressible`] when no kind of prompt is left; [`EvalError::Option`] when no prompt is asked for.
pub(crate) fn make(
    maker: &dyn Maker,
    tokenizer: &dyn Encode,
    per_template: usize,
    seed: u64,
) -> Result<ContrastTask, EvalError> {
    if per_template == 0 {
        return Err(EvalError::Option {
            option: "per_template",
            found: "0".to_owned(),
            expected: "there must be at least one prompt".to_owned(),
        });
    }
    Making { maker, tokenizer, leading: tokenizer.leading()?, seed }.task(per_template)
}

struct Making<'a> {
    maker: &'a dyn Maker,
    tokenizer: &'a dyn Encode,
    leading: Vec<u32>,
    seed: u64,
}

impl Making<'_> {
    fn task(&self, per_template: usize) -> Result<ContrastTask, EvalError> {
        let mut left_out: Vec<(String, String)> = Vec::new();
        let mut groups: BTreeMap<(usize, Vec<usize>), Vec<(usize, ContrastPrompt)>> = BTreeMap::new();
        let templates = self.maker.templates();
        for (template, name) in templates.iter().enumerate() {
            let kinds = self.kinds(template, &mut left_out);
            let count = if self.maker.once() { per_template.min(kinds.len()) } else { per_template };
            if count < per_template && count > 0 {
                let reason = format!("{count} prompts of the {per_template} asked for: there are no more");
                left_out.push((name.clone(), reason));
            }
            let mut rng = self.rng(template as u64 + 1);
            for index in 0..if kinds.is_empty() { 0 } else { count } {
                let kind = kinds[index % kinds.len()];
                let written = self.attempt(template, kind, &mut rng).map_err(|reason| {
                    let kind = self.maker.kinds(template).swap_remove(kind);
                    self.inexpressible(format!("{kind}: {reason}"))
                })?;
                groups.entry((template, written.layout)).or_default().push((kind, written.prompt));
            }
        }
        if groups.is_empty() {
            let reason = left_out.first().map(|(what, why)| format!("{what}: {why}")).unwrap_or_default();
            return Err(self.inexpressible(reason));
        }
        let groups = groups.into_iter().enumerate().map(|(index, ((template, layout), prompts))| {
            let length = prompts[0].1.clean.len();
            ContrastGroup {
                name: format!("{}, {length} tokens", templates[template]),
                length,
                corrupted: self.corrupted(index, template, &layout, &prompts),
                prompts: prompts.into_iter().map(|(_, prompt)| prompt).collect(),
            }
        });
        Ok(ContrastTask { name: self.maker.task().to_owned(), groups: groups.collect(), left_out })
    }

    /// The kinds of a template that the tokenizer can write; the others are noted, one entry a reason.
    fn kinds(&self, template: usize, left_out: &mut Vec<(String, String)>) -> Vec<usize> {
        let mut kinds = Vec::new();
        let mut refused: Vec<(String, String)> = Vec::new();
        for (kind, name) in self.maker.kinds(template).into_iter().enumerate() {
            match self.attempt(template, kind, &mut self.rng(0)) {
                Ok(_) => kinds.push(kind),
                Err(reason) => match refused.iter_mut().find(|(_, known)| *known == reason) {
                    Some((names, _)) => *names += &format!(", {name}"),
                    None => refused.push((name, reason)),
                },
            }
        }
        // Templates with the same kinds say the same.
        refused.retain(|entry| !left_out.contains(entry));
        left_out.extend(refused);
        kinds
    }

    fn attempt(&self, template: usize, kind: usize, rng: &mut ChaCha8Rng) -> Result<Written, String> {
        let mut last = self.draw(template, kind, rng);
        for _ in 1..TRIES {
            if last.is_ok() {
                break;
            }
            last = self.draw(template, kind, rng);
        }
        last
    }

    fn draw(&self, template: usize, kind: usize, rng: &mut ChaCha8Rng) -> Result<Written, String> {
        let draft = self.maker.draw(template, kind, rng)?;
        draft.write(self.tokenizer, &self.leading).map_err(|unfit| unfit.reason)
    }

    /// The corrupted prompts of a group, made up to [`FEWEST_CORRUPTED`].
    fn corrupted(
        &self,
        index: usize,
        template: usize,
        layout: &[usize],
        prompts: &[(usize, ContrastPrompt)],
    ) -> Vec<Vec<u32>> {
        let mut corrupted: Vec<Vec<u32>> =
            prompts.iter().map(|(_, prompt)| prompt.corrupted.clone()).collect();
        // A stream of its own, past those of the templates.
        let mut rng = self.rng((1 << 32) + index as u64);
        for draw in 0..DRAWS {
            if corrupted.len() >= FEWEST_CORRUPTED {
                break;
            }
            let kind = prompts[draw % prompts.len()].0;
            if let Ok(written) = self.draw(template, kind, &mut rng)
                && written.layout == layout
            {
                corrupted.push(written.prompt.corrupted);
            }
        }
        corrupted
    }

    fn rng(&self, stream: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(stream);
        rng
    }

    fn inexpressible(&self, reason: String) -> EvalError {
        EvalError::Inexpressible { task: self.maker.task(), reason }
    }
}
