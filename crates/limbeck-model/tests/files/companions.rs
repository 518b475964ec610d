//! What stands beside a tokenizer.json: tokens, roles, end tokens and settings, against transformers; one rule of tokenization.

use std::collections::BTreeMap;
use std::path::Path;

use limbeck_model::chat::{ChatTemplate, Conversation, Message, assistant_turns};
use limbeck_model::{Tokenizer, TokenizerError};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};
use tempfile::TempDir;

use crate::fixture;

#[derive(Deserialize)]
struct Golden {
    texts: Vec<String>,
    messages: Vec<Message>,
    template: String,
    models: Vec<Map<String, Json>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    tokenizer: Map<String, Json>,
    model: usize,
    dropout: Option<f64>,
    files: BTreeMap<String, Json>,
    ids: Vec<Vec<u32>>,
    chat: Vec<u32>,
    roles: BTreeMap<String, Option<u32>>,
}

fn golden() -> Golden {
    serde_json::from_slice(&std::fs::read(fixture("companions.json")).unwrap()).unwrap()
}

fn write(folder: &Path, file: &str, content: &Json) {
    std::fs::write(folder.join(file), content.to_string()).unwrap();
}

impl Golden {
    /// The tokenizer.json of a case.
    fn tokenizer_json(&self, case: &Case) -> Json {
        let mut model = self.models[case.model].clone();
        model.insert("dropout".into(), json!(case.dropout));
        let mut tokenizer = case.tokenizer.clone();
        tokenizer.insert("model".into(), Json::Object(model));
        Json::Object(tokenizer)
    }

    /// The folder of a case, with more files.
    fn folder(&self, name: &str, more: &[(&str, Json)]) -> TempDir {
        let case = self.cases.iter().find(|case| case.name == name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "tokenizer.json", &self.tokenizer_json(case));
        for (file, content) in &case.files {
            write(folder.path(), file, content);
        }
        for (file, content) in more {
            write(folder.path(), file, content);
        }
        folder
    }
}

/// Writes what a tokenizer goes out as, and reads it again.
fn again(tokenizer: &Tokenizer) -> (TempDir, Tokenizer) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_tokenizer_json().unwrap()).unwrap();
    write(folder.path(), "tokenizer_config.json", &tokenizer.to_tokenizer_config(Some(64)));
    write(folder.path(), "generation_config.json", &tokenizer.to_generation_config());
    let mut config = json!({ "model_type": "llama" });
    tokenizer.put_ids(&mut config);
    write(folder.path(), "config.json", &config);
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    (folder, tokenizer)
}

fn check(golden: &Golden, case: &Case, tokenizer: &Tokenizer) {
    for (text, expected) in golden.texts.iter().zip(&case.ids) {
        assert_eq!(&tokenizer.encode(text, true).unwrap(), expected, "{}: {text:?}", case.name);
        let spans = tokenizer.encode_spans(text, true).unwrap();
        assert_eq!(spans.iter().map(|span| span.id).collect::<Vec<_>>(), *expected, "{}", case.name);
    }
    let found = [tokenizer.bos(), tokenizer.eos(), tokenizer.pad(), tokenizer.unk()];
    for (role, found) in ["bos", "eos", "pad", "unk"].into_iter().zip(found) {
        assert_eq!(found, case.roles[role], "{}: {role}", case.name);
    }
    // A conversation is encoded as its whole would be, whatever its pieces.
    let template = ChatTemplate::new(&golden.template).unwrap();
    let given = Conversation::new(golden.messages.clone());
    let text = template.render(&given).unwrap().text;
    let turns = assistant_turns(&template, &given, &text).unwrap();
    let pieces = [
        &text[..turns[0].start],
        &text[turns[0].clone()],
        &text[turns[0].end..turns[1].start],
        &text[turns[1].clone()],
    ];
    let encoded = tokenizer.encode_pieces(&pieces, false).unwrap();
    assert_eq!(encoded.ids, case.chat, "{}", case.name);
    assert_eq!(encoded.piece.len(), encoded.ids.len());
    let said: Vec<u32> = encoded
        .ids
        .iter()
        .zip(&encoded.piece)
        .filter(|(_, piece)| *piece % 2 == 1)
        .map(|(id, _)| *id)
        .collect();
    let said = tokenizer.decode(&said).unwrap();
    if case.name != "special tokens as text" {
        assert_eq!(said.replace(' ', ""), "riverquay", "{}", case.name);
    }
}

#[test]
fn folders_are_read_as_by_transformers() {
    let golden = golden();
    assert!(golden.cases.len() > 15);
    for case in &golden.cases {
        let folder = golden.folder(&case.name, &[]);
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        check(&golden, case, &tokenizer);
        let (_folder, written) = again(&tokenizer);
        check(&golden, case, &written);
    }
}

#[test]
fn what_is_set_aside_is_said_and_kept() {
    let golden = golden();
    for (name, pointer, said) in [
        ("truncation", "/truncation/max_length", "truncation to 8 tokens"),
        ("padding", "/padding/pad_id", "padding"),
        ("dropout", "/model/dropout", "dropout of 0.5"),
    ] {
        let folder = golden.folder(name, &[]);
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        let notes = tokenizer.notes();
        assert!(
            notes.len() == 1 && notes[0].contains(said) && notes[0].contains("tokenizer.json"),
            "{notes:?}"
        );
        let case = golden.cases.iter().find(|case| case.name == name).unwrap();
        let before = golden.tokenizer_json(case);
        let after: Json = serde_json::from_str(&tokenizer.to_tokenizer_json().unwrap()).unwrap();
        assert_eq!(after.pointer(pointer), before.pointer(pointer));
        assert!(!after.pointer(pointer).unwrap().is_null());
    }
    let plain = golden.folder("added_tokens_decoder", &[]);
    assert!(Tokenizer::from_folder(plain.path()).unwrap().notes().is_empty());
}

#[test]
fn special_tokens_stand_once() {
    let golden = golden();
    let folder = golden.folder("bos and eos around", &[]);
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    let (eos, bos) = (0, 1);
    let count = |ids: &[u32], id: u32| ids.iter().filter(|found| **found == id).count();
    for text in ["rain", "<bos>rain", "rain<eos>", "<bos>rain<eos>"] {
        let ids = tokenizer.encode(text, true).unwrap();
        assert_eq!(
            (ids[0], *ids.last().unwrap(), count(&ids, bos), count(&ids, eos)),
            (bos, eos, 1, 1),
            "{text}"
        );
        let spans = tokenizer.encode_spans(text, true).unwrap();
        assert_eq!(spans.iter().map(|span| span.id).collect::<Vec<_>>(), ids);
        // What is to be continued has no end put behind it.
        let prompt = tokenizer.encode_prompt(text).unwrap();
        assert_eq!(count(&prompt, eos), usize::from(text.ends_with("<eos>")), "{text}");
        assert_eq!(count(&prompt, bos), 1);
    }
    // White space behind an end that is written out, as templates write it, is no more of the text.
    for text in ["rain<eos>\n", "<bos>rain<eos> \n"] {
        let ids = tokenizer.encode(text, true).unwrap();
        assert_eq!((count(&ids, bos), count(&ids, eos)), (1, 1), "{text:?}");
        let spans = tokenizer.encode_spans(text, true).unwrap();
        assert_eq!(spans.iter().map(|span| span.id).collect::<Vec<_>>(), ids);
    }
    let pieces = tokenizer.encode_pieces(&["rain on the", " quay"], true).unwrap();
    assert_eq!((count(&pieces.ids, eos), pieces.ids.last(), pieces.piece.last()), (1, Some(&eos), Some(&1)));
    assert_eq!(pieces.spanning, 0);
    // A token across the border belongs to the answer, and is counted.
    let across = tokenizer.encode_pieces(&["rain on the ", "quay"], true).unwrap();
    assert_eq!((&across.ids, across.spanning), (&pieces.ids, 1));
    assert_eq!(across.piece, pieces.piece);
    assert!(tokenizer.is_ended(&tokenizer.encode("rain<eos>\n", false).unwrap()));
    assert!(!tokenizer.is_ended(&tokenizer.encode("rain<eos> on", false).unwrap()));
}

#[test]
fn several_end_tokens_are_read_and_kept() {
    let golden = golden();
    let im_end = 291;
    for (config, generation, ends) in [
        (json!({ "eos_token_id": [0, 1] }), None, vec![im_end, 0, 1]),
        (json!({ "eos_token_id": 0 }), Some(json!({ "eos_token_id": [im_end, 1] })), vec![im_end, 1]),
        (json!({ "eos_token_id": [0] }), Some(json!({ "temperature": 0.6 })), vec![im_end, 0]),
        (json!({ "eos_token_id": 50256, "bos_token_id": 50256 }), None, vec![im_end]),
    ] {
        let mut files = vec![("config.json", config.clone())];
        files.extend(generation.clone().map(|generation| ("generation_config.json", generation)));
        let folder = golden.folder("added_tokens_decoder", &files);
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        assert_eq!(tokenizer.ends(), ends, "{config} {generation:?}");
        assert_eq!((tokenizer.eos(), tokenizer.bos()), (Some(im_end), None));
        let (_folder, written) = again(&tokenizer);
        let sorted = |tokenizer: &Tokenizer| {
            let mut ends = tokenizer.ends().to_vec();
            ends.sort_unstable();
            ends
        };
        assert_eq!(sorted(&written), sorted(&tokenizer), "{config} {generation:?}");
        if let Some(temperature) = generation.as_ref().and_then(|generation| generation.get("temperature")) {
            assert_eq!(&tokenizer.to_generation_config()["temperature"], temperature);
        }
    }
}

/// Ids of generation that are none are refused by file and key; -1 stands for no padding.
#[test]
fn ids_of_generation_are_ids() {
    let golden = golden();
    let read = |config: Json| {
        let folder = golden.folder("space before: first", &[("generation_config.json", config)]);
        Tokenizer::from_folder(folder.path()).map_err(|error| error.to_string())
    };
    for wrong in [json!("x"), json!(0.5), json!(-1), json!(4294967296_u64), json!([0, "x"]), json!(true)] {
        let error = read(json!({ "eos_token_id": wrong })).unwrap_err();
        assert!(error.contains("generation_config.json") && error.contains("eos_token_id"), "{error}");
    }
    for right in [json!({ "eos_token_id": [0, 1], "pad_token_id": -1 }), json!({ "eos_token_id": null })] {
        read(right).unwrap();
    }
}

#[test]
fn settings_survive() {
    let golden = golden();
    let generation = json!({ "do_sample": true, "temperature": 0.6, "top_p": 0.9, "repetition_penalty": 1.1, "eos_token_id": 2 });
    let folder = golden.folder("space before: first", &[("generation_config.json", generation.clone())]);
    let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
    assert_eq!(tokenizer.to_generation_config(), generation);
    let config = tokenizer.to_tokenizer_config(Some(64));
    for (key, value) in [
        ("model_max_length", json!(77)),
        ("padding_side", json!("left")),
        ("unk_token", json!("<unk>")),
        ("bos_token", json!("<bos>")),
        ("eos_token", json!("<eos>")),
    ] {
        assert_eq!(config[key], value, "{key}");
    }
}

#[test]
fn a_student_leaves_with_the_end_it_learned() {
    let golden = golden();
    let of = |eos: &str| {
        let config = json!({ "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": eos, "model_max_length": eos.len() });
        let files = [
            ("tokenizer_config.json", config),
            ("config.json", json!({ "eos_token_id": 0 })),
            ("generation_config.json", json!({ "eos_token_id": 0, "temperature": 0.5 })),
        ];
        let folder = golden.folder("truncation", &files);
        Tokenizer::from_folder(folder.path()).unwrap().with_chat_template(eos)
    };
    let (teacher, student) = (of("<bos>"), of("<eos>"));
    let taught = student.taught_by(&teacher, 290).unwrap();
    assert_eq!((taught.eos(), taught.chat_template()), (Some(1), Some("<bos>")));
    let config = taught.to_tokenizer_config(None);
    assert_eq!((&config["eos_token"], &config["model_max_length"]), (&json!("<bos>"), &json!(5)));
    // All three files name the token it was trained to end with.
    let mut model = json!({});
    taught.put_ids(&mut model);
    for file in [model, taught.to_generation_config()] {
        let ids =
            file["eos_token_id"].as_array().cloned().unwrap_or_else(|| vec![file["eos_token_id"].clone()]);
        assert!(ids.contains(&json!(1)), "{file}");
    }
    // A vocabulary that lacks the token cannot leave with it.
    let longer = golden.folder("added_tokens_decoder", &[]);
    let longer = Tokenizer::from_folder(longer.path()).unwrap();
    assert!(matches!(student.taught_by(&longer, 290), Err(TokenizerError::NoEndToken { id: 291, .. })));
}

#[test]
fn ids_that_cannot_be_had_are_refused() {
    let golden = golden();
    let decoder = json!({ "300": { "content": "<far>", "special": true } });
    let files = [("tokenizer_config.json", json!({ "added_tokens_decoder": decoder }))];
    let folder = golden.folder("truncation", &files);
    let error = Tokenizer::from_folder(folder.path()).unwrap_err();
    assert!(matches!(error, TokenizerError::TokenId { stated: 300, found: 290, .. }), "{error}");
    for (file, content) in [
        ("added_tokens.json", json!({ "<far>": "x" })),
        ("tokenizer_config.json", json!({ "added_tokens_decoder": { "x": { "content": "<far>" } } })),
        ("tokenizer_config.json", json!({ "added_tokens_decoder": { "1": {} } })),
        ("special_tokens_map.json", json!([])),
    ] {
        let folder = golden.folder("truncation", &[(file, content)]);
        let error = Tokenizer::from_folder(folder.path()).unwrap_err();
        assert!(error.to_string().contains(file), "{error}");
    }
}

/// Files that make the library panic, or a text grow without end, are errors that name the file.
#[test]
fn hostile_tokenizers_are_errors() {
    let golden = golden();
    let plain = golden.tokenizer_json(&golden.cases[0]);
    let replace =
        |content: &str| json!({ "type": "Replace", "pattern": { "String": "a" }, "content": content });
    let chain = |count: usize| json!({ "type": "Sequence", "normalizers": vec![replace("aa"); count] });
    let fixed = json!({ "type": "FixedLength", "length": 0 });
    let template = |id: u64| {
        json!({ "type": "TemplateProcessing", "single": [{ "SpecialToken": { "id": "x", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [], "special_tokens": { "x": { "id": "x", "ids": [id], "tokens": ["x"] } } })
    };
    let twice = json!({ "type": "TemplateProcessing", "single": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "A", "type_id": 0 } }],
        "pair": [], "special_tokens": {} });
    for (key, value) in [
        ("normalizer", replace(&"b".repeat(100_000))),
        ("normalizer", chain(60)),
        ("pre_tokenizer", fixed),
        ("post_processor", template(60_000)),
        ("post_processor", template(4_000_000_000)),
        ("post_processor", twice),
        (
            "truncation",
            json!({ "direction": "Right", "max_length": "x", "strategy": "LongestFirst", "stride": 0 }),
        ),
        ("added_tokens", json!([{ "id": 4_000_000_000_u64, "content": "x" }])),
    ] {
        let mut changed = plain.clone();
        changed[key] = value.clone();
        let used = Tokenizer::from_json_bytes(changed.to_string().as_bytes(), "hostile.json").and_then(
            |tokenizer| tokenizer.encode("a rainy quay", true).and_then(|ids| tokenizer.decode(&ids)),
        );
        let error = used.expect_err(&value.to_string());
        assert!(error.to_string().contains("hostile.json"), "{error}");
    }
}

/// `add_prefix_space` of tokenizer_config.json counts where transformers lets it: in the classes of GPT-2, Qwen2 and Llama.
#[test]
fn a_space_before_texts_is_as_the_configuration_says() {
    let golden = golden();
    let case = golden
        .cases
        .iter()
        .find(|case| {
            let pre = case.tokenizer.get("pre_tokenizer").and_then(|pre| pre.get("type"));
            pre.and_then(Json::as_str) == Some("ByteLevel")
        })
        .unwrap();
    let bytes = golden.tokenizer_json(case);
    let ids = |tokenizer: &Json, config: Json| {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "tokenizer.json", tokenizer);
        write(folder.path(), "tokenizer_config.json", &config);
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        let (_folder, second) = again(&tokenizer);
        let found = tokenizer.encode("rain on", false).unwrap();
        assert_eq!(second.encode("rain on", false).unwrap(), found, "what is written reads as it was read");
        (found, tokenizer.encode(" rain on", false).unwrap())
    };
    for (class, space, used) in [
        ("GPT2TokenizerFast", json!(true), true),
        ("Qwen2Tokenizer", json!(true), true),
        ("PreTrainedTokenizerFast", json!(true), false),
        ("GPT2Tokenizer", json!(false), false),
        ("GPT2Tokenizer", json!(null), false),
    ] {
        let (bare, spaced) = ids(&bytes, json!({ "tokenizer_class": class, "add_prefix_space": space }));
        assert_eq!(bare == spaced, used, "{class} {space}");
    }
    let mut spacing = bytes.clone();
    spacing["pre_tokenizer"]["add_prefix_space"] = json!(true);
    let (bare, spaced) =
        ids(&spacing, json!({ "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": false }));
    assert_ne!(bare, spaced);
    // Llama's space stands in a Metaspace, or in a normalizer.
    let mut plain = bytes;
    plain["pre_tokenizer"] = json!(null);
    let parts = [
        ("normalizer", json!({ "type": "Prepend", "prepend": "x" })),
        (
            "normalizer",
            json!({ "type": "Sequence", "normalizers": [{ "type": "Prepend", "prepend": "x" }, { "type": "NFC" }] }),
        ),
        (
            "pre_tokenizer",
            json!({ "type": "Metaspace", "replacement": "x", "prepend_scheme": "first", "split": false }),
        ),
    ];
    for (part, value) in parts {
        let mut tokenizer = plain.clone();
        tokenizer[part] = value;
        let with = ids(&tokenizer, json!({ "tokenizer_class": "LlamaTokenizer" })).0;
        let without =
            ids(&tokenizer, json!({ "tokenizer_class": "LlamaTokenizerFast", "add_prefix_space": false })).0;
        assert_eq!(with.len(), without.len() + 1, "{part}: {with:?} {without:?}");
        assert_eq!(with[1..], without);
    }
}

/// What should be a token and is none is named.
#[test]
fn a_role_that_is_no_token_is_refused_by_its_key() {
    let golden = golden();
    for (config, key) in [
        (json!({ "eos_token": 5 }), "eos_token is 5"),
        (json!({ "pad_token": { "special": true } }), "pad_token is {"),
        (json!({ "extra_special_tokens": [["x"]] }), "extra_special_tokens is [\"x\"]"),
        (json!({ "extra_special_tokens": { "image": 7 } }), "extra_special_tokens.image is 7"),
        (json!({ "additional_special_tokens": "<x>" }), "additional_special_tokens is \"<x>\""),
        (json!({ "chat_template": 1 }), "chat_template is 1"),
    ] {
        let folder = golden.folder(&golden.cases[0].name, &[("tokenizer_config.json", config)]);
        let told = Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
        assert!(told.contains(key) && told.contains("tokenizer_config.json"), "{told}");
    }
    // Settings that are named like roles, and roles that are null, are none.
    let config = json!({ "add_bos_token": true, "unk_token": null, "extra_special_tokens": [] });
    let folder = golden.folder(&golden.cases[0].name, &[("tokenizer_config.json", config)]);
    assert!(Tokenizer::from_folder(folder.path()).is_ok());
}

/// The library's search for added tokens takes a time that grows with the square of their lengths.
#[test]
fn added_tokens_that_would_take_long_are_refused() {
    let golden = golden();
    let name = &golden.cases[0].name;
    let long = "x".repeat(2000);
    let many: Vec<String> = (0..40)
        .map(|index| char::from(b'a' + index % 26).to_string().repeat(1000 - usize::from(index)))
        .collect();
    for (file, content, words) in [
        ("tokenizer_config.json", json!({ "eos_token": long }), "has 2000 bytes"),
        (
            "tokenizer_config.json",
            json!({ "extra_special_tokens": many }),
            "squares of the added tokens' lengths",
        ),
        ("added_tokens.json", json!({ long: 300 }), "has 2000 bytes"),
    ] {
        let folder = golden.folder(name, &[(file, content)]);
        let told = Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
        assert!(told.contains(words) && told.len() < 600, "{told}");
    }
    let mut tokenizer = golden.tokenizer_json(&golden.cases[0]);
    tokenizer["added_tokens"][0]["content"] = json!("y".repeat(1025));
    let folder = golden.folder(name, &[("tokenizer.json", tokenizer)]);
    let told = Tokenizer::from_folder(folder.path()).unwrap_err().to_string();
    assert!(told.contains("has 1025 bytes"), "{told}");
}
