//! Every environment variable this crate reads, in one place.

use std::path::PathBuf;

/// The environment as this crate sees it. Read once by [`Environment::from_process`]; a test or a
/// program that embeds the crate fills it in by hand.
#[derive(Clone, Default)]
pub struct Environment {
    /// `LIMBECK_CACHE`: the folder for fetched packages.
    pub limbeck_cache: Option<PathBuf>,
    /// `XDG_CACHE_HOME`: the user's cache folder, used when `LIMBECK_CACHE` is unset.
    pub xdg_cache_home: Option<PathBuf>,
    /// `HOME` (`USERPROFILE` on Windows): `.cache` below it is used when both are unset.
    pub home: Option<PathBuf>,
    /// `LIMBECK_PIP`: the pip program (default: `pip`, then `python3 -m pip`).
    pub pip: Option<String>,
    /// `LIMBECK_NPM`: the npm program (default: `npm`).
    pub npm: Option<String>,
    /// `HF_HOME`: the Hugging Face folder (default: `~/.cache/huggingface`); models stand in `hub` below.
    pub hf_home: Option<PathBuf>,
    /// `HF_ENDPOINT`: the Hugging Face server (default: `https://huggingface.co`).
    pub hf_endpoint: Option<String>,
    /// `HF_TOKEN`: the access token. Sent to the server, never shown.
    pub hf_token: Option<String>,
    /// `HF_HUB_OFFLINE`: `1`, `true`, `yes` or `on` forbids asking the Hugging Face server.
    pub hf_offline: bool,
}

impl Environment {
    /// Reads the variables of this process. An empty variable counts as unset.
    pub fn from_process() -> Self {
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let text = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            limbeck_cache: path("LIMBECK_CACHE"),
            xdg_cache_home: path("XDG_CACHE_HOME"),
            home: path(if cfg!(windows) { "USERPROFILE" } else { "HOME" }),
            pip: text("LIMBECK_PIP"),
            npm: text("LIMBECK_NPM"),
            hf_home: path("HF_HOME"),
            hf_endpoint: text("HF_ENDPOINT"),
            hf_token: text("HF_TOKEN"),
            hf_offline: text("HF_HUB_OFFLINE").is_some_and(|value| {
                matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
            }),
        }
    }

    /// The cache folder: `LIMBECK_CACHE`, else `XDG_CACHE_HOME/limbeck`, else `HOME/.cache/limbeck`.
    pub fn cache_folder(&self) -> Option<PathBuf> {
        self.limbeck_cache
            .clone()
            .or_else(|| self.xdg_cache_home.as_ref().map(|folder| folder.join("limbeck")))
            .or_else(|| self.home.as_ref().map(|folder| folder.join(".cache").join("limbeck")))
    }

    /// The Hugging Face folder: `HF_HOME`, else `HOME/.cache/huggingface`.
    pub fn hf_folder(&self) -> Option<PathBuf> {
        self.hf_home
            .clone()
            .or_else(|| self.home.as_ref().map(|folder| folder.join(".cache").join("huggingface")))
    }
}

/// Shows everything but the token.
impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Environment")
            .field("limbeck_cache", &self.limbeck_cache)
            .field("xdg_cache_home", &self.xdg_cache_home)
            .field("home", &self.home)
            .field("pip", &self.pip)
            .field("npm", &self.npm)
            .field("hf_home", &self.hf_home)
            .field("hf_endpoint", &self.hf_endpoint)
            .field("hf_token", &self.hf_token.as_ref().map(|_| "(set)"))
            .field("hf_offline", &self.hf_offline)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_folder_follows_its_three_sources_in_order() {
        let mut environment = Environment { home: Some("/home/me".into()), ..Environment::default() };
        assert_eq!(environment.cache_folder().unwrap(), PathBuf::from("/home/me/.cache/limbeck"));
        environment.xdg_cache_home = Some("/xdg".into());
        assert_eq!(environment.cache_folder().unwrap(), PathBuf::from("/xdg/limbeck"));
        environment.limbeck_cache = Some("/own".into());
        assert_eq!(environment.cache_folder().unwrap(), PathBuf::from("/own"));
        assert_eq!(Environment::default().cache_folder(), None);
    }

    #[test]
    fn the_token_is_never_shown() {
        let environment = Environment { hf_token: Some("hf_secret".into()), ..Environment::default() };
        assert!(!format!("{environment:?}").contains("secret"));
    }
}
