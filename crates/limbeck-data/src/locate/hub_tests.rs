//! The hub's client against a server on the loopback, and against a folder another program filled.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

use super::*;
use crate::env::Environment;
use crate::progress::Silent;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A tiny repository: (name, content).
fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("config.json", b"{\"model_type\":\"gpt2\"}".to_vec()),
        ("model.safetensors", vec![7; 3000]),
        ("model.gguf", vec![8; 10]),
        ("README.md", b"# hello".to_vec()),
        ("onnx/model.json", b"{}".to_vec()),
    ]
}

/// What the server saw: request lines and authorization headers.
type Log = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// Serves the repository `org/tiny` and gives the address. `damage`: contents arrive changed.
fn serve(damage: bool) -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let log: Log = Arc::default();
    let seen = Arc::clone(&log);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), &seen, damage);
        }
    });
    (address, log)
}

fn answer(mut stream: TcpStream, log: &Log, damage: bool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut request, mut token, mut from, mut to) = (String::new(), None, 0, None);
    reader.read_line(&mut request).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        if name.eq_ignore_ascii_case("authorization") {
            token = Some(value.to_owned());
        }
        if name.eq_ignore_ascii_case("range") {
            let (start, end) = value.trim_start_matches("bytes=").split_once('-').unwrap();
            from = start.parse().unwrap();
            to = end.parse::<usize>().ok();
        }
    }
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    log.lock().unwrap().push((path.clone(), token));
    let resolve = format!("/org/tiny/resolve/{COMMIT}/");
    let found =
        path.strip_prefix(&resolve).and_then(|name| files().into_iter().find(|(file, _)| *file == name));
    if path == "/api/models/org/tiny/revision/main" {
        let siblings: Vec<_> =
            files().iter().map(|(name, _)| serde_json::json!({"rfilename": name})).collect();
        let body = serde_json::json!({"sha": COMMIT, "siblings": siblings}).to_string();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).unwrap();
    } else if let Some((_, content)) = found {
        let etag = crate::hash::hex(&Sha256::digest(&content));
        let content: Vec<u8> = if damage { content.iter().map(|byte| byte ^ 1).collect() } else { content };
        let end = to.map_or(content.len(), |to| to + 1);
        write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\nETag: \"{etag}\"\r\nX-Repo-Commit: {COMMIT}\r\nContent-Range: bytes {from}-{}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            end - 1, content.len(), end - from
        )
        .unwrap();
        stream.write_all(&content[from..end]).unwrap();
    } else {
        write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    }
}

fn cache(root: &Path, endpoint: &str) -> Cache {
    let environment = Environment {
        hf_home: Some(root.join("hf")),
        hf_endpoint: Some(endpoint.to_owned()),
        hf_token: Some("hf_secret".to_owned()),
        ..Environment::default()
    };
    Cache::new(root.join("cache"), environment)
}

#[test]
fn a_repository_is_fetched_once_with_the_token_and_without_what_is_not_needed() {
    let root = tempfile::tempdir().unwrap();
    let (endpoint, log) = serve(false);
    let cache = cache(root.path(), &endpoint);
    let locator: Locator = "hf:org/tiny".parse().unwrap();
    let found = fetch(&locator, &cache, &Silent).unwrap();
    assert_eq!(crate::hash::list_files(&found.path).unwrap(), ["config.json", "model.safetensors"]);
    assert_eq!(found.hash, crate::hash::hash_folder(&found.path).unwrap());
    assert_eq!(found.checksum.as_deref(), Some(COMMIT));
    assert_eq!(fs::read(found.path.join("model.safetensors")).unwrap(), vec![7; 3000]);
    let requests = log.lock().unwrap().len();
    assert!(log.lock().unwrap().iter().all(|(_, token)| token.as_deref() == Some("Bearer hf_secret")));
    assert_eq!(fetch(&locator, &cache, &Silent).unwrap(), found);
    assert_eq!(log.lock().unwrap().len(), requests, "the second fetch asked the server again");
    let inner = fetch(&"hf:org/tiny#model.gguf".parse().unwrap(), &cache, &Silent).unwrap();
    assert_eq!(inner.hash, crate::hash::hash_bytes(&[8; 10]));
}

#[test]
fn damaged_missing_and_unreachable_say_so_without_the_token() {
    let root = tempfile::tempdir().unwrap();
    let (endpoint, _) = serve(true);
    let error = fetch(&"hf:org/tiny".parse().unwrap(), &cache(root.path(), &endpoint), &Silent).unwrap_err();
    assert!(error.to_string().contains("arrived damaged"), "{error}");
    let (endpoint, _) = serve(false);
    // What was damaged is fetched anew, not used.
    fetch(&"hf:org/tiny".parse().unwrap(), &cache(root.path(), &endpoint), &Silent).unwrap();
    let error = fetch(&"hf:org/other".parse().unwrap(), &cache(root.path(), &endpoint), &Silent).unwrap_err();
    assert!(error.to_string().contains("404") && error.hint().unwrap().contains("name"), "{error}");
    let error =
        fetch(&"hf:org/tiny#no.gguf".parse().unwrap(), &cache(root.path(), &endpoint), &Silent).unwrap_err();
    assert!(matches!(error, DataError::Missing { .. }), "{error}");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = cache(&root.path().join("else"), &format!("http://127.0.0.1:{port}"));
    let error = fetch(&"hf:org/tiny".parse().unwrap(), &nobody, &Silent).unwrap_err();
    assert!(error.hint().unwrap().contains("HF_ENDPOINT"), "{error}");
    assert!(!format!("{error:?}").contains("secret"));
}

#[test]
fn a_folder_that_another_program_filled_serves_offline() {
    let root = tempfile::tempdir().unwrap();
    let repo = root.path().join("hf/hub/models--org--tiny");
    let snapshot = repo.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(repo.join("refs")).unwrap();
    fs::write(repo.join("refs/main"), COMMIT).unwrap();
    fs::write(snapshot.join("config.json"), "{}").unwrap();
    let environment =
        Environment { hf_home: Some(root.path().join("hf")), hf_offline: true, ..Environment::default() };
    let offline = Cache::new(root.path().join("cache"), environment);
    for text in ["hf:org/tiny".to_owned(), format!("hf:org/tiny@{COMMIT}")] {
        let found = fetch(&text.parse().unwrap(), &offline, &Silent).unwrap();
        assert_eq!((found.path.as_path(), found.checksum.as_deref()), (snapshot.as_path(), Some(COMMIT)));
    }
    let error = fetch(&"hf:org/absent".parse().unwrap(), &offline, &Silent).unwrap_err();
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
    // With a server that does not answer, the same folder is used and the user is told.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut unreachable = cache(root.path(), &format!("http://127.0.0.1:{port}"));
    unreachable = Cache::new(root.path().join("cache2"), unreachable.environment().clone());
    assert_eq!(fetch(&"hf:org/tiny".parse().unwrap(), &unreachable, &Silent).unwrap().path, snapshot);
}

/// Answers each request by `reply`, which gets path and authorization; gives the address and what was seen.
fn serve_with(reply: impl Fn(&str) -> String + Send + 'static) -> (String, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let log: Log = Arc::default();
    let seen = Arc::clone(&log);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut request, mut token) = (String::new(), None);
            reader.read_line(&mut request).unwrap();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("authorization: ") {
                    token = Some(value.trim().to_owned());
                }
                line.clear();
            }
            let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
            stream.write_all(reply(&path).as_bytes()).unwrap();
            seen.lock().unwrap().push((path, token));
        }
    });
    (address, log)
}

#[test]
fn the_token_never_follows_a_redirect_to_another_server() {
    let plain = |headers: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    };
    let moved = |headers: &str, to: &str| {
        format!(
            "HTTP/1.1 302 Found\r\n{headers}Location: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
    };
    // The same machine at another port, and by another name: neither is the server that the token is for.
    let (other, elsewhere) = serve_with(move |_| plain("ETag: \"other\"\r\n", "{\"model_type\":\"gpt2\"}"));
    let by_name = other.replace("127.0.0.1", "localhost");
    let facts = format!("X-Repo-Commit: {COMMIT}\r\nX-Linked-Etag: \"tag-one\"\r\n");
    let (endpoint, at_home) = serve_with(move |path| match path {
        "/api/models/org/tiny/revision/main" => moved("", "/api/models/org/moved/revision/main"),
        "/api/models/org/moved/revision/main" => plain(
            "",
            &format!(
                "{{\"sha\": \"{COMMIT}\", \"siblings\": [{{\"rfilename\": \"config.json\"}}, {{\"rfilename\": \"tokenizer.json\"}}]}}"
            ),
        ),
        path if path.ends_with("/config.json") => moved(&facts, &format!("{other}/cdn/config.json")),
        path if path.ends_with("/tokenizer.json") => {
            moved(&facts.replace("tag-one", "tag-two"), &format!("{by_name}/cdn/t"))
        }
        _ => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned(),
    });
    let root = tempfile::tempdir().unwrap();
    let found = fetch(&"hf:org/tiny".parse().unwrap(), &cache(root.path(), &endpoint), &Silent).unwrap();
    assert_eq!(crate::hash::list_files(&found.path).unwrap(), ["config.json", "tokenizer.json"]);
    let at_home = at_home.lock().unwrap();
    assert_eq!(at_home.len(), 4, "{at_home:?}");
    assert!(at_home.iter().all(|(_, token)| token.as_deref() == Some("bearer hf_secret")), "{at_home:?}");
    let elsewhere = elsewhere.lock().unwrap();
    assert_eq!(elsewhere.len(), 2, "{elsewhere:?}");
    assert!(elsewhere.iter().all(|(_, token)| token.is_none()), "{elsewhere:?}");
}
