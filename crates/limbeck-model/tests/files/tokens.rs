//! Ids of special tokens in a configuration: none that its tokenizer or embedding does not have.

use limbeck_model::load_model;

use crate::flex;
use crate::made::{change_config, folder, tokenizer};

#[test]
fn ids_of_a_configuration_that_are_no_tokens_are_ignored_and_said() {
    let folder = folder("gpt2");
    for id in [
        serde_json::json!(50256),
        serde_json::json!(u64::MAX),
        serde_json::json!(-1),
        serde_json::json!([50256]),
        serde_json::json!("x"),
    ] {
        change_config(folder.path(), |config| config["bos_token_id"] = id.clone());
        let model = load_model(folder.path(), &flex()).unwrap();
        assert_eq!(model.tokenizer.bos(), tokenizer().bos(), "{id}");
        let said = |note: &String| note.contains("bos_token_id") && note.contains("config.json");
        assert!(model.notes.iter().any(said), "{id}: {:?}", model.notes);
    }
    // Where the tokenizer itself says nothing, there is no such token.
    let path = folder.path().join("tokenizer_config.json");
    std::fs::write(path, r#"{"tokenizer_class":"PreTrainedTokenizerFast"}"#).unwrap();
    change_config(folder.path(), |config| {
        config["bos_token_id"] = 50256.into();
        config["eos_token_id"] = 3.into();
    });
    let model = load_model(folder.path(), &flex()).unwrap();
    assert_eq!((model.tokenizer.bos(), model.tokenizer.eos()), (None, Some(3)));
    assert_eq!(model.notes.len(), 1, "{:?}", model.notes);
    change_config(folder.path(), |config| config["bos_token_id"] = 2.into());
    let model = load_model(folder.path(), &flex()).unwrap();
    assert_eq!(model.tokenizer.bos(), Some(2));
    assert!(model.notes.is_empty());
}

#[test]
fn special_tokens_beyond_the_embedding_are_left_out_and_said() {
    let folder = folder("llama");
    let cut = limbeck_model::DecoderConfig { vocab_size: 2, ..crate::made::shape("llama") };
    let small = limbeck_model::Decoder::init(&cut, 1, &flex()).unwrap();
    crate::made::put_weights(folder.path(), &small.to_hf_weights());
    change_config(folder.path(), |config| config["vocab_size"] = 2.into());
    let model = load_model(folder.path(), &flex()).unwrap();
    for id in [model.tokenizer.bos(), model.tokenizer.eos(), model.tokenizer.pad()].into_iter().flatten() {
        assert!(id < 2);
    }
    assert!(
        model.notes.iter().any(|note| note.contains("no row in the embedding of 2")),
        "{:?}",
        model.notes
    );
}
