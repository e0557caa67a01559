//! XML indented afresh: two spaces a level, and text beside elements left alone.

use roxmltree::{Node, NodeType};

use super::edit::{Parts, parse};
use crate::contract::Failure;

pub(super) fn pretty(text: &str) -> Result<String, Failure> {
    let document = parse(text).map_err(Failure::new)?;
    let root = document.root_element();
    // What stands before the document's element, its declaration and type among them.
    let head = text[..root.range().start].trim();
    let mut out = if head.is_empty() { String::new() } else { format!("{head}\n") };
    write(text, root, 0, &mut out);
    out.push('\n');
    let tail = text[root.range().end..].trim();
    if !tail.is_empty() {
        out.push_str(tail);
        out.push('\n');
    }
    Ok(out)
}

fn write(text: &str, node: Node<'_, '_>, level: usize, out: &mut String) {
    let is_blank = |child: &Node<'_, '_>| {
        child.node_type() == NodeType::Text && child.text().is_some_and(|t| t.trim().is_empty())
    };
    let children: Vec<_> = node.children().filter(|child| !is_blank(child)).collect();
    let has_text = children.iter().any(Node::is_text);
    let source = &text[node.range()];
    let inner = if node.is_element() { Parts::of(text, node).inner } else { None };
    match inner {
        Some(inner) if !children.is_empty() && !has_text => {
            out.push_str(&text[node.range().start..inner.start]);
            for child in children {
                out.push('\n');
                out.push_str(&"  ".repeat(level + 1));
                write(text, child, level + 1, out);
            }
            out.push('\n');
            out.push_str(&"  ".repeat(level));
            out.push_str(&text[inner.end..node.range().end]);
        }
        _ => out.push_str(source),
    }
}
