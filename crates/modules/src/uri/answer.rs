//! The answer of a web service as `register` sees it.

use model::Args;
use serde_json::{Value, json};
use ureq::http::{HeaderMap, header};

use crate::http::{Response, url};

/// `HTTP Error 404: Not Found`.
pub(super) fn reason(response: &Response) -> String {
    format!("HTTP Error {}: {}", response.status, response.reason)
}

/// Status, final URL, headers under names of letters, and cookies.
pub(super) fn tell(response: &Response, result: &mut Args) {
    for name in response.headers.keys() {
        let values = response.headers.get_all(name).iter();
        let values: Vec<String> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        let mut value = values.join(", ");
        if name == header::LOCATION {
            value = url::join(&response.url, &value);
        }
        result.insert(name.as_str().replace('-', "_"), value.into());
    }
    let cookies = cookies(&response.headers);
    let joined: Vec<String> = cookies
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    let size = response.headers.get(header::CONTENT_LENGTH).and_then(|size| size.to_str().ok());
    let message = if response.status < 300 {
        format!("OK ({} bytes)", size.unwrap_or("unknown"))
    } else {
        reason(response)
    };
    for (key, value) in [
        ("cookies", cookies.into()),
        ("cookies_string", joined.join("; ").into()),
        ("url", Value::from(response.url.clone())),
        ("status", response.status.into()),
        ("redirected", response.redirected.into()),
        ("msg", message.into()),
    ] {
        result.insert(key.to_owned(), value);
    }
}

fn cookies(headers: &HeaderMap) -> Args {
    let values = headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    values
        .filter_map(|value| value.split(';').next()?.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().trim_matches('"').into()))
        .collect()
}

/// `json` of an answer that is JSON or asked for, `content` of one that is asked for.
pub(super) fn tell_content(
    headers: &HeaderMap,
    content: &[u8],
    return_content: bool,
    result: &mut Args,
) {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if !content.is_empty()
        && is_json(kind.unwrap_or_default())
        && let Ok(json) = serde_json::from_slice::<Value>(content)
    {
        result.insert("json".to_owned(), json);
    }
    if return_content {
        result.insert("content".to_owned(), json!(String::from_utf8_lossy(content)));
    }
}

/// `application/json`, `application/problem+json`, `text/javascript`.
fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let subtype = kind.rsplit('/').next().unwrap_or_default();
    let subtype = subtype.rsplit('+').next().unwrap_or_default();
    matches!(subtype, "json" | "javascript")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_type() {
        for (kind, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/problem+json", true),
            ("text/javascript", true),
            ("text/html", false),
            ("", false),
        ] {
            assert_eq!(is_json(kind), expected, "{kind}");
        }
    }
}
