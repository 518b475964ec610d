//! `limbeck model generate`: continue a prompt.

use std::path::{Path, PathBuf};

use clap::Args;
use limbeck::data::atomic::read_json;
use limbeck::model::chat::{ChatTemplate, Conversation, Message};
use limbeck::model::{GenerationConfig, LoadedModel, ModelError, generate};
use serde_json::{Value as Json, json};

use super::super::Desk;
use super::fail;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt;

/// Arguments of `limbeck model generate`.
#[derive(Debug, Args)]
pub(crate) struct Generate {
    /// The model
    model: String,
    /// The prompt (repeatable: prompts of one batch)
    #[arg(long, required = true, value_name = "TEXT")]
    prompt: Vec<String>,
    /// Take the prompt as a user's message and answer it by the chat template
    #[arg(long)]
    chat: bool,
    /// A system message before the prompt; with --chat
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,
    /// JSON file with a list of tools for the chat template; with --chat
    #[arg(long, value_name = "FILE", requires = "chat")]
    tools: Option<PathBuf>,
    /// Most tokens to add
    #[arg(long, default_value_t = 64, value_name = "N")]
    max_tokens: usize,
    /// Divides the logits; 0 always takes the likeliest token
    #[arg(long, default_value_t = 0.0, value_name = "T")]
    temperature: f64,
    /// Keep the K likeliest tokens; 0 keeps all
    #[arg(long, default_value_t = 0, value_name = "K")]
    top_k: usize,
    /// Keep the smallest set of likeliest tokens whose mass reaches P
    #[arg(long, default_value_t = 1.0, value_name = "P")]
    top_p: f64,
    /// End before this text (repeatable)
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Seed of the draws
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

impl Generate {
    pub(crate) fn perform(self, desk: &Desk) -> Result<Exit, Failure> {
        let model = super::load(&self.model, desk)?;
        let prompts = self
            .prompt
            .iter()
            .map(|prompt| self.encode(&model, prompt))
            .collect::<Result<Vec<_>, Failure>>()?;
        let config = GenerationConfig {
            max_tokens: self.max_tokens,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            seed: self.seed,
            stop_ids: model.tokenizer.ends().to_vec(),
        };
        let mut rows: Vec<Vec<u32>> = vec![Vec::new(); prompts.len()];
        let mut on_token = |row: usize, token: u32| {
            let Some(so_far) = rows.get_mut(row) else {
                return false;
            };
            so_far.push(token);
            let stopped = !self.stop.is_empty()
                && model.tokenizer.decode(so_far).is_ok_and(|text| cut(&text, &self.stop).is_some());
            !stopped && !interrupt::requested()
        };
        let answers = generate(&model.decoder, &prompts, &config, &mut on_token).map_err(fail)?;
        let mut texts = Vec::new();
        for ids in &answers {
            let text = model.tokenizer.decode(ids).map_err(|error| fail(ModelError::from(error)))?;
            texts.push(cut(&text, &self.stop).map_or(text.clone(), |end| text[..end].to_owned()));
        }
        let data: Vec<_> = self
            .prompt
            .iter()
            .zip(&texts)
            .zip(&answers)
            .map(|((prompt, text), ids)| json!({ "prompt": prompt, "text": text, "tokens": ids }))
            .collect();
        desk.output.data(&data, || texts.join("\n"))?;
        Ok(if interrupt::requested() { Exit::Interrupted } else { Exit::Fine })
    }
}

impl Generate {
    /// The tokens of a prompt: of the text itself, or of a user's message by the chat template.
    fn encode(&self, model: &LoadedModel, prompt: &str) -> Result<Vec<u32>, Failure> {
        let tokenizer = &model.tokenizer;
        let ids = if self.chat {
            let template =
                if self.tools.is_some() { tokenizer.tool_template() } else { tokenizer.chat_template() };
            let Some(template) = template else {
                return Err(Failure::input("the model has no chat template").hint("leave out --chat"));
            };
            let system = self.system.iter().map(|text| Message::new("system", text));
            let conversation = Conversation {
                add_generation_prompt: true,
                special: tokenizer.special_names(),
                tools: self.tools.as_deref().map(read_tools).transpose()?,
                ..Conversation::new(system.chain([Message::new("user", prompt)]).collect())
            };
            let rendered = ChatTemplate::new(template).and_then(|template| template.render(&conversation));
            tokenizer.encode(&rendered.map_err(|error| fail(ModelError::from(error)))?.text, false)
        } else {
            tokenizer.encode_prompt(prompt)
        };
        let ids = ids.map_err(|error| fail(ModelError::from(error)))?;
        if ids.is_empty() {
            return Err(Failure::input("--prompt gives no token"));
        }
        Ok(ids)
    }
}

/// Where the first stop text begins.
fn cut(text: &str, stops: &[String]) -> Option<usize> {
    stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| text.find(stop.as_str())).min()
}

/// The list in a file of tools.
fn read_tools(path: &Path) -> Result<Json, Failure> {
    match read_json(path).map_err(fail)? {
        tools @ Json::Array(_) => Ok(tools),
        _ => Err(Failure::input(format!("{}: it is not a JSON list of tools", path.display()))),
    }
}
