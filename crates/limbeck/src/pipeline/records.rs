//! From a record to a token example: what is read, and what is scored.
//!
//! One rule holds for every kind: the text of a record is encoded as its whole would be, and offsets say which piece a token
//! belongs to. A token across the border of two pieces is scored when the later piece is: the model has to predict it. Tokens that
//! begin or end a text stand there once, whether the tokenizer adds them, the template writes them or the record has them written out.

use limbeck_data::examples::TokenExample;
use limbeck_data::records::{Message, Record};
use limbeck_model::chat::{self, ChatTemplate, Conversation};
use limbeck_model::tokenizer::Pieces;
use limbeck_model::{ModelError, Tokenizer};

use super::StageError;

/// The tokens of a record.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// The tokens, and which of them are scored.
    pub(crate) example: TokenExample,
    /// Tokens that hold text of a scored and of another piece.
    pub(crate) spanning: usize,
}

/// Tokens of a record. Of plain text everything but the first token is scored, of a prompt nothing, of a
/// conversation what the assistant says.
pub(crate) fn example_of(record: &Record, tokenizer: &Tokenizer) -> Result<Encoded, StageError> {
    let whole = |example| Encoded { example, spanning: 0 };
    match record {
        Record::Text { text } => {
            let ids = tokenizer.encode(text, true).map_err(ModelError::from)?;
            Ok(whole(TokenExample::all_scored(ids)))
        }
        Record::Completion { prompt, completion } => {
            let mut pieces =
                tokenizer.encode_pieces(&[prompt, completion], true).map_err(ModelError::from)?;
            if let Some(end) = tokenizer.eos().filter(|_| !tokenizer.is_ended(&pieces.ids)) {
                pieces.ids.push(end);
                pieces.piece.push(1);
            }
            scored(pieces, |piece| piece == 1)
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
            Ok(whole(TokenExample::new(input_ids.clone(), scored)?))
        }
    }
}

/// An example of pieces, some of them scored.
fn scored(pieces: Pieces, counts: impl Fn(usize) -> bool) -> Result<Encoded, StageError> {
    let Pieces { ids, piece, spanning } = pieces;
    // Nothing precedes the first token, so nothing predicts it.
    let scored = piece.into_iter().enumerate().map(|(at, piece)| at > 0 && counts(piece)).collect();
    Ok(Encoded { example: TokenExample::new(ids, scored)?, spanning })
}

/// Renders the conversation with the tokenizer's template, scoring what the assistant says: what stands in `{% generation %}` of a
/// template that has it, and otherwise what each of the assistant's turns adds to the text.
fn conversation(messages: &[Message], tokenizer: &Tokenizer) -> Result<Encoded, StageError> {
    let template = match tokenizer.chat_template() {
        Some(text) => ChatTemplate::new(text),
        None => ChatTemplate::chatml(),
    }
    .map_err(ModelError::from)?;
    let turns: Vec<chat::Message> =
        messages.iter().map(|message| chat::Message::new(&message.role, &message.content)).collect();
    let whole = Conversation { special: tokenizer.special_names(), ..Conversation::new(turns) };
    let rendered = template.render(&whole).map_err(ModelError::from)?;
    let said = match rendered.generated {
        Some(generated) => generated,
        None => chat::assistant_turns(&template, &whole, &rendered.text).map_err(ModelError::from)?,
    };
    let weights: Vec<bool> =
        messages.iter().filter(|one| one.role == "assistant").map(|one| one.weight != 0).collect();
    if weights.contains(&false) && weights.len() != said.len() {
        return Err(StageError::TooLittle {
            reason: "the tokenizer's chat template does not give every assistant's turn a stretch of text of its own, so a \
                     turn of weight 0 cannot be told apart; write the records as prompt and completion"
                .into(),
        });
    }
    let learned = if weights.len() == said.len() { weights } else { vec![true; said.len()] };
    // Pieces with odd numbers are the assistant's.
    let mut pieces = Vec::with_capacity(2 * said.len() + 1);
    let mut end = 0;
    for turn in said {
        pieces.push(&rendered.text[end..turn.start]);
        pieces.push(&rendered.text[turn.clone()]);
        end = turn.end;
    }
    pieces.push(&rendered.text[end..]);
    let pieces = tokenizer.encode_pieces(&pieces, false).map_err(ModelError::from)?;
    scored(pieces, |piece| piece % 2 == 1 && learned[piece / 2])
}
