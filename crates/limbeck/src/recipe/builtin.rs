//! The recipes that come with the program.

use super::error::RecipeError;

/// A recipe compiled in.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// Its name, as `limbeck recipes show` takes it.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// All of them, in the order a newcomer tries them.
pub const BUILTIN: &[Builtin] = &[
    Builtin { name: "quickstart", text: include_str!("../../../../recipes/quickstart.toml") },
    Builtin { name: "smollm2-halved", text: include_str!("../../../../recipes/smollm2-halved.toml") },
];

/// The recipe of this name.
///
/// # Errors
/// When there is none; the error lists those there are.
pub fn builtin(name: &str) -> Result<&'static Builtin, RecipeError> {
    BUILTIN.iter().find(|one| one.name == name).ok_or_else(|| RecipeError::Unknown {
        name: name.to_owned(),
        known: BUILTIN.iter().map(|one| one.name.to_owned()).collect(),
    })
}

impl Builtin {
    /// What the recipe is for: its own `description`.
    pub fn description(&self) -> String {
        super::load_text(self.text, std::path::Path::new(self.name), &[])
            .map(|loaded| loaded.recipe.description)
            .unwrap_or_default()
    }
}
