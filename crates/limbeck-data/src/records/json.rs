//! A JSON array read element by element, so that a large file is never held whole.

use std::io::BufRead;
use std::path::Path;

use crate::DataError;

/// Where the reader stands between two elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// After `[`: an element or `]`.
    Start,
    /// After a comma: an element.
    Element,
    /// After an element: a comma or `]`.
    Between,
    /// After `]`.
    End,
}

/// Cuts a JSON array into the texts of its elements; what is inside them is the parser's affair.
pub(super) struct ArrayElements {
    reader: Box<dyn BufRead + Send>,
    place: Place,
    limit: u64,
}

impl ArrayElements {
    /// `reader` stands before the opening bracket.
    pub(super) fn new(reader: Box<dyn BufRead + Send>, limit: u64) -> Self {
        Self { reader, place: Place::Start, limit }
    }

    /// Steps over white space and gives the next byte without taking it.
    fn peek(&mut self) -> std::io::Result<Option<u8>> {
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return Ok(None);
            }
            match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
                Some(at) => {
                    let byte = buffer[at];
                    self.reader.consume(at);
                    return Ok(Some(byte));
                }
                None => {
                    let length = buffer.len();
                    self.reader.consume(length);
                }
            }
        }
    }

    /// Takes the opening bracket.
    pub(super) fn open(&mut self, path: &Path) -> Result<(), DataError> {
        if self.peek().map_err(DataError::io("read", path))? == Some(b'[') {
            self.reader.consume(1);
        }
        Ok(())
    }

    /// The text of the next element, or none after the closing bracket.
    pub(super) fn next(&mut self, path: &Path, row: u64) -> Result<Option<Vec<u8>>, DataError> {
        let wrong = |found: String, expected: &str| DataError::Record {
            file: path.to_path_buf(),
            unit: "element",
            row: Some(row),
            column: None,
            found,
            expected: expected.to_owned(),
        };
        loop {
            let byte = self.peek().map_err(DataError::io("read", path))?;
            match (self.place, byte) {
                (Place::End, None) => return Ok(None),
                (Place::End, Some(_)) => {
                    return Err(wrong("more text after the closing `]`".to_owned(), "one array"));
                }
                (_, None) => return Err(wrong("the end of the file".to_owned(), "`]`")),
                (Place::Start | Place::Between, Some(b']')) => {
                    self.reader.consume(1);
                    self.place = Place::End;
                }
                (Place::Between, Some(b',')) => {
                    self.reader.consume(1);
                    self.place = Place::Element;
                }
                (Place::Between, Some(byte)) => {
                    return Err(wrong(show(byte), "`,` or `]` between elements"));
                }
                (Place::Element, Some(byte @ (b']' | b','))) => {
                    return Err(wrong(show(byte), "an element after `,`"));
                }
                (Place::Start | Place::Element, Some(_)) => {
                    self.place = Place::Between;
                    return self.element(path, row).map(Some);
                }
            }
        }
    }

    /// Reads up to the comma or bracket that ends the element, outside of strings and nested brackets.
    fn element(&mut self, path: &Path, row: u64) -> Result<Vec<u8>, DataError> {
        let mut text = Vec::new();
        let (mut depth, mut in_string, mut escaped) = (0_u64, false, false);
        loop {
            let buffer = self.reader.fill_buf().map_err(DataError::io("read", path))?;
            if buffer.is_empty() {
                return Ok(text);
            }
            let mut end = None;
            for (at, byte) in buffer.iter().enumerate() {
                if in_string {
                    match byte {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => in_string = false,
                        _ => {}
                    }
                    continue;
                }
                match byte {
                    b'"' => in_string = true,
                    b'[' | b'{' => depth += 1,
                    b']' | b'}' | b',' if depth == 0 => {
                        end = Some(at);
                        break;
                    }
                    b']' | b'}' => depth -= 1,
                    _ => {}
                }
            }
            let taken = end.unwrap_or(buffer.len());
            text.extend_from_slice(&buffer[..taken]);
            self.reader.consume(taken);
            if text.len() as u64 > self.limit {
                return Err(DataError::TooLarge {
                    path: path.to_path_buf(),
                    what: format!("element {row}"),
                    size: text.len() as u64,
                    limit: self.limit,
                });
            }
            if end.is_some() {
                return Ok(text);
            }
        }
    }
}

fn show(byte: u8) -> String {
    if byte.is_ascii_graphic() { format!("`{}`", char::from(byte)) } else { format!("byte 0x{byte:02x}") }
}
