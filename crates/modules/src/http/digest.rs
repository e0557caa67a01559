//! Logins that do not send the password: the digest scheme of RFC 7616, with MD5 and SHA-256.

use sha2::Digest as _;

use super::{HttpError, Login, Request};

/// What a server asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// As the server spelt it.
    algorithm_name: Option<String>,
    /// It wants the `auth` kind of protection; else it is an old server.
    protects: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    fn of(self, text: &str) -> String {
        match self {
            Self::Md5 => hex::encode(md5::Md5::digest(text)),
            Self::Sha256 => hex::encode(sha2::Sha256::digest(text)),
        }
    }
}

impl Challenge {
    /// From what stands behind `Digest` in the header; `None`: it asks for what is not known here.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let fields = fields(text);
        let field = |name: &str| {
            let found = fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.clone())
        };
        let algorithm_name = field("algorithm");
        let algorithm = match algorithm_name.as_deref().unwrap_or("MD5").to_uppercase().as_str() {
            "MD5" => Algorithm::Md5,
            "SHA-256" => Algorithm::Sha256,
            _ => return None,
        };
        let protections = field("qop");
        let protects = protections
            .as_deref()
            .is_some_and(|kinds| kinds.split(',').any(|kind| kind.trim() == "auth"));
        if protections.is_some() && !protects {
            return None;
        }
        Some(Self {
            realm: field("realm")?,
            nonce: field("nonce")?,
            opaque: field("opaque"),
            algorithm,
            algorithm_name,
            protects,
        })
    }

    /// The header that answers it.
    pub(super) fn answer(&self, login: &Login, request: &Request) -> Result<String, HttpError> {
        let mut nonce = [0; 8];
        rustls::crypto::ring::default_provider()
            .secure_random
            .fill(&mut nonce)
            .map_err(|_| HttpError("the system gives no random numbers".to_owned()))?;
        self.answer_with(login, request, &hex::encode(nonce))
    }

    fn answer_with(
        &self,
        login: &Login,
        request: &Request,
        own: &str,
    ) -> Result<String, HttpError> {
        let uri: ureq::http::Uri = request
            .url
            .parse()
            .map_err(|error| HttpError(format!("Invalid URL {}: {error}", request.url)))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if login.user.contains(['"', '\\', '\r', '\n']) {
            return Err(HttpError("the user name cannot stand in a header".to_owned()));
        }
        let Self { realm, nonce, .. } = self;
        let hash = |text: &str| self.algorithm.of(text);
        let secret = hash(&format!("{}:{realm}:{}", login.user, login.password.reveal()));
        let asked = hash(&format!("{}:{path}", request.method));
        let response = if self.protects {
            hash(&format!("{secret}:{nonce}:00000001:{own}:auth:{asked}"))
        } else {
            hash(&format!("{secret}:{nonce}:{asked}"))
        };
        let mut header = format!(
            "Digest username=\"{}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{path}\", response=\"{response}\"",
            login.user
        );
        if let Some(opaque) = &self.opaque {
            header.push_str(&format!(", opaque=\"{opaque}\""));
        }
        if let Some(name) = &self.algorithm_name {
            header.push_str(&format!(", algorithm=\"{name}\""));
        }
        if self.protects {
            header.push_str(&format!(", qop=auth, nc=00000001, cnonce=\"{own}\""));
        }
        Ok(header)
    }
}

/// `name="value, with comma", name=value`.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut fields = Vec::new();
    let mut rest = text.trim();
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => after.split_once(',').unwrap_or((after, "")),
        };
        fields.push((name.trim().to_owned(), value.trim().to_owned()));
        rest = left.trim_start_matches([',', ' ']);
    }
    fields
}

#[cfg(test)]
mod tests {
    use model::Secret;

    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        let text = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=MD5, \
                    nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                    opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let login =
            Login { user: "Mufasa".to_owned(), password: Secret::new("Circle of Life".to_owned()) };
        let request = Request::get("http://www.example.org/dir/index.html");
        let own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (text, response) in [
            (text.to_owned(), "8ca523f5e9506fed4657c9700eebdbec"),
            (
                text.replace("MD5", "SHA-256"),
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let challenge = Challenge::parse(&text).expect("a challenge");
            let header = challenge.answer_with(&login, &request, own).expect("an answer");
            assert!(header.contains(&format!("response=\"{response}\"")), "{header}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_answered() {
        for text in [
            "realm=\"x\"",
            "realm=\"x\", nonce=\"y\", algorithm=MD4",
            "realm=\"x\", nonce=\"y\", qop=\"auth-int\"",
            "",
        ] {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }
}
