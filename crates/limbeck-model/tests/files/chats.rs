//! Chat templates render as transformers renders them.

use limbeck_model::chat::{ChatError, ChatTemplate, Conversation, Message, assistant_turns};
use serde::Deserialize;
use serde_json::Value as Json;

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

/// A conversation with the special tokens that the fixtures were made with.
fn conversation(messages: Vec<Message>) -> Conversation {
    let special = [("bos_token", "<s>"), ("eos_token", "</s>")];
    let special = special.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
    Conversation { special, ..Conversation::new(messages) }
}

fn text(template: &str, messages: Vec<Message>) -> Result<String, ChatError> {
    Ok(ChatTemplate::new(template)?.render(&conversation(messages))?.text)
}

#[test]
fn templates_render_as_in_transformers() {
    let golden: Golden = serde_json::from_slice(&std::fs::read(fixture("chats.json")).unwrap()).unwrap();
    assert_eq!(golden.cases.len(), 30);
    for case in golden.cases {
        let template = ChatTemplate::new(&golden.templates[&case.template]).unwrap();
        let given = Conversation { add_generation_prompt: case.prompt, ..conversation(case.messages) };
        match (template.render(&given), case.text) {
            (Ok(found), Some(expected)) => {
                assert_eq!(found.text, expected, "{}: {:?}", case.template, given.messages)
            }
            (Err(ChatError::Failed(found)), None) => assert!(found.contains(&case.error.unwrap()), "{found}"),
            (found, expected) => panic!("{}: {found:?} against {expected:?}", case.template),
        }
    }
}

#[derive(Deserialize)]
struct Features {
    messages: Vec<Message>,
    tools: Json,
    cases: Vec<Feature>,
}

#[derive(Deserialize)]
struct Feature {
    template: String,
    text: Option<String>,
    /// Bytes inside `{% generation %}`.
    generated: Option<Vec<[usize; 2]>>,
}

#[test]
fn features_of_the_language_are_those_of_transformers() {
    let golden: Features =
        serde_json::from_slice(&std::fs::read(fixture("chat_features.json")).unwrap()).unwrap();
    assert!(golden.cases.len() > 130);
    let given = Conversation { tools: Some(golden.tools), ..conversation(golden.messages) };
    for Feature { template, text, generated } in golden.cases {
        let found = ChatTemplate::new(&template).and_then(|compiled| compiled.render(&given));
        match (found, text) {
            (Ok(found), Some(expected)) => {
                assert_eq!(found.text, expected, "{template}");
                let spans = found
                    .generated
                    .map(|spans| spans.into_iter().map(|span| [span.start, span.end]).collect());
                assert_eq!(spans, generated, "{template}");
            }
            (Err(_), None) => {}
            (found, expected) => panic!("{template}: {found:?} against {expected:?}"),
        }
    }
}

#[test]
fn mistakes_in_templates_are_errors() {
    assert!(matches!(ChatTemplate::new("{% for %}"), Err(ChatError::Invalid(_))));
    let failed =
        text("\n{{ messages[0].content.frobnicate() }}", vec![Message::new("user", "x")]).unwrap_err();
    assert!(failed.to_string().contains("line 2") && failed.to_string().contains("frobnicate"), "{failed}");
    let chatml = ChatTemplate::chatml().unwrap();
    let given =
        Conversation { add_generation_prompt: true, ..conversation(vec![Message::new("user", "hi")]) };
    let rendered = chatml.render(&given).unwrap();
    assert_eq!(rendered.text, "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
    assert_eq!(rendered.generated, None);
}

#[test]
fn the_time_of_day_is_today() {
    let year: i32 = text("{{ strftime_now('%Y') }}", Vec::new()).unwrap().parse().unwrap();
    assert!((2025..2200).contains(&year));
}

/// Templates that would take hours, all memory or the whole stack.
#[test]
fn hostile_templates_end_in_an_error() {
    let nested = |open: &str, inner: &str, close: &str| {
        format!("{{{{ {}{inner}{} }}}}", open.repeat(50_000), close.repeat(50_000))
    };
    let doubled = |start: &str, step: &str, end: &str| {
        format!(
            "{{% set ns = namespace(a={start}) %}}{{% for i in range(100) %}}{{% set ns.a = {step} %}}{{% endfor %}}{{{{ {end} }}}}"
        )
    };
    let templates = [
        "{% for i in range(10**9) %}x{% endfor %}".to_owned(),
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}".to_owned(),
        "{% for i in range(99999) %}{% for j in range(999) %}xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx{% endfor %}{% endfor %}".to_owned(),
        "{{ 'x' * 10**9 }}".to_owned(),
        "{{ [1] * 10**12 }}".to_owned(),
        "{{ 'x'.ljust(10**9) }}{{ 'x' | center(10**9) }}".to_owned(),
        "{{ '%1000000000d' % 5 }}".to_owned(),
        "{{ '{:1000000000}'.format(5) }}".to_owned(),
        "{{ 'x' | indent(10**9, true) }}".to_owned(),
        "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}".to_owned(),
        "{{ [1] | slice(10**12) | list }}".to_owned(),
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".to_owned(),
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(28) }}".to_owned(),
        "{% macro f() %}{% call f() %}{% endcall %}{% endmacro %}{{ f() }}".to_owned(),
        "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}".to_owned(),
        doubled("'x'", "ns.a ~ ns.a", "ns.a | length"),
        doubled("[1]", "ns.a + ns.a", "ns.a | length"),
        doubled("[1]", "[ns.a, ns.a]", "ns.a"),
        doubled("[1]", "[ns.a, ns.a]", "ns.a | tojson"),
        doubled("[1]", "{'a': ns.a, 'b': ns.a}", "ns.a == ns.a.a"),
        doubled("1", "[ns]", "ns.a"),
        "{% set ns = namespace(a=1) %}{% for i in range(99999) %}{% set ns.a = [ns.a] %}{% endfor %}".to_owned(),
        "{% set ns = namespace(a=1) %}{% for i in range(99999) %}{% set ns.a = namespace(b=ns.a) %}{% endfor %}".to_owned(),
        nested("(", "1", ")"),
        nested("[", "1", "]"),
        nested("-", "1", ""),
        nested("1 if ", "1", ""),
        "{% if 1 %}".repeat(50_000),
    ];
    for template in templates {
        let begun = std::time::Instant::now();
        let failed = text(&template, vec![Message::new("user", "x")]);
        let shown: String = template.chars().take(70).collect();
        assert!(failed.is_err(), "{shown}");
        assert!(failed.unwrap_err().to_string().len() < 400, "{shown}");
        assert!(begun.elapsed().as_secs() < 20, "{shown}: {:?}", begun.elapsed());
    }
}

#[test]
fn long_conversations_stay_within_the_limits() {
    let turn = |index: usize| {
        Message::new(if index.is_multiple_of(2) { "user" } else { "assistant" }, "word ".repeat(100))
    };
    let messages: Vec<Message> = (0..2000).map(turn).collect();
    let golden: Golden = serde_json::from_slice(&std::fs::read(fixture("chats.json")).unwrap()).unwrap();
    for template in golden.templates.values() {
        assert!(text(template, messages.clone()).unwrap().len() > 1_000_000);
    }
}

#[test]
fn what_the_assistant_says_is_found() {
    let messages: Vec<Message> = ["user", "assistant", "user", "assistant"]
        .into_iter()
        .zip(["a", "b", "c", "d"])
        .map(|(role, content)| Message::new(role, content))
        .collect();
    let given = conversation(messages);
    let chatml = ChatTemplate::chatml().unwrap();
    let whole = chatml.render(&given).unwrap().text;
    let said: Vec<&str> =
        assistant_turns(&chatml, &given, &whole).unwrap().into_iter().map(|span| &whole[span]).collect();
    assert_eq!(said, ["b<|im_end|>\n", "d<|im_end|>\n"]);
    // A template that shows the last answer alone has no stretch of text for the first.
    let last = ChatTemplate::new("{{ messages[-1].content }}").unwrap();
    let whole = last.render(&given).unwrap().text;
    assert!(matches!(assistant_turns(&last, &given, &whole), Err(ChatError::Rewrites { turn: 2 })));
}

/// Templates that look at the whole conversation: at the last turn, at how many there are, at where a turn stands.
#[test]
fn what_the_assistant_says_is_found_where_the_text_of_the_first_turns_is_no_beginning() {
    let messages: Vec<Message> = [("user", "a"), ("assistant", " b\n"), ("user", "b"), ("assistant", "d")]
        .into_iter()
        .map(|(role, content)| Message::new(role, content))
        .collect();
    let given = conversation(messages);
    let turn = "<{{ m.role }}>{{ m.content | trim }}<end>\n";
    let prompt = "{% if add_generation_prompt %}<assistant>{% endif %}";
    let all = format!("{{% for m in messages %}}{turn}{{% endfor %}}{prompt}");
    let cases = [
        (format!("{{{{ messages[-1].content }}}}{all}"), ["b<end>\n", "d<end>\n"]),
        (format!("{{{{ messages | length }}}}{all}"), ["b<end>\n", "d<end>\n"]),
        (
            format!("{{% for m in messages[::-1] %}}{{{{ m.role }}}}{{% endfor %}}{all}"),
            ["b<end>\n", "d<end>\n"],
        ),
        (all.replace("<end>\n", "{% if loop.last %}<end>{% endif %}"), ["b", "d<end>"]),
        // An empty thought before the last answer only, as reasoning models write it.
        (
            all.replace(
                "{{ m.content",
                "{% if loop.last and m.role == 'assistant' %}<think></think>{% endif %}{{ m.content",
            ),
            ["b<end>\n", "<think></think>d<end>\n"],
        ),
        // Without a prompt for the answer, the turn is its content and its end.
        (format!("{{{{ messages | length }}}}{}", all.replace(prompt, "")), ["b<end>\n", "d<end>\n"]),
    ];
    for (source, expected) in cases {
        let template = ChatTemplate::new(&source).unwrap();
        let whole = template.render(&given).unwrap().text;
        let said = assistant_turns(&template, &given, &whole).unwrap();
        let said: Vec<&str> = said.into_iter().map(|span| &whole[span]).collect();
        assert_eq!(said, expected, "{source}");
    }
    // What is said is changed, by how long it is or by where it is cut: it cannot be told apart.
    for changed in ["{{ m.content[:1] }}", "{{ m.content | length }}", "{{ m.content.split('b')[0] }}"] {
        let source = format!("{{{{ messages | length }}}}{{% for m in messages %}}{changed}{{% endfor %}}");
        let template = ChatTemplate::new(&source).unwrap();
        let whole = template.render(&given).unwrap().text;
        let told = assistant_turns(&template, &given, &whole);
        assert!(matches!(told, Err(ChatError::Rewrites { .. })), "{source}: {told:?}");
    }
}
