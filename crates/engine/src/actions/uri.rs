//! `uri`: the controller's half. Files of the controller that are to be sent are named by digest; the host fetches them.

use jinja::SearchKind;
use serde_json::Value;

use super::{Attempt, Call, Prepared, io_failure, module};

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    let mut args = call.json_args()?;
    if call.flag("remote_src", false)? {
        return Ok(module(args, "uri"));
    }
    if let Some(src) = call.text("src") {
        args.insert("_blob".into(), digest_of(call, &src)?.into());
    }
    if call.text("body_format").as_deref() == Some("form-multipart")
        && let Some(Value::Object(fields)) = args.get_mut("body")
    {
        for field in fields.values_mut().filter_map(Value::as_object_mut) {
            let has_content = field.get("content").is_some_and(|content| !content.is_null());
            let name = field.get("filename").and_then(Value::as_str).map(str::to_owned);
            if let Some(name) = name.filter(|_| !has_content) {
                field.insert("_blob".into(), digest_of(call, &name)?.into());
            }
        }
    }
    Ok(module(args, "uri"))
}

fn digest_of(call: &Call<'_>, name: &str) -> Attempt<String> {
    let path = call.find(SearchKind::Files, name)?;
    let kept = call.world.blobs.add_file(&path);
    let (digest, _) = kept.map_err(|error| io_failure("read", &path, &error))?;
    Ok(digest.to_string())
}
