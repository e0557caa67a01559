//! What an expression names and the document has not: made step by step, as far as the expression says how.

use super::edit::{Parts, Scope, escaped, escaped_value, parse, spliced, written_name};
use super::xpath::{Axis, Found, Path, Step, Test};

/// The text with elements and attributes that the expression names.
pub(super) fn spawn(mut text: String, path: &Path, scope: &Scope<'_>) -> Result<String, String> {
    if !path.select(&parse(&text)?, scope)?.is_empty() {
        return Ok(text);
    }
    let steps = path.steps();
    for count in 1..=steps.len() {
        let document = parse(&text)?;
        if !path.first(count).select(&document, scope)?.is_empty() {
            continue;
        }
        let step = &steps[count - 1];
        if count == 1 || !matches!(step.axis, Axis::Child | Axis::Attribute) {
            return Err(format!("Can't process Xpath {} in order to spawn nodes!", path.source()));
        }
        let parents = path.first(count - 1).select(&document, scope)?;
        let mut splices = Vec::new();
        for parent in parents.iter().filter_map(Found::element) {
            let parts = Parts::of(&text, parent);
            let (namespace, name) = name_of(step, path, scope)?;
            let is_attribute = step.axis == Axis::Attribute;
            let (name, declaration) =
                written_name(parent, namespace.as_deref(), &name, is_attribute);
            if is_attribute {
                let at = parts.attributes_end;
                splices.push((at..at, format!("{declaration} {name}=\"\"")));
            } else {
                let piece = element(step, path, &name, &declaration)?;
                splices.push(parts.put(None, &piece));
            }
        }
        let new = spliced(&text, splices);
        drop(document);
        text = new;
    }
    Ok(text)
}

fn name_of(
    step: &Step,
    path: &Path,
    scope: &Scope<'_>,
) -> Result<(Option<String>, String), String> {
    match &step.test {
        Test::Name { prefix, name } if name != "*" => {
            let namespace = prefix.as_ref().map(|prefix| scope.namespace(prefix)).transpose()?;
            Ok((namespace, name.clone()))
        }
        _ => Err(format!("Can't process Xpath {} in order to spawn nodes!", path.source())),
    }
}

/// An element with the attributes, text and children that the step's conditions ask for.
fn element(step: &Step, path: &Path, name: &str, declaration: &str) -> Result<String, String> {
    let (mut attributes, mut content, mut children) =
        (declaration.to_owned(), String::new(), String::new());
    for condition in &step.conditions {
        let pairs = condition.equalities().ok_or_else(|| {
            format!("Can't process Xpath {} in order to spawn nodes!", path.source())
        })?;
        for (key, value) in pairs {
            if let Some(key) = key.strip_prefix('@') {
                attributes.push_str(&format!(" {key}=\"{}\"", escaped_value(&value)));
            } else if key == "text()" || key == "." {
                content = escaped(&value);
            } else {
                children.push_str(&format!("<{key}>{}</{key}>", escaped(&value)));
            }
        }
    }
    Ok(if content.is_empty() && children.is_empty() {
        format!("<{name}{attributes}/>")
    } else {
        format!("<{name}{attributes}>{content}{children}</{name}>")
    })
}
