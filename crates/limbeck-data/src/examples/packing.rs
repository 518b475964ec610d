//! Packing: documents of any length into sequences of one length.

use super::TokenExample;

/// Joins the documents into one stream, each followed by `separator` (usually the end-of-sequence
/// id), and cuts the stream into sequences of exactly `length` tokens, every token but each
/// sequence's first scored.
///
/// What is left at the end, shorter than `length`, is dropped: at most `length - 1` tokens. A length
/// below 2 gives nothing, since no token of such a sequence can be scored.
pub fn pack<I>(documents: I, length: usize, separator: Option<u32>) -> Vec<TokenExample>
where
    I: IntoIterator<Item = Vec<u32>>,
{
    let mut examples = Vec::new();
    if length < 2 {
        return examples;
    }
    let mut current = Vec::with_capacity(length);
    for document in documents {
        // A document that ends with the separator has it already.
        let separator = separator.filter(|end| document.last() != Some(end));
        for id in document.into_iter().chain(separator) {
            current.push(id);
            if current.len() == length {
                let full = std::mem::replace(&mut current, Vec::with_capacity(length));
                examples.push(TokenExample::all_scored(full));
            }
        }
    }
    examples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_but_the_end() {
        let examples = pack([vec![1, 2, 3], vec![], vec![4, 5, 6, 7]], 4, Some(0));
        let ids: Vec<&[u32]> = examples.iter().map(|example| example.ids.as_slice()).collect();
        assert_eq!(ids, [&[1, 2, 3, 0], &[0, 4, 5, 6]]);
        assert!(examples.iter().all(|example| example.scored == [false, true, true, true]));
        let ended = pack([vec![1, 0], vec![2, 0]], 2, Some(0));
        assert_eq!(
            (ended[0].ids.as_slice(), ended[1].ids.as_slice(), ended.len()),
            (&[1, 0][..], &[2, 0][..], 2)
        );
        let joined = pack([vec![1, 2, 3], vec![4]], 2, None);
        assert_eq!(joined.len(), 2);
        assert_eq!(joined[1].ids, [3, 4]);
        assert!(pack([vec![1, 2, 3]], 1, None).is_empty());
    }
}
