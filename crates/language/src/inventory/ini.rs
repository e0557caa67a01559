//! Inventories in INI form.

use std::sync::Arc;

use indexmap::IndexMap;
use jinja::Value;
use yaml::{Diagnostic, SourceFile, Span};

use super::{Inventory, literal, ranges};
use crate::Vars;

enum Section {
    Hosts(String),
    Children(String),
    Vars(String),
}

impl Section {
    fn safe(self, inventory: &mut Inventory) -> Self {
        match self {
            Self::Hosts(group) => Self::Hosts(inventory.safe_name(&group)),
            Self::Children(group) => Self::Children(inventory.safe_name(&group)),
            Self::Vars(group) => Self::Vars(inventory.safe_name(&group)),
        }
    }
}

/// Reads a file into the inventory.
pub(super) fn read(inventory: &mut Inventory, file: &Arc<SourceFile>) -> Result<(), Diagnostic> {
    let mut reader = Reader {
        inventory,
        section: Section::Hosts("ungrouped".to_owned()),
        pending: Pending::default(),
    };
    let mut offset = 0;
    for line in file.text.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let text = line.trim();
        if text.is_empty() || text.starts_with(['#', ';']) {
            continue;
        }
        let begin = start + line.len() - line.trim_start().len();
        reader.line(text, &file.span(begin, begin + text.len()))?;
    }
    reader.pending.check()
}

struct Reader<'a> {
    inventory: &'a mut Inventory,
    section: Section,
    pending: Pending,
}

/// Groups that were spoken of and have not been declared yet; that may come later in the file.
#[derive(Default)]
struct Pending {
    parents: IndexMap<String, Vec<(String, Span)>>,
    vars: IndexMap<String, Span>,
}

impl Pending {
    fn check(&self) -> Result<(), Diagnostic> {
        if let Some((child, [(parent, span), ..])) =
            self.parents.iter().next().map(|(child, parents)| (child, &parents[..]))
        {
            let message = format!("section [{parent}:children] includes undefined group `{child}`");
            return Err(Diagnostic::error(message)
                .at(span)
                .hint(format!("add a section [{child}]")));
        }
        if let Some((group, span)) = self.vars.iter().next() {
            let message = format!("section [{group}:vars] not valid for undefined group `{group}`");
            return Err(Diagnostic::error(message)
                .at(span)
                .hint(format!("add a section [{group}]")));
        }
        Ok(())
    }
}

impl Reader<'_> {
    fn line(&mut self, text: &str, span: &Span) -> Result<(), Diagnostic> {
        if text.starts_with('[') && !is_host_range(text) {
            self.section = header(text, span)?.safe(self.inventory);
            return self.begin_section(span);
        }
        match &self.section {
            Section::Hosts(group) => {
                let group = group.clone();
                self.host_line(&group, text, span)
            }
            Section::Children(parent) => {
                let name = without_comment(text);
                if name.contains(|it: char| it.is_whitespace() || it == ':') {
                    let message = format!("Expected group name, got: {name}");
                    return Err(Diagnostic::error(message)
                        .at(span)
                        .hint("each child stands on a line of its own"));
                }
                let child = self.inventory.safe_name(name);
                if self.inventory.group_named(&child).is_some() {
                    self.inventory.adopt(parent, &child).map_err(|error| error.at(span))
                } else {
                    let parents = self.pending.parents.entry(child).or_default();
                    parents.push((parent.clone(), span.clone()));
                    Ok(())
                }
            }
            Section::Vars(group) => {
                let (name, value) = assignment(text, span)?;
                self.inventory.check_var_name(name, span);
                self.inventory.set_group_var(group, name, value).map_err(|error| error.at(span))
            }
        }
    }

    fn begin_section(&mut self, span: &Span) -> Result<(), Diagnostic> {
        let (Section::Hosts(group) | Section::Children(group)) = &self.section else {
            let Section::Vars(group) = &self.section else { return Ok(()) };
            if self.inventory.group_named(group).is_none() {
                self.pending.vars.insert(group.clone(), span.clone());
            }
            return Ok(());
        };
        self.inventory.group(group);
        self.pending.vars.shift_remove(group);
        for (parent, span) in self.pending.parents.shift_remove(group).unwrap_or_default() {
            self.inventory.adopt(&parent, group).map_err(|error| error.at(&span))?;
        }
        Ok(())
    }

    fn host_line(&mut self, group: &str, text: &str, span: &Span) -> Result<(), Diagnostic> {
        let words = split(text).ok_or_else(|| {
            Diagnostic::error("a quote or a backslash is not closed in this host definition")
                .at(span)
        })?;
        let Some((pattern, settings)) = words.split_first() else { return Ok(()) };
        if pattern == "---" {
            let message = "Invalid host pattern '---' supplied, '---' is normally a sign this is a YAML file.";
            return Err(Diagnostic::error(message).at(span));
        }
        if pattern.ends_with(':') {
            let message = format!(
                "Invalid host pattern '{pattern}' supplied, ending in ':' is not allowed, this character is reserved to \
                 provide a port."
            );
            return Err(Diagnostic::error(message).at(span));
        }
        let named = hosts(pattern, span)?;
        let mut vars = Vars::new();
        for setting in settings {
            let Some((name, value)) = setting.split_once('=') else {
                return Err(Diagnostic::error(format!(
                    "expected key=value host variable assignment, got: {setting}"
                ))
                .at(span)
                .hint("each host stands on a line of its own"));
            };
            self.inventory.check_var_name(name, span);
            vars.insert(name.into(), literal::value(value, span));
        }
        if named.hosts.is_empty() {
            let warning = Diagnostic::warning(format!("`{pattern}` names no host")).at(span);
            self.inventory.warn(&warning);
        }
        self.inventory.put_all(group, named, &vars);
        Ok(())
    }
}

/// What a text with ranges names.
pub(super) struct Named {
    pub(super) hosts: Vec<String>,
    pub(super) port: Option<u32>,
}

/// The hosts that a text with ranges names, and the port behind it.
pub(super) fn hosts(text: &str, span: &Span) -> Result<Named, Diagnostic> {
    let (pattern, port) = split_port(text);
    if pattern.is_empty() {
        return Err(Diagnostic::error("Invalid empty host name provided").at(span));
    }
    let is_address = pattern.parse::<std::net::Ipv6Addr>().is_ok();
    let hosts = if is_address {
        vec![pattern.to_owned()]
    } else {
        ranges::expand(pattern).map_err(|wrong| wrong.at(span))?
    };
    Ok(Named { hosts, port })
}

/// The host of a `host_list`, where brackets mean nothing.
pub(super) fn plain(text: &str) -> Named {
    let (host, port) = split_port(text);
    Named { hosts: vec![host.to_owned()], port }
}

/// The hosts of one part of an `advanced_host_list`: what has not the shape of a range is a name.
pub(super) fn listed(
    inventory: &mut Inventory,
    text: &str,
    span: &Span,
) -> Result<Named, Diagnostic> {
    let (pattern, port) = split_port(text);
    if pattern.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok(plain(text));
    }
    match ranges::expand(pattern) {
        Ok(hosts) => Ok(Named { hosts, port }),
        Err(wrong) if wrong.is_shape => {
            inventory.notes.push(format!(
                "Unable to parse address from hostname, leaving unchanged: {}",
                wrong.message
            ));
            Ok(plain(text))
        }
        Err(wrong) => Err(wrong.at(span)),
    }
}

/// A host line may begin with a range: `[a:c].example.com`.
fn is_host_range(text: &str) -> bool {
    text.split_once(']').is_some_and(|(_, rest)| {
        let rest = rest.trim_start();
        !rest.is_empty() && !rest.starts_with('#')
    })
}

fn header(text: &str, span: &Span) -> Result<Section, Diagnostic> {
    let inner = text.split_once(']').and_then(|(inner, _)| inner.strip_prefix('['));
    let valid = |name: &&str| !name.is_empty() && !name.contains(char::is_whitespace);
    let Some(inner) = inner.filter(valid) else {
        return Err(Diagnostic::error(format!("invalid section entry: {text}"))
            .at(span)
            .hint("a section is `[group]`, `[group:children]` or `[group:vars]`, without spaces"));
    };
    match inner.split_once(':') {
        None => Ok(Section::Hosts(inner.to_owned())),
        Some((group, "children")) => Ok(Section::Children(group.to_owned())),
        Some((group, "vars")) => Ok(Section::Vars(group.to_owned())),
        Some((group, "hosts")) => Ok(Section::Hosts(group.to_owned())),
        Some((group, kind)) => {
            Err(Diagnostic::error(format!("section [{group}:{kind}] has unknown type: {kind}"))
                .at(span)
                .hint("it may be `hosts`, `children` or `vars`"))
        }
    }
}

fn without_comment(text: &str) -> &str {
    text.split('#').next().unwrap_or(text).trim_end()
}

/// Words as a POSIX shell splits them. A `#` outside quotes ends the line, even within a word: so Ansible reads it.
fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '#' => break,
            quote @ ('\'' | '"') => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        end if end == quote => break,
                        '\\' if quote == '"' => match letters.next()? {
                            same @ ('"' | '\\') => word.push(same),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(letters.next()?),
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// `host:port`, `[address]:port`; the colons of an IPv6 address and of a range are not those of a port.
fn split_port(text: &str) -> (&str, Option<u32>) {
    let Some((host, digits)) = text.rsplit_once(':') else { return (text, None) };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let Some(port) = digits.parse().ok().filter(|_| is_number) else { return (text, None) };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = bare.filter(|bare| bare.parse::<std::net::Ipv6Addr>().is_ok()) {
        return (address, Some(port));
    }
    let outside = host.split('[').map(|part| part.rsplit(']').next().unwrap_or(part));
    if outside.into_iter().any(|part| part.contains(':')) {
        (text, None)
    } else {
        (host, Some(port))
    }
}

fn assignment<'a>(text: &'a str, span: &Span) -> Result<(&'a str, Value), Diagnostic> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Diagnostic::error(format!("expected key=value, got: {text}"))
            .at(span)
            .hint("lines of a `:vars` section are `name = value`"));
    };
    Ok((name.trim(), literal::value(value.trim(), span)))
}
