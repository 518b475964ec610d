//! `limbeck model logits`: the logits of a text, for comparison with any other implementation.

use std::path::PathBuf;

use clap::Args;
use limbeck::data::atomic::{check_file_replaceable, write_atomic};
use limbeck::model::{ModelError, NoTap, TokenBatch};
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::json;

use super::super::Desk;
use super::fail;
use crate::exit::Exit;
use crate::failure::Failure;

/// What the header of every file of ours says, and hardly another's.
const SIGN: &str = "\"logits\":{\"dtype\":\"F32\"";

/// Arguments of `limbeck model logits`.
#[derive(Debug, Args)]
pub(crate) struct Logits {
    /// The model
    model: String,
    /// The text
    #[arg(long)]
    text: String,
    /// Safetensors file to write: input_ids [n] and logits [n, vocab]
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Logits {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        check_file_replaceable(&self.out, SIGN).map_err(fail)?;
        let model = super::load(&self.model, desk)?;
        let ids = model.tokenizer.encode(&self.text, true).map_err(|error| fail(ModelError::from(error)))?;
        if ids.is_empty() {
            return Err(Failure::input("--text gives no token"));
        }
        let rows = [ids.clone()];
        model.decoder.check(&rows).map_err(fail)?;
        let batch = TokenBatch::new(&rows, &model.decoder.device()).map_err(fail)?;
        let logits = model.decoder.logits(&batch, &mut NoTap);
        let [_, n, vocab] = logits.dims();
        let values =
            logits.into_data().try_to_vec::<f32>().map_err(|error| Failure::broke(format!("{error:?}")))?;
        let id_bytes: Vec<u8> = ids.iter().flat_map(|id| i64::from(*id).to_le_bytes()).collect();
        let logit_bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let tensors = [
            ("input_ids", TensorView::new(Dtype::I64, vec![n], &id_bytes).map_err(Failure::broke)?),
            ("logits", TensorView::new(Dtype::F32, vec![n, vocab], &logit_bytes).map_err(Failure::broke)?),
        ];
        let bytes = serialize(tensors, None).map_err(Failure::broke)?;
        write_atomic(&self.out, &bytes).map_err(fail)?;
        let data = json!({ "out": self.out, "tokens": n, "vocab_size": vocab });
        desk.output
            .data(&data, || format!("{}: input_ids [{n}], logits [{n}, {vocab}]", self.out.display()))?;
        Ok(Exit::Fine)
    }
}
