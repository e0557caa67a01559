//! Inventories in TOML form: tables `[group.hosts.name]`, `[group.vars]`, and lists `group.children`.

use std::ops::Range;
use std::sync::Arc;

use jinja::{Map, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};
use yaml::{Diagnostic, SourceFile, Span};

use super::{Inventory, ini};
use crate::Vars;

/// Reads a file into the inventory.
pub(super) fn read(inventory: &mut Inventory, file: &Arc<SourceFile>) -> Result<(), Diagnostic> {
    let table = DeTable::parse(&file.text).map_err(|error| {
        let place = error.span().unwrap_or(0..0);
        Diagnostic::error(format!("TOML: {}", error.message())).at(&span(file, &place))
    })?;
    let mut reader = Reader { inventory, file };
    for (name, body) in table.get_ref() {
        if name.get_ref() == "plugin" {
            let message = "Plugin configuration TOML file, not TOML inventory";
            return Err(Diagnostic::error(message).at(&span(file, &name.span())));
        }
        reader.group(name, body)?;
    }
    Ok(())
}

type Name<'t> = Spanned<std::borrow::Cow<'t, str>>;

struct Reader<'a> {
    inventory: &'a mut Inventory,
    file: &'a Arc<SourceFile>,
}

impl Reader<'_> {
    fn group(&mut self, name: &Name<'_>, body: &Spanned<DeValue<'_>>) -> Result<(), Diagnostic> {
        let group = self.inventory.safe_name(name.get_ref());
        self.inventory.group(&group);
        let DeValue::Table(table) = body.get_ref() else {
            let message =
                format!("Skipping '{}' as this is not a valid group definition", name.get_ref());
            let place = span(self.file, &name.span());
            self.inventory.warn(&Diagnostic::warning(message).at(&place));
            return Ok(());
        };
        for (key, value) in table {
            match &**key.get_ref() {
                "vars" => {
                    for (name, value) in self.table(value, "vars", &group)? {
                        let place = span(self.file, &name.span());
                        self.inventory.check_var_name(name.get_ref(), &place);
                        let value = self.value(value);
                        let set = self.inventory.set_group_var(&group, name.get_ref(), value);
                        set.map_err(|error| error.at(&place))?;
                    }
                }
                "children" => self.children(&group, value)?,
                "hosts" => self.hosts(&group, value)?,
                other => self.inventory.warnings.push(format!(
                    "Skipping unexpected key \"{other}\" in group \"{group}\", only \"vars\", \"children\" and \
                     \"hosts\" are valid"
                )),
            }
        }
        Ok(())
    }

    fn children(&mut self, group: &str, value: &Spanned<DeValue<'_>>) -> Result<(), Diagnostic> {
        let DeValue::Array(children) = value.get_ref() else {
            return Err(self.wrong(value, "children", group, "a list of names"));
        };
        for child in children {
            let DeValue::String(name) = child.get_ref() else {
                return Err(self.wrong(child, "children", group, "a list of names"));
            };
            let name = self.inventory.safe_name(name);
            let adopted = self.inventory.adopt(group, &name);
            adopted.map_err(|error| error.at(&span(self.file, &child.span())))?;
        }
        Ok(())
    }

    fn hosts(&mut self, group: &str, value: &Spanned<DeValue<'_>>) -> Result<(), Diagnostic> {
        for (name, body) in self.table(value, "hosts", group)? {
            let place = span(self.file, &name.span());
            let named = ini::hosts(name.get_ref(), &place)?;
            let DeValue::Table(entries) = body.get_ref() else {
                return Err(self.wrong(body, name.get_ref(), group, "a table of variables"));
            };
            let mut vars = Vars::new();
            for (key, value) in entries {
                self.inventory.check_var_name(key.get_ref(), &span(self.file, &key.span()));
                vars.insert((&**key.get_ref()).into(), self.value(value));
            }
            self.inventory.put_all(group, named, &vars);
        }
        Ok(())
    }

    fn table<'t, 's>(
        &self,
        value: &'t Spanned<DeValue<'s>>,
        what: &str,
        group: &str,
    ) -> Result<&'t DeTable<'s>, Diagnostic> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong(value, what, group, "a table")),
        }
    }

    fn wrong(
        &self,
        value: &Spanned<DeValue<'_>>,
        what: &str,
        group: &str,
        expected: &str,
    ) -> Diagnostic {
        let kind = value.get_ref().type_str();
        let message = format!("`{what}` of group {group} must be {expected}, not {kind}");
        Diagnostic::error(message).at(&span(self.file, &value.span()))
    }

    fn value(&self, value: &Spanned<DeValue<'_>>) -> Value {
        let origin = Some(Arc::new(span(self.file, &value.span())));
        let plain = match value.get_ref() {
            DeValue::String(text) => return Value::trusted(&**text, origin),
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::none(), Value::from),
            DeValue::Float(number) => float(number.as_str()).into(),
            DeValue::Boolean(value) => (*value).into(),
            DeValue::Datetime(time) => Value::from(time.to_string().replace('T', " ")),
            DeValue::Array(items) => {
                Value::list(items.iter().map(|item| self.value(item)).collect())
            }
            DeValue::Table(entries) => Value::dict(
                entries
                    .iter()
                    .map(|(key, value)| (Value::from(&**key.get_ref()), self.value(value)))
                    .collect::<Map>(),
            ),
        };
        plain.with_origin(origin)
    }
}

/// A TOML number has passed the parser: digits, or `inf` and `nan` with a sign.
fn float(text: &str) -> f64 {
    text.replace('_', "").parse().unwrap_or(f64::NAN)
}

fn span(file: &Arc<SourceFile>, range: &Range<usize>) -> Span {
    file.span(range.start, range.end)
}
