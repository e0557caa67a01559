//! `emit.txt`: a document, and what PyYAML's safe dumper (over libyaml) makes of it with each set of options.

use yaml::{Emit, EmitOptions, Flow, Node, NodeValue, SourceFile, emit, load_one};

fn from_node(node: &Node) -> Emit {
    match &node.value {
        NodeValue::Null => Emit::Null,
        NodeValue::Bool(value) => Emit::Bool(*value),
        NodeValue::Int(value) => Emit::Int((*value).into()),
        NodeValue::BigInt(digits) => Emit::Int(digits.parse().expect("the integers here fit")),
        NodeValue::Float(value) => Emit::Float(*value),
        NodeValue::Str { text, .. } => Emit::Str(text.clone()),
        NodeValue::Timestamp(text) => Emit::Timestamp(text.clone()),
        NodeValue::Seq(items) => Emit::Seq(items.iter().map(from_node).collect()),
        NodeValue::Map(entries) => Emit::Map(
            entries.iter().map(|(key, value)| (from_node(key), from_node(value))).collect(),
        ),
    }
}

fn options(name: &str) -> EmitOptions {
    let never = EmitOptions { flow: Flow::Never, ..EmitOptions::default() };
    match name {
        "plain" => EmitOptions::default(),
        "nice" => EmitOptions::nice(),
        "flow" => EmitOptions { flow: Flow::Always, ..never },
        "wide" => EmitOptions { width: 1000, sort_keys: false, ..never },
        "narrow" => EmitOptions { width: 30, indent: 3, ..never },
        "marked" => {
            EmitOptions { explicit_start: true, explicit_end: true, ..EmitOptions::default() }
        }
        "ascii" => EmitOptions { allow_unicode: false, ..EmitOptions::default() },
        _ => panic!("unknown options {name}"),
    }
}

#[test]
fn texts_are_those_of_pyyaml() {
    for case in include_str!("emit.txt").split("=== ").skip(1) {
        let (name, rest) = case.split_once('\n').unwrap();
        let (document, expected) = rest.split_once(">>>\n").unwrap();
        let (node, _) = load_one(&SourceFile::new("t.yml", document)).unwrap();
        assert_eq!(emit(&from_node(&node), &options(name)), expected, "{name} of\n{document}");
    }
}

#[test]
fn letters_beyond_the_plane_are_never_mixed_up() {
    let text = |text: &str| Emit::Str(text.into());
    let written = emit(&Emit::Seq(vec![text("\\uFFFE\\x80"), text("😀")]), &EmitOptions::nice());
    assert_eq!(written, "- \\uFFFE\\x80\n- 😀\n");
}
