//! From a record to a token example: what is read, and what is scored.

use limbeck_data::examples::TokenExample;
use limbeck_data::records::{Message, Record};
use limbeck_model::chat::{self, ChatTemplate, SpecialTokens};
use limbeck_model::{ModelError, Tokenizer};

use super::StageError;

/// Tokens of a record. Of plain text everything but the first token is scored, of a prompt nothing, of a
/// conversation what the assistant says.
pub(crate) fn example_of(record: &Record, tokenizer: &Tokenizer) -> Result<TokenExample, StageError> {
    match record {
        Record::Text { text } => Ok(TokenExample::all_scored(encode(tokenizer, text, true)?)),
        Record::Completion { prompt, completion } => {
            let mut ids = encode(tokenizer, prompt, true)?;
            let given = ids.len();
            ids.extend(encode(tokenizer, completion, false)?);
            ids.extend(tokenizer.eos());
            let scored = (0..ids.len()).map(|at| at >= given.max(1)).collect();
            Ok(TokenExample::new(ids, scored)?)
        }
        Record::Messages { messages } => conversation(messages, tokenizer),
        Record::Tokens { input_ids, loss_mask } => {
            let mut scored = match loss_mask {
                Some(mask) => mask.clone(),
                None => vec![true; input_ids.len()],
            };
            // Nothing precedes the first token, so nothing predicts it.
            if let Some(first) = scored.first_mut() {
                *first = false;
            }
            Ok(TokenExample::new(input_ids.clone(), scored)?)
        }
    }
}

fn encode(tokenizer: &Tokenizer, text: &str, special: bool) -> Result<Vec<u32>, StageError> {
    Ok(tokenizer.encode(text, special).map_err(ModelError::from)?)
}

/// Renders the conversation turn by turn with the tokenizer's template, scoring the assistant's turns.
fn conversation(messages: &[Message], tokenizer: &Tokenizer) -> Result<TokenExample, StageError> {
    let template = match tokenizer.chat_template() {
        Some(text) => ChatTemplate::new(text).map_err(ModelError::from)?,
        None => ChatTemplate::chatml().map_err(ModelError::from)?,
    };
    let name = |id: Option<u32>| id.and_then(|id| tokenizer.id_to_token(id)).unwrap_or_default();
    let special = SpecialTokens { bos: name(tokenizer.bos()), eos: name(tokenizer.eos()) };
    let turns: Vec<chat::Message> = messages
        .iter()
        .map(|message| chat::Message { role: message.role.clone(), content: message.content.clone() })
        .collect();
    let render = |count: usize, prompt: bool| {
        template.render(&turns[..count], prompt, &special).map_err(ModelError::from)
    };
    let (mut ids, mut scored, mut said) = (Vec::new(), Vec::new(), String::new());
    let mut add = |text: &str, counts: bool| -> Result<(), StageError> {
        let part = encode(tokenizer, text, false)?;
        scored.extend(part.iter().map(|_| counts));
        ids.extend(part);
        Ok(())
    };
    for (index, turn) in turns.iter().enumerate() {
        if turn.role != "assistant" {
            continue;
        }
        for (text, counts) in [(render(index, true)?, false), (render(index + 1, false)?, true)] {
            // A template that rewrites earlier turns has no stretch of text that is this turn's.
            let Some(new) = text.strip_prefix(&said) else {
                return Err(StageError::TooLittle {
                    reason: "the tokenizer's chat template rewrites earlier turns, so an assistant's turn \
                             cannot be told apart; write the records as prompt and completion"
                        .into(),
                });
            };
            add(new, counts)?;
            said = text;
        }
    }
    if let Some(first) = scored.first_mut() {
        *first = false;
    }
    Ok(TokenExample::new(ids, scored)?)
}
