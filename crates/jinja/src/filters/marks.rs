//! What is known about a value besides its content, under the names that ansible-core has for its own tests.
//!
//! `apply_trust` is not among them: nothing turns data into a template.

use super::{ANY, LAZY};
use crate::args::Args;
use crate::environment::Environment;
use crate::error::Error;
use crate::eval::Scope;
use crate::value::{Marks, Value};

pub(super) fn register(environment: &mut Environment) {
    environment.filter("ansible._protomatter.origin", LAZY, |_, value, args| {
        args.finish()?;
        Ok(value.origin().map(ToString::to_string).map_or_else(Value::none, Value::from))
    });
    environment.filter("ansible._protomatter.tag_names", LAZY, |_, value, args| {
        args.finish()?;
        let names = TAGS.into_iter().filter(|tag| has(&value, tag)).map(Value::from);
        Ok(names.collect())
    });
    environment.filter("ansible._protomatter.finalize", LAZY, |scope, value, args| {
        args.finish()?;
        scope.templar().resolve(&value)
    });
    environment.filter("ansible._protomatter.true_type", ANY, |_, value, args| {
        args.finish()?;
        Ok(value.type_name().into())
    });
    environment.test("ansible._protomatter.tagged_with", LAZY, tagged_with);
}

const TAGS: [&str; 3] = ["Origin", "TrustedAsTemplate", "VaultedValue"];

fn has(value: &Value, tag: &str) -> bool {
    match tag {
        "Origin" => value.origin().is_some(),
        "TrustedAsTemplate" => value.marks().has(Marks::TRUSTED),
        _ => value.marks().has(Marks::SEALED),
    }
}

fn tagged_with(_scope: &Scope<'_>, value: Value, mut args: Args) -> Result<Value, Error> {
    let tag = args.required("tag_name")?.to_string();
    args.finish()?;
    if !TAGS.contains(&&*tag) {
        return Err(Error::value_error(format!("Unknown tag name {tag:?}."))
            .hinted(crate::error::nearest(&tag, TAGS.into_iter())));
    }
    Ok(has(&value, &tag).into())
}
