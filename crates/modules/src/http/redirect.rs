//! Redirects: which are followed, and with what.

use ureq::http::{HeaderMap, Method, header};

use super::{HttpError, Request, url};

/// Which redirects are followed: `follow_redirects`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Redirects {
    /// Every one; 307 and 308 keep method and body.
    #[default]
    All,
    /// Only of GET and HEAD.
    Safe,
    /// None: the redirect is the answer.
    Never,
    /// As Python's urllib does: those of GET and HEAD, and of POST but for 307 and 308, each as a GET.
    AsGet,
}

/// Where a redirect leads, when it is one and is to be followed.
pub(super) fn target(
    redirects: Redirects,
    request: &Request,
    status: u16,
    headers: &HeaderMap,
) -> Option<String> {
    if !matches!(status, 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let is_safe = matches!(request.method, Method::GET | Method::HEAD);
    let follow = match redirects {
        Redirects::All => true,
        Redirects::Safe => is_safe,
        Redirects::Never => false,
        Redirects::AsGet => {
            is_safe || (request.method == Method::POST && !matches!(status, 307 | 308))
        }
    };
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    follow.then(|| url::join(&request.url, location))
}

/// The request that follows a redirect: 307 and 308 repeat it, the others turn it into a GET, as browsers do.
pub(super) fn follow(
    redirects: Redirects,
    request: Request,
    status: u16,
    target: &str,
) -> Result<Request, HttpError> {
    if !target.starts_with("http://") && !target.starts_with("https://") {
        return Err(HttpError(format!("{} redirects to {target}, which is not HTTP", request.url)));
    }
    let mut next = Request { url: target.to_owned(), ..request };
    let becomes_get = match status {
        _ if redirects == Redirects::AsGet => true,
        301 => next.method == Method::POST,
        302 | 303 => next.method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        next.method = Method::GET;
    }
    if !matches!(status, 307 | 308) {
        next.body = None;
        let of_body = ["content-length", "content-type", "transfer-encoding"];
        next.headers.retain(|(name, _)| !of_body.contains(&name.to_ascii_lowercase().as_str()));
    }
    if !url::same_origin(&request.url, target) {
        let private = ["authorization", "cookie", "proxy-authorization"];
        next.headers.retain(|(name, _)| !private.contains(&name.to_ascii_lowercase().as_str()));
    }
    Ok(next)
}
