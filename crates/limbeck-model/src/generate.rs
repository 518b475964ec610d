//! Text generation with cached keys and values, for batches of unequal prompts.

use burn::tensor::{Int, Tensor, TensorData};
use limbeck_kernels::on_pool;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::decoder::{Decoder, KeyValueCache, Layout};
use crate::error::ModelError;
use crate::parameter::floats;
use crate::tap::NoTap;

/// How tokens are chosen and when to stop.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationConfig {
    /// Most tokens to add to each prompt.
    pub max_tokens: usize,
    /// Divides the logits; 0 always takes the likeliest token.
    pub temperature: f64,
    /// Keeps the `k` likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps the smallest set of likeliest tokens whose mass reaches `p`; 1 keeps all.
    pub top_p: f64,
    /// Seed of the draws; each row draws from a stream of its own.
    pub seed: u64,
    /// Tokens that end a row; they are not returned.
    pub stop_ids: Vec<u32>,
}

impl Default for GenerationConfig {
    /// 64 tokens, greedy.
    fn default() -> Self {
        Self { max_tokens: 64, temperature: 0.0, top_k: 0, top_p: 1.0, seed: 0, stop_ids: Vec::new() }
    }
}

impl GenerationConfig {
    fn check(&self) -> Result<(), ModelError> {
        let refuse = |key, found: f64, expected| {
            let found = found.to_string();
            Err(ModelError::Generation { key, found, expected })
        };
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return refuse("temperature", self.temperature, "0 or more");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return refuse("top_p", self.top_p, "above 0 and at most 1");
        }
        Ok(())
    }
}

/// Continues each prompt. `on_token` sees every new token with its row as it comes and ends that row by
/// answering `false` (a stop string, a reader gone).
///
/// Rows end at a stop token, at `max_tokens`, or when the model has no positions left. A row's draws depend
/// on the seed and its index alone.
///
/// # Errors
/// Prompts that do not fit the model ([`Decoder::check`]) and settings out of range.
pub fn generate(
    decoder: &Decoder,
    prompts: &[Vec<u32>],
    config: &GenerationConfig,
    on_token: &mut dyn FnMut(usize, u32) -> bool,
) -> Result<Vec<Vec<u32>>, ModelError> {
    config.check()?;
    decoder.check(prompts)?;
    let rows = prompts.len();
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let mut rngs: Vec<ChaCha8Rng> = (0..rows)
        .map(|row| {
            let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
            rng.set_stream(row as u64);
            rng
        })
        .collect();
    // The last new token is not read. Past the last position only rows shorter than the longest go on: the cache grows.
    let room =
        longest.saturating_add(config.max_tokens).saturating_sub(1).min(decoder.config().max_positions);
    let mut cache = KeyValueCache::new(decoder.config().n_layers, room);
    let mut out = vec![Vec::new(); rows];
    let mut open = vec![true; rows];
    let pads: Vec<usize> = prompts.iter().map(|prompt| longest - prompt.len()).collect();
    let left_pads = match pads.iter().all(|&pad| pad == 0) {
        true => Vec::new(),
        false => pads.clone(),
    };
    // Padding on the left keeps the newest token of every row in the last column.
    let mut ids: Vec<i32> = Vec::with_capacity(rows * longest);
    for (prompt, &pad) in prompts.iter().zip(&pads) {
        ids.extend(std::iter::repeat_n(0, pad));
        ids.extend(prompt.iter().map(|&id| id as i32));
    }
    let mut layout = Layout { offset: 0, length: longest, left_pads };

    for step in 0..config.max_tokens {
        let data = TensorData::new(std::mem::take(&mut ids), [rows, layout.length]);
        let tokens: Tensor<2, Int> = Tensor::from_data(data, &decoder.device());
        let logits = on_pool(|| next_logits(decoder, tokens, &layout, &mut cache));
        let vocab = decoder.config().vocab_size;
        for (row, scores) in logits.chunks_exact(vocab).enumerate() {
            let token = choose(scores, config, &mut rngs[row]);
            if open[row] {
                if config.stop_ids.contains(&token) {
                    open[row] = false;
                } else {
                    out[row].push(token);
                    // The token just added needs a position of its own to be read.
                    let room = prompts[row].len() + step < decoder.config().max_positions;
                    open[row] = on_token(row, token) && room;
                }
            }
            ids.push(token as i32);
        }
        if !open.iter().any(|&open| open) {
            break;
        }
        layout.offset += layout.length;
        layout.length = 1;
    }
    Ok(out)
}

/// Logits of each row's last token, `rows * vocab` values.
fn next_logits(
    decoder: &Decoder,
    ids: Tensor<2, Int>,
    layout: &Layout,
    cache: &mut KeyValueCache,
) -> Vec<f32> {
    let resid = decoder.embed_at(ids, layout, &mut NoTap);
    let all = 0..decoder.config().n_layers;
    let resid = decoder.run_blocks_at(all, resid, layout, Some(cache), &mut NoTap);
    let last = resid.narrow(1, layout.length - 1, 1);
    let hidden = decoder.finish(last, &mut NoTap);
    floats(decoder.unembed(hidden).inner().into_data())
}

/// Draws a token from its logits.
fn choose(logits: &[f32], config: &GenerationConfig, rng: &mut ChaCha8Rng) -> u32 {
    let likeliest = || {
        let best = logits
            .iter()
            .enumerate()
            .fold((0, f32::NEG_INFINITY), |best, (id, &z)| if z > best.1 { (id, z) } else { best });
        best.0 as u32
    };
    if config.temperature == 0.0 {
        return likeliest();
    }
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    // Ties by id, so that the order is total and the draw reproducible.
    order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]).then(a.cmp(&b)));
    if config.top_k > 0 {
        order.truncate(config.top_k);
    }
    let Some(&first) = order.first() else {
        return 0;
    };
    let top = f64::from(logits[first as usize]);
    let mut weights: Vec<f64> =
        order.iter().map(|&id| ((f64::from(logits[id as usize]) - top) / config.temperature).exp()).collect();
    let total: f64 = weights.iter().sum();
    if config.top_p < 1.0 {
        let mut mass = 0.0;
        let kept = weights
            .iter()
            .position(|weight| {
                mass += weight / total;
                mass >= config.top_p
            })
            .map_or(weights.len(), |last| last + 1);
        weights.truncate(kept);
    }
    let mut at = rng.random::<f64>() * weights.iter().sum::<f64>();
    for (&id, weight) in order.iter().zip(&weights) {
        at -= weight;
        if at <= 0.0 {
            return id;
        }
    }
    likeliest()
}
