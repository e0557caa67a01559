//! Filters that encrypt and decrypt: `vault` and `unvault`.

use std::sync::Arc;

use vault::{Envelope, Key, Keyring};

use super::PLAIN;
use crate::args::Args;
use crate::environment::{Environment, Traits};
use crate::error::{Error, ErrorKind};
use crate::eval::Scope;
use crate::value::{Marks, Value};

/// The id in texts that a filter made, if it is told no other.
const FILTER_ID: &str = "filter_default";

pub(super) fn register(environment: &mut Environment) {
    environment.filter("vault", PLAIN, seal);
    environment.filter("unvault", Traits { takes_sealed: true, ..PLAIN }, open);
}

/// `data | vault(secret, salt=None, vault_id='filter_default', wrap_object=False)`.
fn seal(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let secret = args.required("secret")?;
    let salt = args.text("salt")?;
    let id = args.text("vault_id")?.unwrap_or_else(|| FILTER_ID.to_owned());
    let wrap = args.flag("wrap_object", false);
    args.take_named("vaultid");
    args.finish()?;
    let password = password(&secret)?;
    let plain = bytes(&value).ok_or_else(|| {
        let class = value.type_name();
        Error::type_error(format!("Can only vault strings, instead we got <class '{class}'>."))
    })?;
    let salt = salt.as_deref().map(str::as_bytes);
    let sealed = Envelope::seal(plain, password, Some(&id), salt);
    if !wrap {
        return Ok(sealed.into());
    }
    let opened: Arc<str> = value.to_string().into();
    scope.environment().vault().remember(sealed.into(), opened.clone());
    Ok(Value::from(opened).marked(Marks::SEALED | Marks::SECRET))
}

/// `text | unvault(secret, vault_id='filter_default')`: what is not encrypted stays as it is.
fn open(scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let secret = args.required("secret")?;
    let id = args.text("vault_id")?.unwrap_or_else(|| FILTER_ID.to_owned());
    args.take_named("vaultid");
    args.finish()?;
    let password = password(&secret)?.to_vec();
    let Some(content) = bytes(&value) else {
        let class = value.type_name();
        return Err(Error::type_error(format!(
            "Vault should be in the form of a string, instead we got <class '{class}'>."
        )));
    };
    // A value that was encrypted is opened again, with this password instead of those of the run.
    let opened = value.as_arc_str().filter(|_| value.marks().has(Marks::SEALED));
    let sealed = opened.and_then(|text| scope.environment().vault().sealed(text));
    let sealed = sealed.as_deref().map_or(content, str::as_bytes);
    if !vault::is_encrypted(sealed) {
        return Ok(value);
    }
    let keyring = Keyring::new(vec![Key::new(id, password)], false);
    let opened = keyring
        .open(sealed)
        .map_err(|error| Error::new(ErrorKind::Filter, format!("Unable to decrypt: {error}")))?;
    let text = String::from_utf8(opened.plain.reveal().clone()).map_err(|_| {
        Error::new(ErrorKind::Filter, format!("Unable to decrypt: {}", vault::Error::NotText))
    })?;
    Ok(Value::from(text).marked(Marks::SECRET))
}

fn password(secret: &Value) -> Result<&[u8], Error> {
    bytes(secret).ok_or_else(|| {
        let class = secret.type_name();
        Error::type_error(format!(
            "Secret passed is required to be a string, instead we got <class '{class}'>."
        ))
    })
}

fn bytes(value: &Value) -> Option<&[u8]> {
    value.as_str().map(str::as_bytes).or_else(|| value.as_bytes())
}
