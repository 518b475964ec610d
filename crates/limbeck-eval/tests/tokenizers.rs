//! The task with the tokenizers that networks come with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use limbeck_eval::Encode;
use limbeck_eval::numerals::{NumeralsOptions, TrainingOptions, closed_vocabulary, generate, training_sets};
use limbeck_model::Tokenizer;
use limbeck_model::tokenizer::ClosedSpecials;

fn closed(bos: Option<&str>) -> Tokenizer {
    let specials =
        ClosedSpecials { bos: bos.map(str::to_owned), eos: Some("<end>".into()), pad: Some("<pad>".into()) };
    Tokenizer::closed(&closed_vocabulary(), &specials).unwrap()
}

#[test]
fn the_closed_vocabulary_expresses_the_task() {
    let tokenizer = closed(None);
    let task =
        generate(&tokenizer, &NumeralsOptions { per_template: 16, ..NumeralsOptions::default() }).unwrap();
    assert_eq!((task.len(), task.groups.len(), task.left_out.len()), (48, 3, 0));
    let prompt = task
        .prompts()
        .find(|prompt| prompt.text.contains(" in 11 ") && prompt.text.contains(" in 8 "))
        .unwrap();
    assert_eq!(tokenizer.decode(&prompt.right).unwrap(), "12");
    assert_eq!(tokenizer.decode(&prompt.wrong).unwrap(), "11");
    // Four sentences of five words and a question of three.
    assert!(task.groups.iter().all(|group| group.length == 23));
    let sets =
        training_sets(&tokenizer, &TrainingOptions { examples: 100, ..TrainingOptions::default() }).unwrap();
    let longest = sets.training.iter().map(|example| example.ids.len()).max().unwrap();
    assert!(longest <= 5 * 5 + 4 + 3 * 5, "{longest}");
}

#[test]
fn a_beginning_token_stands_before_every_text() {
    let tokenizer = closed(Some("<begin>"));
    let begin = tokenizer.bos().unwrap();
    assert_eq!(tokenizer.leading().unwrap(), [begin]);
    let task =
        generate(&tokenizer, &NumeralsOptions { per_template: 4, ..NumeralsOptions::default() }).unwrap();
    assert!(task.prompts().all(|prompt| prompt.clean[0] == begin && prompt.clean.len() == 24));
    let sets =
        training_sets(&tokenizer, &TrainingOptions { examples: 10, ..TrainingOptions::default() }).unwrap();
    assert!(sets.training.iter().all(|example| example.ids[0] == begin));
}
