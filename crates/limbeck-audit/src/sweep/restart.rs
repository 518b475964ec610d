//! Changed passes, taken up where the change happens, several side by side.

use burn::tensor::Tensor;
use limbeck_data::progress::Progress;
use limbeck_model::{Decoder, NoTap};

use crate::AuditError;
use crate::answers::Answers;
use crate::kept::kept_part;

/// Tokens from which more passes side by side gain nothing: products are then long enough.
const TOKENS: usize = 2048;

/// Where in a block a residual stream stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Before the block.
    Pre,
    /// Between attention and MLP.
    Mid,
    /// Behind the block.
    Post,
}

/// Streams of one batch of prompts that wait to be run to the end, and the logit differences of those that were.
pub(crate) struct Restarts<'a> {
    decoder: &'a Decoder,
    answers: &'a Answers,
    lengths: &'a [usize],
    progress: &'a dyn Progress,
    /// What the work is called where its parts are kept.
    part: String,
    /// Runs so far.
    runs: usize,
    waiting: Vec<(Start, usize, Tensor<3>)>,
    columns: Vec<Vec<f64>>,
}

impl<'a> Restarts<'a> {
    /// For `count` results over prompts of `lengths`; `part` names the work where its parts are kept.
    pub(crate) fn new(
        decoder: &'a Decoder,
        answers: &'a Answers,
        lengths: &'a [usize],
        count: usize,
        part: String,
        progress: &'a dyn Progress,
    ) -> Restarts<'a> {
        let columns = vec![vec![]; count];
        Restarts { decoder, answers, lengths, progress, part, runs: 0, waiting: vec![], columns }
    }

    /// Adds a stream `[batch, seq, d_model]` of block `layer`, for result `place`; runs those that wait when they are
    /// enough.
    pub(crate) fn add(
        &mut self,
        layer: usize,
        start: Start,
        place: usize,
        stream: Tensor<3>,
    ) -> Result<(), AuditError> {
        let [batch, seq, _] = stream.dims();
        self.waiting.push((start, place, stream));
        // The next one would be too much.
        if (self.waiting.len() + 1) * batch * seq > TOKENS { self.run(layer) } else { Ok(()) }
    }

    /// Runs all that wait, which are of block `layer`.
    pub(crate) fn run(&mut self, layer: usize) -> Result<(), AuditError> {
        let layers = self.decoder.config().n_layers;
        let (mut places, mut waiting, mut blocks) = (vec![], vec![], 0);
        for start in [Start::Pre, Start::Mid, Start::Post] {
            let here: Vec<_> = self.waiting.extract_if(.., |(other, ..)| *other == start).collect();
            blocks += here.len() * (layers - layer - usize::from(start == Start::Post));
            places.extend(here.iter().map(|(_, place, _)| *place));
            if !here.is_empty() {
                waiting.push((start, here));
            }
        }
        if waiting.is_empty() {
            return Ok(());
        }
        self.runs += 1;
        let part = format!("{}, run {}", self.part, self.runs);
        let found = kept_part(&part, blocks as u64, self.progress, || {
            let ends = waiting.into_iter().map(|(start, here)| {
                let streams = here.into_iter().map(|(.., stream)| stream);
                self.to_end_of_block(layer, start, Tensor::cat(streams.collect(), 0))
            });
            let ends = Tensor::cat(ends.collect(), 0);
            let last = match layer + 1 == layers {
                true => ends,
                false => self.decoder.run_to_last(layer + 1, ends.clone(), &self.lengths_of(&ends)),
            };
            self.answers.of_normed(self.decoder.finish(last, &mut NoTap))
        })?;
        for (place, column) in places.into_iter().zip(found.chunks_exact(self.lengths.len())) {
            self.columns[place] = column.to_vec();
        }
        Ok(())
    }

    /// Takes streams to the end of their block; in the last block at their last positions only.
    fn to_end_of_block(&self, layer: usize, start: Start, streams: Tensor<3>) -> Tensor<3> {
        let (decoder, lengths) = (self.decoder, self.lengths_of(&streams));
        let layers = decoder.config().n_layers;
        let last = layer + 1 == layers;
        let heard = |streams| if last { decoder.run_to_last(layers, streams, &lengths) } else { streams };
        match start {
            Start::Pre if last => decoder.run_to_last(layer, streams, &lengths),
            Start::Pre => decoder.run_blocks(layer..layer + 1, streams, &mut NoTap),
            Start::Mid => decoder.run_from_mid(layer, heard(streams)),
            Start::Post => heard(streams),
        }
    }

    /// Lengths of the prompts, repeated for each of the streams side by side.
    fn lengths_of(&self, streams: &Tensor<3>) -> Vec<usize> {
        self.lengths.repeat(streams.dims()[0] / self.lengths.len().max(1))
    }

    /// The logit differences, one list over prompts per result.
    pub(crate) fn columns(self) -> Vec<Vec<f64>> {
        self.columns
    }
}
