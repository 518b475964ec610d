//! Chat templates render as transformers renders them.

use limbeck_model::chat::{ChatError, ChatTemplate, Message, SpecialTokens};
use serde::Deserialize;

use crate::fixture;

#[derive(Deserialize)]
struct Golden {
    templates: std::collections::BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    template: String,
    messages: Vec<Message>,
    prompt: bool,
    text: Option<String>,
    error: Option<String>,
}

#[test]
fn templates_render_as_in_transformers() {
    let golden: Golden = serde_json::from_slice(&std::fs::read(fixture("chats.json")).unwrap()).unwrap();
    let special = SpecialTokens { bos: "<s>".into(), eos: "</s>".into() };
    assert_eq!(golden.cases.len(), 30);
    for case in golden.cases {
        let template = ChatTemplate::new(&golden.templates[&case.template]).unwrap();
        match (template.render(&case.messages, case.prompt, &special), case.text) {
            (Ok(found), Some(expected)) => {
                assert_eq!(found, expected, "{}: {:?}", case.template, case.messages)
            }
            (Err(ChatError::Failed(found)), None) => assert!(found.contains(&case.error.unwrap()), "{found}"),
            (found, expected) => panic!("{}: {found:?} against {expected:?}", case.template),
        }
    }
}

#[test]
fn mistakes_in_templates_are_errors() {
    assert!(matches!(ChatTemplate::new("{% for %}"), Err(ChatError::Invalid(_))));
    let unknown = ChatTemplate::new("{{ messages[0].content.frobnicate() }}").unwrap();
    assert!(matches!(
        unknown.render(&[Message::new("user", "x")], false, &SpecialTokens::default()),
        Err(ChatError::Failed(_))
    ));
    let chatml = ChatTemplate::chatml().unwrap();
    let text = chatml.render(&[Message::new("user", "hi")], true, &SpecialTokens::default()).unwrap();
    assert_eq!(text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
}
