//! The settings of an audit of models that no recipe names: `audit.*` keys alone.

use limbeck_audit::AuditConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{Problem, RecipeError};
use super::layers::{Override, set};
use super::node::Node;
use super::origin::Origin;
use super::{sense, shape};

/// The section such an audit reads.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Audited {
    audit: AuditConfig,
}

/// The defaults with `changes` laid over them, the later over the earlier.
///
/// # Errors
/// For a key that is not one of `audit.*`, for it would change nothing; and as [`super::load_text`].
pub fn audit_settings(changes: &[Override]) -> Result<AuditConfig, RecipeError> {
    let mut root = Node::empty(Origin::Default);
    for change in changes {
        if change.key != "audit" && !change.key.starts_with("audit.") {
            return Err(Problem {
                origin: change.origin.clone(),
                key: Some(change.key.clone()),
                message: "an audit of models without a recipe has the keys audit.* only".into(),
                hint: Some("for example: --set audit.resamples=1000".into()),
            }
            .into());
        }
        set(&mut root, change)?;
    }
    let problems = shape::check(&root, &schemars::schema_for!(Audited).to_value());
    if !problems.is_empty() {
        return Err(RecipeError::Invalid { problems });
    }
    let found: Audited = serde_json::from_value(root.to_json()).map_err(|error| {
        let place =
            Problem { origin: root.place_of("audit"), key: None, message: error.to_string(), hint: None };
        RecipeError::from(place)
    })?;
    match sense::audit(&found.audit, &root) {
        None => Ok(found.audit),
        Some(problem) => Err(problem.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(changes: &[&str]) -> Result<AuditConfig, String> {
        let changes: Vec<Override> = changes.iter().map(|one| Override::from_flag(one).unwrap()).collect();
        audit_settings(&changes).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_of_the_audit_are_obeyed() {
        assert_eq!(settings(&[]).unwrap(), AuditConfig::default());
        let found =
            settings(&["audit.resamples=77", "audit.circuit.threshold=5", "audit.ablation=zero"]).unwrap();
        assert_eq!((found.resamples, found.circuit.threshold), (77, 5.0));
        assert_eq!(found.ablation.name(), "zero");
        let later = settings(&["audit.seed=1", "audit.seed=2"]).unwrap();
        assert_eq!(later.seed, 2);
    }

    #[test]
    fn what_would_change_nothing_is_refused() {
        for (change, said) in [
            ("training.steps=3", "the keys audit.* only"),
            ("audit.resample=3", "audit.resample"),
            ("audit.resamples=many", "expected an integer"),
            ("audit.resamples=0", "at least 1"),
            ("audit=false", "audit"),
            ("audit.task=nothing", "nothing"),
        ] {
            let refused = settings(&[change]).unwrap_err();
            assert!(refused.contains(said) && refused.contains("--set"), "{change}: {refused}");
        }
    }
}
