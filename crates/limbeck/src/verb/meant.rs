//! What to type instead of a verb, a flag or a value that there is not.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};
use limbeck::recipe::{BUILTIN, nearest};

use super::Cli;

/// Verbs of other programs, and what does that here.
const VERBS: &[(&str, &str)] = &[
    ("distil", "run RECIPE"),
    ("distill", "run RECIPE"),
    ("distillation", "run RECIPE"),
    ("start", "quickstart"),
    ("go", "quickstart"),
    ("demo", "quickstart"),
    ("example", "quickstart"),
    ("try", "quickstart"),
    ("init", "recipes show quickstart"),
    ("new", "recipes show quickstart"),
    ("resume", "run RECIPE"),
    ("continue", "run RECIPE"),
    ("finetune", "train RECIPE"),
    ("fine-tune", "train RECIPE"),
    ("fit", "train RECIPE"),
    ("check", "validate RECIPE"),
    ("lint", "validate RECIPE"),
    ("dry-run", "validate RECIPE"),
    ("estimate", "validate RECIPE"),
    ("eval", "evaluate RECIPE"),
    ("score", "evaluate RECIPE"),
    ("test", "evaluate RECIPE"),
    ("compare", "audit --teacher MODEL --student MODEL"),
    ("inspect", "model show MODEL"),
    ("info", "model show MODEL"),
    ("show", "model show MODEL"),
    ("generate", "model generate MODEL --prompt TEXT"),
    ("complete", "model generate MODEL --prompt TEXT"),
    ("infer", "model generate MODEL --prompt TEXT"),
    ("chat", "model generate MODEL --chat --prompt TEXT"),
    ("tokenize", "model tokens MODEL --text TEXT"),
    ("tokens", "model tokens MODEL --text TEXT"),
    ("encode", "model tokens MODEL --text TEXT"),
    ("export", "model export MODEL --format gguf --out FILE"),
    ("convert", "model export MODEL --format gguf --out FILE"),
    ("quantize", "model export MODEL --format gguf --dtype q8_0 --out FILE"),
    ("logits", "model logits MODEL --text TEXT --out FILE"),
    ("list", "recipes list"),
    ("ls", "recipes list"),
    ("models", "model show MODEL"),
    ("recipe", "recipes list"),
    ("html", "report RUN"),
    ("render", "report RUN"),
    ("verify", "gate RUN"),
    ("assert", "gate RUN"),
    ("paper", "reproduce list"),
    ("benchmark", "bench step"),
    ("version", "--version"),
];

/// Flags of other programs, and what does that here.
const FLAGS: &[(&str, &str)] = &[
    ("output", "--out DIR"),
    ("output-dir", "--out DIR"),
    ("out-dir", "--out DIR"),
    ("dir", "--out DIR"),
    ("o", "--out DIR"),
    ("overwrite", "--force"),
    ("f", "--force"),
    ("gpu", "--device cuda"),
    ("cuda", "--device cuda"),
    ("cpu", "--device cpu"),
    ("silent", "--quiet"),
    ("format", "--json"),
    ("text", "--prompt TEXT"),
    ("input", "--prompt TEXT"),
    ("max-new-tokens", "--max-tokens N"),
    ("n-predict", "--max-tokens N"),
    ("max-length", "--max-tokens N"),
    ("temp", "--temperature T"),
    ("quantization", "--dtype q8_0"),
    ("outtype", "--dtype q8_0"),
    ("outfile", "--out FILE"),
    ("min-acc", "--min-accuracy SHARE"),
];

/// Sections of a recipe whose keys are tried for a flag that is none.
const SECTIONS: [&str; 6] = ["training", "evaluation", "data", "audit", "export", "capture"];

/// What to type instead, where clap's own likeness finds nothing.
pub(crate) fn meant(error: &clap::Error, arguments: &[String]) -> Option<String> {
    match error.kind() {
        ErrorKind::InvalidSubcommand => verb(error, arguments),
        ErrorKind::UnknownArgument => flag(error, arguments),
        _ => None,
    }
}

/// The command that the arguments reach, and the verbs that led there.
fn reached(arguments: &[String]) -> (Command, Vec<String>) {
    let (mut command, mut path) = (Cli::command(), Vec::new());
    for argument in arguments.iter().filter(|argument| !argument.starts_with('-')) {
        let Some(next) = command.find_subcommand(argument).cloned() else { break };
        path.push(argument.clone());
        command = next;
    }
    (command, path)
}

fn text_of(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text),
        _ => None,
    }
}

fn verb(error: &clap::Error, arguments: &[String]) -> Option<String> {
    let typed = text_of(error, ContextKind::InvalidSubcommand)?;
    let (command, path) = reached(arguments);
    let verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let lowered = typed.to_lowercase().replace('_', "-");
    let own = || VERBS.iter().find(|(other, _)| *other == lowered).map(|(_, verb)| (*verb).to_owned());
    let before = |verb: &str| path.iter().map(String::as_str).chain([verb]).collect::<Vec<_>>().join(" ");
    let distance = |verb: &&str| strsim::damerau_levenshtein(&lowered, verb);
    let near = || verbs.iter().copied().filter(|verb| distance(verb) <= 2).min_by_key(distance).map(before);
    let recipe = || {
        let file = typed.ends_with(".toml") || std::path::Path::new(typed).is_file();
        let named = BUILTIN.iter().any(|one| one.name == typed);
        (path.is_empty() && (file || named)).then(|| format!("run {typed}"))
    };
    // A verb of a group may have been meant as it is, without its group.
    let within = || {
        let all = Cli::command();
        let mut groups = all.get_subcommands().filter(|group| group.has_subcommands());
        groups.find_map(|group| {
            group.find_subcommand(&lowered).map(|verb| format!("{} {}", group.get_name(), verb.get_name()))
        })
    };
    let meant = if path.is_empty() {
        recipe().or_else(own).or_else(near).or_else(within)
    } else {
        let group = path.join(" ");
        let of_group = || own().filter(|verb| verb.starts_with(&format!("{group} ")));
        of_group().or_else(near).or_else(own)
    };
    let suggested = error.get(ContextKind::SuggestedSubcommand).is_some();
    match meant {
        Some(meant) => Some(format!("did you mean `limbeck {meant}`?")),
        None if suggested => None,
        None => Some(format!("the verbs are: {}", verbs.join(", "))),
    }
}

fn flag(error: &clap::Error, arguments: &[String]) -> Option<String> {
    let typed = text_of(error, ContextKind::InvalidArg)?;
    let name = typed.trim_start_matches('-');
    let name = name.split('=').next().unwrap_or(name);
    // clap's own suggestion is enough where it is one letter away.
    let near = |one: &str| strsim::damerau_levenshtein(one.trim_start_matches('-'), name) <= 1;
    if text_of(error, ContextKind::SuggestedArg).is_some_and(near) {
        return None;
    }
    let (command, path) = reached(arguments);
    let flags: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
    let has = |flag: &str| {
        let long = flag.trim_start_matches('-').split(' ').next().unwrap_or_default();
        flags.contains(&long) || ["json", "quiet", "device"].contains(&long)
    };
    if !typed.starts_with('-') {
        // A second word where one was expected.
        return match path.first().map(String::as_str) {
            Some("quickstart") => Some(format!("did you mean `limbeck run {typed}`?")),
            _ if typed.contains('=') && flags.contains(&"set") => {
                Some(format!("did you mean `--set {typed}`?"))
            }
            _ => None,
        };
    }
    let lowered = name.to_lowercase().replace('_', "-");
    if let Some((_, flag)) = FLAGS.iter().find(|(other, flag)| *other == lowered && has(flag)) {
        return Some(format!("did you mean `{flag}`?"));
    }
    if lowered == "verbose" || lowered == "v" || lowered == "progress" {
        return Some("progress is shown unless --quiet is given".to_owned());
    }
    flags.contains(&"set").then(|| key(name)).flatten()
}

/// A key of the recipe that a flag's name stands for.
fn key(name: &str) -> Option<String> {
    let plain = name.to_lowercase().replace('-', "_");
    if let Some((section, _)) = plain.split_once('.') {
        return SECTIONS.contains(&section).then(|| format!("did you mean `--set {plain}=VALUE`?"));
    }
    let schema = limbeck::recipe::schema();
    let keys = |section: &str| -> Vec<String> {
        let reference = schema.pointer(&format!("/properties/{section}/$ref")).and_then(|it| it.as_str());
        let table = reference.and_then(|it| schema.pointer(it.trim_start_matches('#')));
        let variants = table.and_then(|table| table.get("oneOf")).and_then(|it| it.as_array());
        let tables =
            variants.map_or_else(|| table.into_iter().collect::<Vec<_>>(), |all| all.iter().collect());
        let properties = tables.into_iter().filter_map(|table| table.get("properties")?.as_object());
        properties.flat_map(|all| all.keys().cloned()).collect()
    };
    SECTIONS.iter().find_map(|section| {
        let keys = keys(section);
        let meant = nearest(&plain, keys.iter().map(String::as_str).filter(|key| *key != "kind"))?;
        Some(format!("did you mean `--set {section}.{meant}=VALUE`?"))
    })
}
