//! HTTP requests whose credentials stay with the server they are meant for.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use ureq::http::{HeaderMap, Uri};
use ureq::{Agent, Body};

use crate::DataError;
use crate::progress::Progress;

/// Redirects followed for one request.
const MOST_REDIRECTS: usize = 8;
/// Tries after a failed transfer before giving up.
const RETRIES: u32 = 3;
/// Longest wait for a connection, and for the next bytes of an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client for one server and whatever it redirects to.
pub(super) struct Web {
    agent: Agent,
    home: Option<Origin>,
    token: Option<String>,
}

/// Scheme, host and port: who an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let port = uri.port_u16().or(match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        })?;
        Some(Self { scheme, host: uri.host()?.to_ascii_lowercase(), port })
    }
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebError {
    /// The server answered with an error.
    #[error("http status: {0}")]
    Status(u16),
    /// No answer, or a broken one.
    #[error("{0}")]
    Transport(String),
    /// A redirect that leads nowhere.
    #[error("{0}")]
    Redirect(String),
    /// The user asked to stop, or the disk said no.
    #[error(transparent)]
    Here(#[from] DataError),
}

/// An answer with its content still to come.
pub(super) struct Answer {
    /// Headers of the last answer that came from the server itself, before a redirect elsewhere.
    pub(super) home: HeaderMap,
    /// The status of the last answer.
    status: u16,
    /// The headers of the last answer.
    headers: HeaderMap,
    body: Body,
}

impl Answer {
    /// A header of the server itself as text.
    pub(super) fn home_header(&self, name: &str) -> Option<&str> {
        self.home.get(name)?.to_str().ok()
    }

    /// The content as text.
    ///
    /// # Errors
    /// When it is longer than `most` bytes, no UTF-8, or breaks off.
    pub(super) fn text(self, most: u64) -> Result<String, WebError> {
        let mut text = String::new();
        let mut reader = self.body.into_reader().take(most + 1);
        reader.read_to_string(&mut text).map_err(|error| WebError::Transport(error.to_string()))?;
        if text.len() as u64 > most {
            return Err(WebError::Transport(format!("the answer is longer than {most} bytes")));
        }
        Ok(text)
    }

    /// Bytes of the whole file, where the server says.
    fn size(&self) -> Option<u64> {
        let header = |name: &str| self.headers.get(name)?.to_str().ok();
        match header("content-range").and_then(|range| range.rsplit_once('/')) {
            Some((_, total)) => total.parse().ok(),
            None => header("content-length")?.parse().ok(),
        }
    }
}

impl Web {
    /// A client that shows `token` to the server of the address `home`, and to no other.
    pub(super) fn new(home: &str, token: Option<String>) -> Self {
        let config = Agent::config_builder()
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("limbeck/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(PATIENCE))
            .timeout_recv_response(Some(PATIENCE))
            .build();
        Self { agent: config.new_agent(), home: Origin::of(home), token }
    }

    /// Asks for an address, from byte `from` on, and follows redirects. The token goes with a request whose scheme, host
    /// and port are those of the server only.
    pub(super) fn get(&self, url: &str, from: u64) -> Result<Answer, WebError> {
        let mut url = url.to_owned();
        let mut home = None;
        for _ in 0..=MOST_REDIRECTS {
            let at_home = self.home.is_some() && Origin::of(&url) == self.home;
            let mut request = self.agent.get(&url);
            if let (Some(token), true) = (&self.token, at_home) {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let answer = request.call().map_err(|error| WebError::Transport(error.to_string()))?;
            let (parts, body) = answer.into_parts();
            if at_home || home.is_none() {
                home = Some(parts.headers.clone());
            }
            if parts.status.is_redirection() {
                let target = parts.headers.get("location").and_then(|target| target.to_str().ok());
                let Some(target) = target else {
                    return Err(WebError::Redirect("the server redirects without saying where".into()));
                };
                url = resolve(&url, target)?;
                continue;
            }
            if !parts.status.is_success() {
                return Err(WebError::Status(parts.status.as_u16()));
            }
            let home = home.unwrap_or_default();
            return Ok(Answer { home, status: parts.status.as_u16(), headers: parts.headers, body });
        }
        Err(WebError::Redirect(format!("the server redirects more than {MOST_REDIRECTS} times")))
    }

    /// Writes the content of an answer to `path`, and asks for the rest again when it breaks off.
    pub(super) fn save(
        &self,
        url: &str,
        answer: Answer,
        path: &Path,
        progress: &dyn Progress,
    ) -> Result<(), WebError> {
        let size = answer.size();
        let label = url.rsplit('/').next().unwrap_or_default();
        progress.start(&format!("fetching {}", crate::text::name(label)), size.unwrap_or(0), "bytes");
        let saved = self.save_all(url, answer, size, path, progress);
        progress.finish();
        saved
    }

    fn save_all(
        &self,
        url: &str,
        answer: Answer,
        size: Option<u64>,
        path: &Path,
        progress: &dyn Progress,
    ) -> Result<(), WebError> {
        let mut file = File::create(path).map_err(DataError::io("create", path))?;
        let (mut written, mut answer) = (0, Some(answer));
        let mut tries = 0;
        loop {
            let fresh = match answer.take() {
                Some(answer) => Ok(answer),
                None => self.get(url, written),
            };
            let copied = fresh.and_then(|mut answer| {
                if answer.status == 200 && written > 0 {
                    // The server begins anew.
                    file = File::create(path).map_err(DataError::io("create", path))?;
                    written = 0;
                }
                copy(&mut answer.body.as_reader(), &mut file, path, &mut written, progress)
            });
            let failure = match copied {
                Ok(()) if size.is_none_or(|size| size == written) => break,
                Ok(()) => WebError::Transport(format!("only {written} of {} bytes came", size.unwrap_or(0))),
                Err(WebError::Here(error)) => return Err(error.into()),
                Err(other) => other,
            };
            if tries == RETRIES || size.is_some_and(|size| written > size) {
                return Err(failure);
            }
            std::thread::sleep(Duration::from_millis(300 << tries));
            tries += 1;
        }
        file.sync_all().map_err(DataError::io("flush", path))?;
        Ok(())
    }
}

fn copy(
    reader: &mut dyn Read,
    file: &mut File,
    path: &Path,
    written: &mut u64,
    progress: &dyn Progress,
) -> Result<(), WebError> {
    let mut buffer = vec![0_u8; 1 << 17];
    loop {
        if progress.cancelled() {
            return Err(DataError::Cancelled.into());
        }
        let read = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(WebError::Transport(error.to_string())),
        };
        file.write_all(&buffer[..read]).map_err(DataError::io("write", path))?;
        *written += read as u64;
        progress.advance(read as u64);
    }
}

/// The address that `target` means in an answer from `url`.
fn resolve(url: &str, target: &str) -> Result<String, WebError> {
    let nowhere = || WebError::Redirect("the server redirects to something that is no address".into());
    let (scheme, rest) = url.split_once("://").ok_or_else(nowhere)?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let absolute = if target.contains("://") {
        target.to_owned()
    } else if target.starts_with("//") {
        format!("{scheme}:{target}")
    } else if target.starts_with('/') {
        format!("{scheme}://{host}{target}")
    } else {
        let path = rest[host.len()..].split(['?', '#']).next().unwrap_or_default();
        let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
        format!("{scheme}://{host}{folder}{target}")
    };
    let plain = absolute.starts_with("http://") || absolute.starts_with("https://");
    if plain && Origin::of(&absolute).is_some() { Ok(absolute) } else { Err(nowhere()) }
}

/// Copies a file, or asks for it when `url` is an address of the web.
pub(super) fn fetch_plain(url: &str, path: &Path, progress: &dyn Progress) -> Result<(), WebError> {
    if let Some(file) = url.strip_prefix("file://") {
        let from = percent_decoded(file);
        fs::copy(&from, path).map_err(DataError::io("copy", Path::new(&from)))?;
        return Ok(());
    }
    let web = Web::new(url, None);
    let answer = web.get(url, 0)?;
    web.save(url, answer, path, progress)
}

/// `%20` and the like as the bytes they stand for.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_redirects_are_resolved() {
        let from = "http://a:80/x/y?z=/q";
        for (target, means) in [
            ("https://b/c", "https://b/c"),
            ("//b/c", "http://b/c"),
            ("/c", "http://a:80/c"),
            ("c", "http://a:80/x/c"),
        ] {
            assert_eq!(resolve(from, target).unwrap(), means);
        }
        for target in ["file:///etc/passwd", "ftp://a/b", "http://"] {
            assert!(resolve(from, target).is_err(), "{target}");
        }
        assert_eq!(percent_decoded("/a%20b%2fc%zz%"), "/a b/c%zz%");
        assert_eq!(Origin::of("http://A/"), Origin::of("http://a:80"));
        assert_ne!(Origin::of("http://a:80"), Origin::of("http://a:81"));
        assert_ne!(Origin::of("http://a:80"), Origin::of("https://a:80"));
    }
}
