//! A recipe and its locators as they may be shown to others: without the folders of this machine.

use std::path::Path;

use limbeck_data::locate::Locator;
use toml_edit::{DocumentMut, Item, TableLike, Value};

/// Keys that name files or models.
const PLACES: [&str; 5] = ["source", "signals", "config", "path", "tokenizer"];

/// A locator without the folders it lies in: of a path its last part, of all else the whole.
pub fn published_name(locator: &str) -> String {
    let Ok(Locator::Path { path, inner }) = locator.parse::<Locator>() else {
        return locator.to_owned();
    };
    let name =
        path.file_name().map_or_else(|| "a local folder".to_owned(), |it| it.to_string_lossy().into_owned());
    inner.map_or(name.clone(), |inner| format!("{name}#{inner}"))
}

/// A resolved recipe whose local paths are their last parts, and which names no run folder.
pub fn published(resolved: &str) -> String {
    let Ok(mut document) = resolved.parse::<DocumentMut>() else {
        return String::new();
    };
    document.remove("output_dir");
    table(document.as_table_mut());
    document.to_string()
}

fn table(entries: &mut dyn TableLike) {
    for (key, item) in entries.iter_mut() {
        let place = PLACES.contains(&key.get());
        match item {
            Item::Value(value) => self::value(value, place),
            Item::Table(inner) => table(inner),
            Item::ArrayOfTables(all) => all.iter_mut().for_each(|inner| table(inner)),
            Item::None => {}
        }
    }
}

fn value(found: &mut Value, place: bool) {
    match found {
        Value::String(text) if place || Path::new(text.value()).is_absolute() => {
            let named = published_name(text.value());
            *found = Value::from(named);
        }
        Value::Array(all) => all.iter_mut().for_each(|one| value(one, place)),
        Value::InlineTable(inner) => table(inner),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_folder_of_this_machine_is_published() {
        let recipe = "name = \"mine\"\noutput_dir = \"/home/me/runs/mine\"\n\n[teacher]\nkind = \"model\"\nsource = \
            \"/home/me/models/teacher\"\n\n[data]\nkind = \"records\"\nsource = \"../secret/tickets.jsonl\"\n\n[[objectives]]\n\
            kind = \"forward_kl\"\n\n[audit]\ntask = { kind = \"jsonl\", path = \"/home/me/own.jsonl\" }\n";
        let shown = published(recipe);
        for kept in [
            "source = \"teacher\"",
            "source = \"tickets.jsonl\"",
            "path = \"own.jsonl\"",
            "kind = \"forward_kl\"",
        ] {
            assert!(shown.contains(kept), "{shown}");
        }
        for hidden in ["/home", "..", "output_dir"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
        assert_eq!(published_name("hf:org/name@main#a/b.gguf"), "hf:org/name@main#a/b.gguf");
        assert_eq!(published_name("/x/y/model.gguf"), "model.gguf");
    }
}
