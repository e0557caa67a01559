//! `template`: renders a file of the controller; a `copy` step then puts it in place.

use std::path::Path;

use jinja::{SearchKind, Templar, TemplateOptions, Value};
use model::Args;

use super::{Attempt, Call, Draft, Prepared, copy, failure};
use crate::world::magic;

/// Arguments that are about rendering; the rest are those of `copy`.
const RENDERING: &[&str] = &[
    "src",
    "newline_sequence",
    "block_start_string",
    "block_end_string",
    "variable_start_string",
    "variable_end_string",
    "comment_start_string",
    "comment_end_string",
    "trim_blocks",
    "lstrip_blocks",
    "output_encoding",
];

pub(super) fn run(call: &Call<'_>) -> Attempt<Prepared> {
    let name = call.required("src")?;
    call.required("dest")?;
    let path = call.find(SearchKind::Templates, &name)?;
    let text = render(call, &path)?;
    let mut args: Args = call.json_args()?;
    args.retain(|name, _| !RENDERING.contains(&name.as_str()));
    let basename = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    args.insert("_original_basename".into(), basename.into());
    if call.args.get("mode").and_then(Value::as_str) == Some("preserve") {
        args.insert("mode".into(), copy::mode_of(&path)?.into());
    }
    args.insert("follow".into(), call.flag("follow", false)?.into());
    copy::add_content(call, &mut args, &encoded(call, &text)?)?;
    let draft = Draft { module: "copy".to_owned(), args };
    let source = path.to_string_lossy().into_owned();
    Ok(Prepared::Steps(
        vec![draft],
        Box::new(move |outcomes| {
            let (mut outcome, effects) = super::single(outcomes);
            if outcome.is_changed() {
                outcome.result.insert("src".into(), source.into());
            }
            (outcome, effects)
        }),
    ))
}

fn render(call: &Call<'_>, path: &Path) -> Attempt<String> {
    if path.is_dir() {
        return Err(failure(format!("the template {} is a directory", path.display())));
    }
    let (bytes, was_sealed) = call.read(path)?;
    let mut file = yaml::SourceFile::from_bytes(path, &bytes)
        .map_err(|diagnostic| failure(diagnostic.message().to_owned()))?;
    if was_sealed {
        file = file.into_secret();
    }
    let dest = call.text("dest").unwrap_or_default();
    let own = jinja::template_variables(
        &call.world.environment,
        call.scope,
        &call.required("src")?,
        path,
        &dest,
    );
    let scope = call.scope.with(magic("template", own.into_iter().collect()));
    let templar = Templar::new(&call.world.environment, &scope, call.files);
    Ok(templar.render_template(&file, &options(call)?)?.to_string())
}

/// The text in the encoding that `output_encoding` names.
fn encoded(call: &Call<'_>, text: &str) -> Attempt<Vec<u8>> {
    let name = call.text("output_encoding").filter(|name| !name.is_empty());
    let Some(name) = name else { return Ok(text.as_bytes().to_vec()) };
    let unknown = || failure(format!("output_encoding: {name} is no encoding that can be written"));
    let label = name.trim().replace('_', "-");
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).ok_or_else(unknown)?;
    if encoding.output_encoding() != encoding {
        return Err(unknown());
    }
    match encoding.encode(text) {
        (bytes, _, false) => Ok(bytes.into_owned()),
        _ => Err(failure(format!("output_encoding: the text has letters that {name} does not"))),
    }
}

fn options(call: &Call<'_>) -> Attempt<TemplateOptions> {
    let defaults = TemplateOptions::default();
    let pair = |what: &str, (start, end): (String, String)| {
        (
            call.text(&format!("{what}_start_string")).unwrap_or(start),
            call.text(&format!("{what}_end_string")).unwrap_or(end),
        )
    };
    let newline = match call.text("newline_sequence").as_deref() {
        None | Some("\n" | "\\n") => "\n",
        Some("\r\n" | "\\r\\n") => "\r\n",
        Some("\r" | "\\r") => "\r",
        Some(_) => return Err(failure("newline_sequence needs to be one of: \\n, \\r or \\r\\n")),
    };
    Ok(TemplateOptions {
        trim_blocks: call.flag("trim_blocks", defaults.trim_blocks)?,
        lstrip_blocks: call.flag("lstrip_blocks", defaults.lstrip_blocks)?,
        keep_trailing_newline: true,
        newline_sequence: newline.to_owned(),
        variable: pair("variable", defaults.variable.clone()),
        block: pair("block", defaults.block.clone()),
        comment: pair("comment", defaults.comment.clone()),
        ..defaults
    })
}
