//! Bodies of requests.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use serde_json::Value;
use system::Probe;

use super::{BodyFormat, SEND_LIMIT};
use crate::arguments::{python_text, python_type};
use crate::contract::Failure;
use crate::http::url::form_encoded;

/// A body, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Encoded {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: Option<String>,
}

impl Encoded {
    fn new(bytes: impl Into<Vec<u8>>, content_type: &str) -> Self {
        Self { bytes: bytes.into(), content_type: Some(content_type.to_owned()) }
    }
}

pub(super) fn encode(
    body: &Value,
    format: BodyFormat,
    host: &dyn Probe,
) -> Result<Encoded, Failure> {
    match format {
        BodyFormat::Raw => Ok(Encoded { bytes: text_of(body).into(), content_type: None }),
        BodyFormat::Json => Ok(Encoded::new(json(body), "application/json")),
        BodyFormat::Form => Ok(Encoded::new(form(body)?, "application/x-www-form-urlencoded")),
        BodyFormat::Multipart => multipart(body, host),
    }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Object(_) | Value::Array(_) => value.to_string(),
        other => python_text(other),
    }
}

/// Text is taken for JSON already.
fn json(body: &Value) -> String {
    match body {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// From a dictionary or a list of pairs; text is taken for encoded already.
fn form(body: &Value) -> Result<String, Failure> {
    let wrong = || {
        Failure::new(
            "failed to parse body as form_urlencoded: too many values to unpack: it is neither a dictionary nor a list of pairs",
        )
    };
    let pairs: Vec<(String, Value)> = match body {
        Value::String(text) => return Ok(text.clone()),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        }
        Value::Array(pairs) => pairs
            .iter()
            .map(|pair| match pair.as_array().map(Vec::as_slice) {
                Some([name, value]) => Ok((python_text(name), value.clone())),
                _ => Err(wrong()),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(wrong()),
    };
    let encoded = pairs.into_iter().flat_map(|(name, value)| {
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        values.into_iter().map(move |value| {
            format!("{}={}", form_encoded(&name), form_encoded(&python_text(&value)))
        })
    });
    Ok(encoded.collect::<Vec<_>>().join("&"))
}

/// Fields of text, and of `{filename, content, mime_type, multipart_encoding}`.
fn multipart(body: &Value, host: &dyn Probe) -> Result<Encoded, Failure> {
    let wrong =
        |what: String| Failure::new(format!("failed to parse body as form-multipart: {what}"));
    let Value::Object(fields) = body else {
        return Err(wrong(format!("Mapping is required, cannot be type {}", python_type(body))));
    };
    let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, value) in fields {
        let name = quoted(name)?;
        match value {
            Value::Object(field) => parts.push(part(name, field, host)?),
            Value::String(text) => {
                let head = format!("Content-Disposition: form-data; name=\"{name}\"");
                parts.push((head, text.clone().into_bytes()));
            }
            other => {
                return Err(wrong(format!(
                    "value must be a string, or mapping, cannot be type {}",
                    python_type(other)
                )));
            }
        }
    }
    let boundary = boundary(&parts);
    let mut bytes = Vec::new();
    for (head, content) in parts {
        bytes.extend_from_slice(format!("--{boundary}\r\n{head}\r\n\r\n").as_bytes());
        bytes.extend_from_slice(&content);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    Ok(Encoded::new(bytes, &format!("multipart/form-data; boundary={boundary}")))
}

/// A field that is more than its text. What comes out of a file travels in base64 unless it is said otherwise, as
/// Ansible sends it.
fn part(
    name: &str,
    field: &serde_json::Map<String, Value>,
    host: &dyn Probe,
) -> Result<(String, Vec<u8>), Failure> {
    let text = |key: &str| field.get(key).and_then(Value::as_str);
    let filename = text("filename");
    let mut head = format!("Content-Disposition: form-data; name=\"{name}\"");
    if let Some(filename) = filename {
        let base = filename.rsplit('/').next().unwrap_or(filename);
        head = format!("{head}; filename=\"{}\"", quoted(base)?);
    }
    let kind = text("mime_type").unwrap_or_else(|| guess(filename.unwrap_or_default()));
    head = format!("{head}\r\nContent-Type: {}", quoted(kind)?);
    let content = match (text("content"), filename) {
        (Some(content), _) => return Ok((head, content.as_bytes().to_vec())),
        (None, Some(path)) => file(path, text("_blob"), host)?,
        (None, None) => {
            return Err(Failure::new(format!(
                "at least one of filename or content must be provided for field {name}"
            )));
        }
    };
    match text("multipart_encoding").unwrap_or("base64") {
        "base64" => Ok((format!("{head}\r\nContent-Transfer-Encoding: base64"), wrapped(&content))),
        "7or8bit" => Ok((head, with_line_ends(&content))),
        other => Err(Failure::new(format!(
            "multipart_encoding of field {name} must be one of base64 and 7or8bit, not {other}"
        ))),
    }
}

/// A file that the controller sent, or one of the host.
fn file(path: &str, blob: Option<&str>, host: &dyn Probe) -> Result<Vec<u8>, Failure> {
    let Some(digest) = blob else {
        return host
            .read(Path::new(path), SEND_LIMIT)?
            .ok_or_else(|| Failure::new(format!("{path} does not exist")));
    };
    let digest = digest.parse().map_err(|_| Failure::new(format!("`{digest}` is no digest")))?;
    let mut bytes = Vec::new();
    host.blob(digest)?
        .take(SEND_LIMIT)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("cannot fetch {path}: {error}")))?;
    Ok(bytes)
}

/// In base64, in lines.
fn wrapped(content: &[u8]) -> Vec<u8> {
    const LINE: usize = 76;
    let text = base64::engine::general_purpose::STANDARD.encode(content);
    text.as_bytes().chunks(LINE).flat_map(|line| [line, b"\r\n"].concat()).collect()
}

/// With line ends as the network has them.
fn with_line_ends(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                out.extend_from_slice(line.strip_suffix(b"\r").unwrap_or(line));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// The type of a file by the end of its name.
fn guess(name: &str) -> &'static str {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    match end.as_str() {
        "txt" | "log" | "conf" | "ini" => "text/plain",
        "csv" => "text/csv",
        "htm" | "html" => "text/html",
        "json" => "application/json",
        "xml" => "text/xml",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "tar" => "application/x-tar",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "sh" => "application/x-sh",
        "py" => "text/x-python",
        _ => "application/octet-stream",
    }
}

/// Refuses what would end a header.
fn quoted(text: &str) -> Result<&str, Failure> {
    if text.contains(['"', '\r', '\n']) {
        let text = text.escape_debug();
        return Err(Failure::new(format!("`{text}` cannot stand in a header of a multipart body")));
    }
    Ok(text)
}

/// A line that does not occur in the parts.
fn boundary(parts: &[(String, Vec<u8>)]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut hash = Sha256::new();
    for (head, content) in parts {
        hash.update(head.as_bytes());
        hash.update(content);
    }
    format!("=============={}", &hex::encode(hash.finalize())[..32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn encoded(body: Value, format: BodyFormat) -> (String, Option<String>) {
        let host = system::FakeSystem::new();
        let encoded = encode(&body, format, &host).expect("encodes");
        (String::from_utf8(encoded.bytes).expect("text"), encoded.content_type)
    }

    #[test]
    fn bodies_are_encoded() {
        let form = |body| encoded(body, BodyFormat::Form).0;
        assert_eq!(form(json!({"a b": "c&d", "n": [1, 2]})), "a+b=c%26d&n=1&n=2");
        assert_eq!(form(json!([["x", "y"], ["x", true]])), "x=y&x=True");
        assert_eq!(form(json!("a=b")), "a=b");
        assert_eq!(encoded(json!({"a": [1]}), BodyFormat::Json).0, "{\"a\":[1]}");
        assert_eq!(encoded(json!("{\"a\": 1}"), BodyFormat::Json).0, "{\"a\": 1}");
        assert_eq!(encoded(json!("x"), BodyFormat::Raw), ("x".to_owned(), None));
    }

    #[test]
    fn files_travel_in_parts() {
        let body = json!({"t": "v", "f": {"filename": "/x/a.txt", "content": "data", "mime_type": "text/plain"}});
        let (text, kind) = encoded(body, BodyFormat::Multipart);
        let kind = kind.expect("has one");
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
        assert_eq!(
            text,
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"t\"\r\n\r\nv\r\n\
                 --{boundary}\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.txt\"\r\n\
                 Content-Type: text/plain\r\n\r\ndata\r\n--{boundary}--\r\n"
            )
        );
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let host = system::FakeSystem::new();
        for body in [json!(1), json!([["a"]]), json!(["a", "b"])] {
            assert!(encode(&body, BodyFormat::Form, &host).is_err(), "{body}");
        }
        let body = json!({"a\"\r\nX: y": "v"});
        assert!(encode(&body, BodyFormat::Multipart, &host).is_err());
    }
}
