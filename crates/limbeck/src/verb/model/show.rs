//! `limbeck model show`: what a model is.

use clap::Args;
use limbeck::model::{Position, Site};
use limbeck::pipeline::facts;
use serde_json::json;

use super::super::Desk;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `limbeck model show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The model
    model: String,
}

impl Show {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let model = super::load(&self.model, desk)?;
        let facts = facts(&model);
        let config = model.decoder.config();
        let sites: Vec<String> = Site::all(config.n_layers, matches!(config.position, Position::Learned))
            .iter()
            .map(Site::to_string)
            .collect();
        let token = |id: Option<u32>| id.and_then(|id| model.tokenizer.id_to_token(id));
        let data = json!({
            "model": facts,
            "hash": model.hash,
            "config": config.to_hf_json(),
            "tokenizer": {
                "vocab_size": model.tokenizer.vocab_size(),
                "bos": token(model.tokenizer.bos()),
                "eos": token(model.tokenizer.eos()),
                "chat_template": model.tokenizer.chat_template().is_some(),
                "hash": model.tokenizer.hash(),
            },
            "sites": sites,
        });
        desk.output.data(&data, || {
            let mut text = format!(
                "{}\n{}: {} parameters, {} layers, {} heads ({} key-value), d_model {}, d_mlp {}, vocabulary {}, {} positions\n",
                self.model,
                facts.family,
                facts.parameters,
                config.n_layers,
                config.n_heads,
                config.n_kv_heads,
                config.d_model,
                config.d_mlp,
                config.vocab_size,
                config.max_positions,
            );
            text += &format!(
                "tokenizer: {} tokens, chat template: {}\nhash: {}\nsites:\n",
                model.tokenizer.vocab_size(),
                if model.tokenizer.chat_template().is_some() { "yes" } else { "no" },
                model.hash,
            );
            for site in &sites {
                text += &format!("  {site}\n");
            }
            text
        })?;
        Ok(Exit::Fine)
    }
}
