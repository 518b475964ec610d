//! Descriptions of heads that are built to do one thing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use limbeck_audit::{AttentionMaps, AuditError, HeadsConfig, describe_heads};
use limbeck_data::progress::Silent;
use limbeck_eval::contrast::{ContrastGroup, ContrastPrompt, ContrastTask};
use limbeck_eval::{Encode, EvalError};
use limbeck_model::{Decoder, DecoderConfig, Sizes};
use limbeck_results::{HeadDescription, HeadPattern};

const TOKENS: usize = 20;
const POSITIONS: usize = 41;
const WIDTH: usize = TOKENS + POSITIONS;
const PERIOD: usize = 8;
const HEADS: usize = 5;

/// Ten numbers, five names, five full stops of sorts.
struct Words;

impl Encode for Words {
    fn encode_text(&self, _: &str) -> Result<Vec<u32>, EvalError> {
        Ok(vec![])
    }
    fn decode_ids(&self, ids: &[u32]) -> Result<String, EvalError> {
        let word = |&id: &u32| match id {
            0..10 => id.to_string(),
            10..15 => ["Ann", "Bob", "Cy", "Dan", "Eve"][id as usize - 10].to_owned(),
            _ => ".".to_owned(),
        };
        Ok(ids.iter().map(word).collect::<Vec<_>>().join(" "))
    }
    fn leading(&self) -> Result<Vec<u32>, EvalError> {
        Ok(vec![])
    }
}

/// One block of heads over one-hot tokens beside one-hot positions. Head by head, a query looks for the position 1, `PERIOD`,
/// or `PERIOD - 1` before, for the first position, or for nothing; the first head copies what it reads, the second
/// suppresses it.
fn network() -> Decoder {
    let sizes = Sizes {
        vocab_size: TOKENS,
        d_model: WIDTH,
        n_layers: 1,
        n_heads: HEADS,
        n_kv_heads: HEADS,
        d_mlp: 4,
        max_positions: POSITIONS,
    };
    let config = DecoderConfig { d_head: WIDTH, ..DecoderConfig::gpt2(sizes) };
    let position = |at: usize| TOKENS + at;
    Decoder::from_parameters(
        &config,
        &mut |name, shape| {
            let mut values = vec![0.0; shape.iter().product()];
            let mut set = |head: usize, out: usize, from: usize, value: f32| {
                values[(head * WIDTH + out) * WIDTH + from] = value;
            };
            match name {
                "embed.weight" => (0..TOKENS).for_each(|token| set(0, token, token, 1.0)),
                "pos_embed.weight" => (0..POSITIONS).for_each(|at| set(0, at, position(at), 1.0)),
                "blocks.0.attn.q.weight" => {
                    for (head, back) in [1, PERIOD, PERIOD - 1].into_iter().enumerate() {
                        (back..POSITIONS).for_each(|at| set(head, position(at - back), position(at), 5.0));
                    }
                }
                // The fourth head looks for the first position from everywhere.
                "blocks.0.attn.q.bias" => values[3 * WIDTH + position(0)] = 25.0,
                "blocks.0.attn.k.weight" => {
                    for head in 0..HEADS {
                        (0..POSITIONS).for_each(|at| set(head, position(at), position(at), 1.0));
                    }
                }
                "blocks.0.attn.v.weight" => {
                    (0..2).for_each(|head| (0..TOKENS).for_each(|token| set(head, token, token, 1.0)));
                }
                "blocks.0.attn.o.weight" => {
                    for token in 0..TOKENS {
                        values[token * HEADS * WIDTH + token] = 1.0;
                        values[token * HEADS * WIDTH + WIDTH + token] = -1.0;
                    }
                }
                _ if name.contains("ln") && name.ends_with("weight") => values.fill(1.0),
                _ => {}
            }
            Ok(values)
        },
        &Device::flex(),
    )
    .unwrap()
}

/// A number, a name, a full stop, a name: the number differs in the corrupted prompt.
fn task() -> ContrastTask {
    let prompts: Vec<ContrastPrompt> = (0..6)
        .map(|at| ContrastPrompt {
            clean: vec![at, 10, 15, 11],
            corrupted: vec![at + 1, 10, 15, 11],
            right: vec![11],
            wrong: vec![12],
            text: String::new(),
            corrupted_text: String::new(),
        })
        .collect();
    ContrastTask { name: "test".into(), groups: vec![ContrastGroup::new("all", prompts)], left_out: vec![] }
}

fn described(config: &HeadsConfig) -> Vec<HeadDescription> {
    let (network, task) = (network(), task());
    let maps = AttentionMaps::measure(&network, &task, 4, &Silent).unwrap();
    let found = describe_heads(&network, &Words, &task, &maps, config, 1, &Silent).unwrap();
    assert_eq!((found.sequences, found.period), (8, PERIOD));
    found.heads
}

#[test]
fn heads_are_called_after_what_they_were_built_for() {
    let heads = described(&HeadsConfig { period: PERIOD, ..HeadsConfig::default() });
    let called: Vec<Option<HeadPattern>> = heads.iter().map(|head| head.pattern).collect();
    use HeadPattern::{
        Changed, Duplicate, First, Induction, Names, Numbers, Previous, Punctuation, Right, Wrong,
    };
    assert_eq!(called, [Some(Previous), Some(Duplicate), Some(Induction), Some(First), None]);
    let score = |head: usize, pattern: HeadPattern| {
        let found = heads[head].scores.iter().find(|score| score.pattern == pattern);
        found.map(|score| (score.attention.value, score.uniform))
    };
    for (head, pattern) in [Previous, Duplicate, Induction, First].into_iter().enumerate() {
        let (attention, uniform) = score(head, pattern).unwrap();
        assert!(attention > 0.95 && uniform < 0.2, "{pattern:?}: {attention}");
        // A head that looks nowhere gives what uniform attention gives.
        let (attention, uniform) = score(4, pattern).unwrap();
        assert!((attention - uniform).abs() < 1e-3, "{pattern:?}: {attention} {uniform}");
    }
    // From the last of four positions, the first head looks at the full stop before, the fourth at the number.
    assert!(score(0, Punctuation).unwrap().0 > 0.95 && score(3, Numbers).unwrap().0 > 0.95);
    assert!(score(3, Changed).unwrap().0 > 0.95 && (score(3, Changed).unwrap().1 - 0.25).abs() < 1e-12);
    assert!(
        (score(4, Names).unwrap().0 - 0.5).abs() < 1e-3 && (score(4, Right).unwrap().0 - 0.25).abs() < 1e-3
    );
    assert_eq!(score(0, Wrong), None, "no prompt holds the wrong answer");
    assert_eq!([0, 1, 2].map(|head| heads[head].copying), [1.0, 0.0, 0.5]);
}

#[test]
fn fewer_tokens_are_repeated_where_there_is_no_room() {
    let (network, task) = (network(), task());
    let maps = AttentionMaps::measure(&network, &task, 4, &Silent).unwrap();
    let config = HeadsConfig { period: 1000, ..HeadsConfig::default() };
    let found = describe_heads(&network, &Words, &task, &maps, &config, 1, &Silent).unwrap();
    assert_eq!(found.period, 20);
    let config = HeadsConfig { threshold: 0.0, ..HeadsConfig::default() };
    let refused = describe_heads(&network, &Words, &task, &maps, &config, 1, &Silent);
    assert!(matches!(refused, Err(AuditError::Config { key: "heads.threshold", .. })));
}
