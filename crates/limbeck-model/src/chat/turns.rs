//! Where the assistant's turns stand in the text of a conversation, of a template that does not mark them.

use std::ops::Range;

use super::{ChatError, ChatTemplate, Conversation, Message};

/// Bytes of `text`, the whole conversation's, that each of the assistant's turns adds: from where its answer begins to the end of its
/// turn.
///
/// A template that goes through the turns one by one tells them by the text of the first turns, which begins the text of the whole.
/// Of one that looks at the whole conversation (at the last turn, or at how many there are) they are found by what is said.
///
/// # Errors
/// [`ChatError::Rewrites`] when a turn is found in neither way; what rendering reports.
pub fn assistant_turns(
    template: &ChatTemplate,
    conversation: &Conversation,
    text: &str,
) -> Result<Vec<Range<usize>>, ChatError> {
    match by_beginnings(template, conversation, text) {
        Err(ChatError::Rewrites { .. } | ChatError::Failed(_)) => by_contents(template, conversation, text),
        found => found,
    }
}

/// The turns by the text of the first `n` turns with and without the `n + 1`st.
fn by_beginnings(
    template: &ChatTemplate,
    conversation: &Conversation,
    text: &str,
) -> Result<Vec<Range<usize>>, ChatError> {
    let mut turns = Vec::new();
    let mut end = 0;
    for index in assistants(conversation) {
        let before = template.render_turns(conversation, index, true)?.text;
        let after = template.render_turns(conversation, index + 1, false)?.text;
        // A template without a prompt for the answer, or with one that an answer does not begin with, has the turn begin behind the
        // turns before.
        let before = if after.starts_with(&before) {
            before
        } else {
            template.render_turns(conversation, index, false)?.text
        };
        if !(text.starts_with(&after) && after.starts_with(&before) && end <= before.len()) {
            return Err(ChatError::Rewrites { turn: index + 1 });
        }
        turns.push(before.len()..after.len());
        end = after.len();
    }
    Ok(turns)
}

/// The turns by their contents: each is rendered once more between two characters that stand nowhere else, which must change nothing
/// but add those two. Around the content, the turn has what the template puts before an answer and behind the last one.
fn by_contents(
    template: &ChatTemplate,
    conversation: &Conversation,
    text: &str,
) -> Result<Vec<Range<usize>>, ChatError> {
    let mut turns = Vec::new();
    let mut end = 0;
    let marks = unused(conversation, text).ok_or(ChatError::Rewrites { turn: 1 })?;
    for index in assistants(conversation) {
        let rewrites = ChatError::Rewrites { turn: index + 1 };
        let Some(content) = marked(template, conversation, conversation.messages.len(), index, marks)?
            .filter(|found| found.text == text)
            .map(|found| found.content)
        else {
            return Err(rewrites);
        };
        if content.start < end {
            return Err(rewrites);
        }
        let begin = answer_begins(template, conversation, index, &text[end..content.start]);
        // As the last turn of a conversation, it ends with the text. That end belongs to it if it stands here, too.
        let last = marked(template, conversation, index + 1, index, marks).ok().flatten();
        let tail = last.as_ref().map_or("", |last| &last.text[last.content.end..]);
        let here = &text[content.end..];
        let tail =
            [tail, tail.trim_end()].into_iter().find(|tail| here.starts_with(tail)).map_or(0, str::len);
        turns.push(end + begin..content.end + tail);
        end = content.end + tail;
    }
    Ok(turns)
}

fn assistants(conversation: &Conversation) -> impl Iterator<Item = usize> {
    let turns = conversation.messages.iter().enumerate();
    turns.filter(|(_, message)| message.role == "assistant").map(|(index, _)| index)
}

/// Bytes of `between`, the text from the last answer to this one's content, before the answer begins: behind the prompt for an answer,
/// which may be followed by what the template puts before a content, such as an empty thought.
fn answer_begins(template: &ChatTemplate, conversation: &Conversation, index: usize, between: &str) -> usize {
    let rendered = |prompt| template.render_turns(conversation, index, prompt).map(|rendered| rendered.text);
    let (Ok(asked), Ok(plain)) = (rendered(true), rendered(false)) else { return between.len() };
    match asked.strip_prefix(&plain) {
        Some(prompt) if !prompt.is_empty() => {
            between.rfind(prompt).map_or(between.len(), |at| at + prompt.len())
        }
        _ => between.len(),
    }
}

/// A text rendered with marks, without them, and where they stood.
struct Marked {
    text: String,
    content: Range<usize>,
}

/// The first `turns` turns, the content of one between marks: inside the white space around it, so that a template trims as without
/// marks. Where the content is said more than once, the last time counts. None where it is not said, or in pieces.
fn marked(
    template: &ChatTemplate,
    conversation: &Conversation,
    turns: usize,
    index: usize,
    [open, close]: [char; 2],
) -> Result<Option<Marked>, ChatError> {
    let content = &conversation.messages[index].content;
    let words = content.trim();
    let lead = content.len() - content.trim_start().len();
    let (before, after) = (&content[..lead], &content[lead + words.len()..]);
    let mut messages: Vec<Message> = conversation.messages[..turns].to_vec();
    messages[index].content = format!("{before}{open}{words}{close}{after}");
    let text = template.render_messages(conversation, messages.iter(), false)?.text;
    let (mut clean, mut begun, mut content) = (String::with_capacity(text.len()), None, None);
    for letter in text.chars() {
        if letter == open {
            begun = Some(clean.len());
        } else if letter == close {
            let Some(begin) = begun.take() else { return Ok(None) };
            content = Some(begin..clean.len());
        } else {
            clean.push(letter);
        }
    }
    Ok(content.filter(|_| begun.is_none()).map(|content| Marked { text: clean, content }))
}

/// Two characters for private use that stand neither in the text nor in what is said.
fn unused(conversation: &Conversation, text: &str) -> Option<[char; 2]> {
    let stands = |letter: char| {
        text.contains(letter) || conversation.messages.iter().any(|message| message.content.contains(letter))
    };
    let mut free = ('\u{e000}'..='\u{f8ff}').filter(|letter| !stands(*letter));
    Some([free.next()?, free.next()?])
}
