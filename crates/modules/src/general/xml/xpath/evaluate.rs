//! What an expression finds in a document.

use roxmltree::Node;

use super::super::edit::Scope;
use super::{Axis, Expression, Found, Step, Test};

/// A value of an expression.
enum Value<'a, 'input> {
    Nodes(Vec<Found<'a, 'input>>),
    Text(String),
    Number(f64),
    Flag(bool),
}

/// Where an expression is looked at.
struct Place<'s, 'a, 'input> {
    own: Found<'a, 'input>,
    position: usize,
    last: usize,
    scope: &'s Scope<'s>,
}

type Outcome<T> = Result<T, String>;

/// What steps find from a place.
pub(super) fn steps<'a, 'input>(
    steps: &[Step],
    start: Found<'a, 'input>,
    scope: &Scope<'_>,
) -> Outcome<Vec<Found<'a, 'input>>> {
    let mut found = vec![start];
    for step in steps {
        let mut next: Vec<Found<'a, 'input>> = Vec::new();
        for place in found {
            let mut candidates = Vec::new();
            for one in along(step.axis, place) {
                if fits(&step.test, step.axis, one, scope)? {
                    candidates.push(one);
                }
            }
            for condition in &step.conditions {
                candidates = filtered(candidates, condition, scope)?;
            }
            next.extend(candidates);
        }
        next.sort_by_key(order);
        next.dedup_by_key(|one| order(one));
        found = next;
    }
    Ok(found)
}

/// Where something stands in the document, and what tells it from others there.
fn order(found: &Found<'_, '_>) -> (u32, usize) {
    match found {
        Found::Node(node) => (node.id().get(), 0),
        Found::Attribute(node, attribute) => (node.id().get(), 1 + attribute.range().start),
    }
}

fn along<'a, 'input>(axis: Axis, place: Found<'a, 'input>) -> Vec<Found<'a, 'input>> {
    let node = match place {
        Found::Node(node) => node,
        Found::Attribute(owner, _) => {
            return match axis {
                Axis::Own | Axis::DescendantOrOwn => vec![place],
                Axis::Parent => vec![Found::Node(owner)],
                _ => Vec::new(),
            };
        }
    };
    let nodes: Vec<Node<'a, 'input>> = match axis {
        Axis::Attribute => {
            return node.attributes().map(|one| Found::Attribute(node, one)).collect();
        }
        Axis::Child => node.children().collect(),
        Axis::Own => vec![node],
        Axis::Parent => node.parent().into_iter().collect(),
        Axis::Descendant => node.descendants().skip(1).collect(),
        Axis::DescendantOrOwn => node.descendants().collect(),
        Axis::Ancestor => node.ancestors().skip(1).collect(),
        Axis::AncestorOrOwn => node.ancestors().collect(),
        Axis::Following => node.next_siblings().skip(1).collect(),
        Axis::Preceding => node.prev_siblings().skip(1).collect(),
    };
    nodes.into_iter().map(Found::Node).collect()
}

fn fits(test: &Test, axis: Axis, found: Found<'_, '_>, scope: &Scope<'_>) -> Outcome<bool> {
    let (space, own) = match found {
        Found::Node(node) if node.is_element() => {
            (node.tag_name().namespace(), node.tag_name().name())
        }
        Found::Attribute(_, attribute) => (attribute.namespace(), attribute.name()),
        Found::Node(node) => {
            return Ok(match test {
                Test::Any => true,
                Test::Text => node.is_text(),
                Test::Comment => node.is_comment(),
                Test::Name { .. } => false,
            });
        }
    };
    Ok(match test {
        Test::Any => true,
        Test::Text | Test::Comment => false,
        Test::Name { prefix: None, name } if name == "*" => {
            axis == Axis::Attribute || matches!(found, Found::Node(_))
        }
        Test::Name { prefix, name } => {
            let wanted = prefix.as_ref().map(|prefix| scope.namespace(prefix)).transpose()?;
            (name == "*" || name == own) && space == wanted.as_deref()
        }
    })
}

fn filtered<'a, 'input>(
    candidates: Vec<Found<'a, 'input>>,
    condition: &Expression,
    scope: &Scope<'_>,
) -> Outcome<Vec<Found<'a, 'input>>> {
    let last = candidates.len();
    let mut kept = Vec::new();
    for (at, own) in candidates.into_iter().enumerate() {
        let place = Place { own, position: at + 1, last, scope };
        let holds = match value(condition, &place)? {
            // A number alone is a position.
            Value::Number(number) => (number - place.position as f64).abs() < 0.5,
            other => other.flag(),
        };
        if holds {
            kept.push(own);
        }
    }
    Ok(kept)
}

impl Value<'_, '_> {
    fn flag(&self) -> bool {
        match self {
            Self::Nodes(nodes) => !nodes.is_empty(),
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Flag(flag) => *flag,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Nodes(nodes) => nodes.first().map(Found::text).unwrap_or_default(),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }

    fn number(&self) -> f64 {
        match self {
            Self::Number(number) => *number,
            Self::Flag(flag) => f64::from(u8::from(*flag)),
            other => other.text().trim().parse().unwrap_or(f64::NAN),
        }
    }
}

fn value<'a, 'input>(
    expression: &Expression,
    place: &Place<'_, 'a, 'input>,
) -> Outcome<Value<'a, 'input>> {
    Ok(match expression {
        Expression::Text(text) => Value::Text(text.clone()),
        Expression::Number(number) => Value::Number(*number),
        Expression::Negative(inner) => Value::Number(-value(inner, place)?.number()),
        Expression::Steps { is_absolute, steps: list } => {
            let start = match (is_absolute, place.own) {
                (true, Found::Node(node) | Found::Attribute(node, _)) => {
                    Found::Node(node.document().root())
                }
                (false, own) => own,
            };
            Value::Nodes(steps(list, start, place.scope)?)
        }
        Expression::Call(name, arguments) => return call(name, arguments, place),
        Expression::Binary(operator, one, other) => {
            let (one, other) = (value(one, place)?, value(other, place)?);
            match *operator {
                "and" => Value::Flag(one.flag() && other.flag()),
                "or" => Value::Flag(one.flag() || other.flag()),
                "+" => Value::Number(one.number() + other.number()),
                "-" => Value::Number(one.number() - other.number()),
                operator => Value::Flag(compares(operator, &one, &other)),
            }
        }
    })
}

/// Nodes compare when one of them does.
fn compares(operator: &str, one: &Value<'_, '_>, other: &Value<'_, '_>) -> bool {
    match (one, other) {
        (_, Value::Flag(_)) | (Value::Flag(_), _) if matches!(operator, "=" | "!=") => {
            (one.flag() == other.flag()) == (operator == "=")
        }
        (Value::Nodes(nodes), _) => {
            nodes.iter().any(|node| compares(operator, &Value::Text(node.text()), other))
        }
        (_, Value::Nodes(nodes)) => {
            nodes.iter().any(|node| compares(operator, one, &Value::Text(node.text())))
        }
        (Value::Text(first), Value::Text(second)) if matches!(operator, "=" | "!=") => {
            (first == second) == (operator == "=")
        }
        _ => {
            let order = one.number().partial_cmp(&other.number());
            match operator {
                "=" => order.is_some_and(std::cmp::Ordering::is_eq),
                "!=" => !order.is_some_and(std::cmp::Ordering::is_eq),
                "<" => order.is_some_and(std::cmp::Ordering::is_lt),
                "<=" => order.is_some_and(std::cmp::Ordering::is_le),
                ">" => order.is_some_and(std::cmp::Ordering::is_gt),
                _ => order.is_some_and(std::cmp::Ordering::is_ge),
            }
        }
    }
}

fn call<'a, 'input>(
    name: &str,
    arguments: &[Expression],
    place: &Place<'_, 'a, 'input>,
) -> Outcome<Value<'a, 'input>> {
    let values = arguments.iter().map(|one| value(one, place)).collect::<Outcome<Vec<_>>>()?;
    // Without an argument, functions of texts and names take the node itself.
    let own = Value::Nodes(vec![place.own]);
    let first = values.first().unwrap_or(&own);
    Ok(match (name, values.as_slice()) {
        ("last", []) => Value::Number(place.last as f64),
        ("position", []) => Value::Number(place.position as f64),
        ("count", [Value::Nodes(nodes)]) => Value::Number(nodes.len() as f64),
        ("true", []) => Value::Flag(true),
        ("false", []) => Value::Flag(false),
        ("not", [one]) => Value::Flag(!one.flag()),
        ("boolean", [one]) => Value::Flag(one.flag()),
        ("string", [] | [_]) => Value::Text(first.text()),
        ("number", [] | [_]) => Value::Number(first.number()),
        ("string-length", [] | [_]) => Value::Number(first.text().chars().count() as f64),
        ("normalize-space", [] | [_]) => {
            Value::Text(first.text().split_whitespace().collect::<Vec<_>>().join(" "))
        }
        ("contains", [one, other]) => Value::Flag(one.text().contains(&other.text())),
        ("starts-with", [one, other]) => Value::Flag(one.text().starts_with(&other.text())),
        ("concat", list) => Value::Text(list.iter().map(Value::text).collect()),
        ("name" | "local-name", [] | [Value::Nodes(_)]) => {
            let Value::Nodes(nodes) = first else { return Ok(Value::Text(String::new())) };
            Value::Text(match nodes.first() {
                Some(Found::Node(node)) => node.tag_name().name().to_owned(),
                Some(Found::Attribute(_, attribute)) => attribute.name().to_owned(),
                None => String::new(),
            })
        }
        (name, list) => {
            return Err(format!(
                "the function `{name}` with {} arguments is not known",
                list.len()
            ));
        }
    })
}
