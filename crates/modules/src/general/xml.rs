//! `xml`: elements and attributes of XML files. Edits are cut into the text: what they do not touch stays as it is written.

mod edit;
mod insert;
mod pretty;
mod spawn;
mod xpath;

use std::path::PathBuf;

use model::{Args, Diff};
use serde_json::{Map, Value, json};
use system::{Probe, System};

use crate::arguments::{arguments, choices, python_text};
use crate::content::{Contents, Writing};
use crate::contract::{Change, Check, Failure, Module};
use crate::files::FileAttributes;
use crate::text::TextFile;
use edit::Scope;
use xpath::{Found, Path};

choices! {
    /// What is asked of the nodes.
    pub enum Content {
        /// Their attributes.
        Attribute = "attribute",
        /// Their text.
        Text = "text",
    }
}

choices! {
    /// How children are given.
    pub enum InputType {
        /// As texts of XML.
        Xml = "xml",
        /// As names, or dictionaries of a name.
        Yaml = "yaml",
    }
}

choices! {
    /// Whether what the expression finds is there.
    pub enum Wanted {
        /// It goes.
        Absent = "absent",
        /// It is made where it is missing.
        Present = "present",
    }
}

arguments! {
    /// Reads and changes elements and attributes of XML files.
    pub struct Xml {
        /// The file.
        pub path: Option<PathBuf> { aliases: ["dest", "file"] },
        /// The XML itself, in place of a file; the result comes back as `xmlstring`.
        pub xmlstring: Option<String>,
        /// The XPath expression that says what is meant.
        pub xpath: Option<String>,
        /// Prefixes of the expression with the namespaces that they stand for.
        pub namespaces: Args,
        /// Whether what the expression finds is there.
        pub state: Wanted { default: "present", aliases: ["ensure"] },
        /// The attribute that gets `value`.
        pub attribute: Option<String>,
        /// The text that elements, or their attribute, get.
        pub value: Option<Value>,
        /// Children that are added to the last element.
        pub add_children: Option<Vec<Value>>,
        /// Children that take the place of those that elements have.
        pub set_children: Option<Vec<Value>>,
        /// Return how many nodes there are.
        pub count: bool { default: false },
        /// Return the paths of the nodes.
        pub print_match: bool { default: false },
        /// Indent the file afresh.
        pub pretty_print: bool { default: false },
        /// Return attributes or texts of the nodes.
        pub content: Option<Content>,
        /// How children are given.
        pub input_type: InputType { default: "yaml" },
        /// Keep the old version of the file.
        pub backup: bool { default: false },
        /// Write what `CDATA` sections hold as other text.
        pub strip_cdata_tags: bool { default: false },
        /// `add_children` go before the first node.
        pub insertbefore: bool { default: false },
        /// `add_children` go behind the last node.
        pub insertafter: bool { default: false },
    }
    mutually_exclusive: [
        &["path", "xmlstring"], &["add_children", "set_children", "value", "content"],
        &["insertbefore", "insertafter"]
    ];
    required_one_of: [&["path", "xmlstring"]];
}

/// The file with its new text; `None`: the text comes back in the result alone.
pub(crate) struct Work(Option<Contents>);

impl Change for Work {
    fn diff(&self, host: &dyn Probe) -> Result<Vec<Diff>, Failure> {
        self.0.as_ref().map_or(Ok(Vec::new()), |contents| contents.diff(host))
    }
}

impl Module for Xml {
    type Change = Work;

    fn check(&self, host: &dyn Probe, result: &mut Args) -> Result<Check<Work>, Failure> {
        self.validate()?;
        let file =
            self.path.as_ref().map(|path| TextFile::find(host, path, "utf-8")).transpose()?;
        let shown = self.path.as_ref().map_or("xmlstring".to_owned(), |p| p.display().to_string());
        let before = match (&file, &self.xmlstring) {
            (Some(file), _) if file.target.current.is_none() => {
                return Err(Failure::new(format!(
                    "The target XML source '{shown}' does not exist."
                )));
            }
            (Some(file), _) => file.read_text(host)?,
            (None, text) => text.clone().unwrap_or_default(),
        };
        edit::parse(&before).map_err(|error| {
            Failure::new(format!("Error while parsing document: {shown} ({error})"))
        })?;
        let mut after = before.clone();
        if let Some(expression) = &self.xpath {
            let actions = json!({
                "xpath": expression, "namespaces": self.namespaces, "state": self.state.as_str(),
            });
            result.insert("actions".into(), actions);
            let path = Path::parse(expression).map_err(|error| {
                let text = "Syntax error in xpath expression";
                Failure::new(format!("{text}: {expression} ({error})"))
            })?;
            if self.answers(&before, &path, result)? {
                return Ok(Check::InSync);
            }
            after = self.edited(after, &path)?;
        }
        if self.strip_cdata_tags {
            after = edit::without_cdata(&after);
        }
        if self.pretty_print {
            after = pretty::pretty(&after)?;
        }
        let is_changed = after != before;
        let Some(file) = file else {
            result.insert("xmlstring".into(), after.into());
            return Ok(if is_changed { Check::Act(Work(None)) } else { Check::InSync });
        };
        if !is_changed {
            return Ok(Check::InSync);
        }
        let attributes = FileAttributes::none();
        let writing = Writing { backup: self.backup, validate: None, attributes };
        // Children are added each time.
        let acts = self.add_children.is_some();
        Ok(match file.answer(&writing, host, Some(after.into_bytes()), result)? {
            Check::Drift(contents) if acts => Check::Act(Work(Some(contents))),
            Check::Drift(contents) => Check::Drift(Work(Some(contents))),
            _ => Check::InSync,
        })
    }

    fn apply(&self, work: Work, host: &dyn System, result: &mut Args) -> Result<(), Failure> {
        work.0.map_or(Ok(()), |contents| contents.apply(host, result).map(drop))
    }
}

impl Xml {
    fn validate(&self) -> Result<(), Failure> {
        let needs = [
            ("add_children", self.add_children.is_some()),
            ("attribute", self.attribute.is_some()),
            ("content", self.content.is_some()),
            ("count", self.count),
            ("insertafter", self.insertafter),
            ("insertbefore", self.insertbefore),
            ("print_match", self.print_match),
            ("set_children", self.set_children.is_some()),
            ("value", self.value.is_some()),
        ];
        if self.xpath.is_none() {
            if let Some((name, _)) = needs.iter().find(|(_, is_given)| *is_given) {
                let text = format!("missing parameter(s) required by '{name}': xpath");
                return Err(Failure::new(text));
            }
            if !self.pretty_print && !self.strip_cdata_tags {
                return Err(Failure::new("Don't know what to do"));
            }
        }
        if self.attribute.is_some() && self.value.is_none() {
            return Err(Failure::new("missing parameter(s) required by 'attribute': value"));
        }
        if (self.insertbefore || self.insertafter) && self.add_children.is_none() {
            return Err(Failure::new(
                "`insertbefore` and `insertafter` say where `add_children` go: it is missing",
            ));
        }
        Ok(())
    }

    fn scope(&self) -> Scope<'_> {
        Scope { namespaces: &self.namespaces }
    }

    /// Answers what is only asked; false when something is to be done.
    fn answers(&self, text: &str, path: &Path, result: &mut Args) -> Result<bool, Failure> {
        if !self.count && !self.print_match && self.content.is_none() {
            return Ok(false);
        }
        let document = edit::parse(text).map_err(Failure::new)?;
        let found = path.select(&document, &self.scope()).map_err(Failure::new)?;
        if self.print_match {
            let paths: Vec<String> = found.iter().map(Found::path).collect();
            let expression = self.xpath.as_deref().unwrap_or_default();
            let list = serde_json::to_string(&paths).unwrap_or_default().replace("\",\"", "\", \"");
            result.insert("msg".into(), format!("selector '{expression}' match: {list}").into());
            result.insert("matches".into(), json!(paths));
        } else if self.count {
            result.insert("count".into(), found.len().into());
            result.insert("msg".into(), format!("found {} nodes", found.len()).into());
        } else {
            let nodes: Vec<_> = found.iter().filter_map(Found::element).collect();
            if nodes.is_empty() {
                let expression = self.xpath.as_deref().unwrap_or_default();
                let text = format!("Xpath {expression} does not reference a node!");
                return Err(Failure::new(text));
            }
            let content = |node: &roxmltree::Node<'_, '_>| match self.content {
                Some(Content::Attribute) => {
                    let pairs = node.attributes();
                    let name =
                        |a: &roxmltree::Attribute<'_, '_>| edit::clark(a.namespace(), a.name());
                    let map: Map<String, Value> =
                        pairs.map(|a| (name(&a), Value::from(a.value()))).collect();
                    Value::Object(map)
                }
                _ => edit::leading_text(*node).map_or(Value::Null, Value::from),
            };
            let matches: Vec<Value> = nodes
                .iter()
                .map(|node| {
                    let tag = node.tag_name();
                    json!({ edit::clark(tag.namespace(), tag.name()): content(node) })
                })
                .collect();
            result.insert("count".into(), matches.len().into());
            result.insert("msg".into(), matches.len().into());
            result.insert("matches".into(), matches.into());
        }
        Ok(true)
    }

    fn edited(&self, text: String, path: &Path) -> Result<String, Failure> {
        let scope = self.scope();
        if self.state == Wanted::Absent {
            return edit::remove(&text, path, &scope).map_err(Failure::new);
        }
        if let Some(list) = &self.set_children {
            let children = insert::children(list, self.input_type)?;
            return edit::set_children(&text, path, &scope, &children).map_err(Failure::new);
        }
        if let Some(list) = &self.add_children {
            let children = insert::children(list, self.input_type)?;
            let place = match (self.insertbefore, self.insertafter) {
                (true, _) => edit::Place::Before,
                (_, true) => edit::Place::Behind,
                _ => edit::Place::Within,
            };
            return edit::add_children(&text, path, &scope, &children, place).map_err(Failure::new);
        }
        let text = spawn::spawn(text, path, &scope).map_err(Failure::new)?;
        let Some(value) = self.value.as_ref().map(python_text) else { return Ok(text) };
        match &self.attribute {
            Some(name) => edit::set_attribute(&text, path, &scope, name, &value),
            None => edit::set_value(&text, path, &scope, &value),
        }
        .map_err(Failure::new)
    }
}
