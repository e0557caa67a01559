//! Expressions.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::args::Args;
use crate::ast::{Arg, CompareOp, Conditional, Expr, Node};
use crate::error::Error;
use crate::eval::{Scope, operators, tainted};
use crate::globals::AllVariables;
use crate::value::{Map, Marks, Reason, Repr, Undefined, Value, compare, ensure_hashable};

impl Scope<'_> {
    /// The value of an expression; something missing gives an undefined value, not an error.
    pub(crate) fn eval(&self, node: &Node) -> Result<Value, Error> {
        match &node.expr {
            Expr::Const(value) => self.constant(value),
            Expr::Var(name) => self.variable(name),
            _ => self.eval_nested(node),
        }
        .map_err(|error| error.at(|| self.place(node.extent)))
    }

    /// A text that holds a template is one in conditions alone, for the sake of old playbooks.
    fn constant(&self, value: &Value) -> Result<Value, Error> {
        if value.is_template() && self.environment().allow_embedded_templates {
            return self.embedded(value);
        }
        Ok(value.clone())
    }

    /// The value of a template in a text inside an expression.
    pub(super) fn embedded(&self, value: &Value) -> Result<Value, Error> {
        self.note(
            "Jinja constant strings should not contain embedded templates. This feature will be disabled by default \
             in ansible-core 2.23.",
        );
        self.templar().evaluated_text(value.clone(), String::new)
    }

    fn eval_nested(&self, node: &Node) -> Result<Value, Error> {
        let _depth = self.templar().enter(1)?;
        match &node.expr {
            Expr::Const(value) => self.constant(value),
            Expr::Var(name) => self.variable(name),
            Expr::Attr(of, name) => self.attribute(&self.eval(of)?, name),
            Expr::Item(both) => self.item(&self.eval(&both.0)?, &self.eval(&both.1)?),
            Expr::Slice(slice) => self.slice(slice),
            Expr::Not(operand) => {
                let value = self.defined(operand)?;
                Ok(tainted(Value::from(!value.is_true()), value.marks))
            }
            Expr::Neg(operand) => {
                let value = self.forced(operand)?;
                operators::negate(&value).map(|result| tainted(result, value.marks))
            }
            Expr::And(operands) => self.and_or(operands, false),
            Expr::Or(operands) => self.and_or(operands, true),
            Expr::Concat(operands) => self.concat(operands),
            Expr::Binary(op, sides) => {
                let (left, right) = (self.forced(&sides.0)?, self.forced(&sides.1)?);
                let marks = left.marks | right.marks;
                operators::binary(self, *op, &left, &right).map(|result| tainted(result, marks))
            }
            Expr::Compare(first, rest) => self.comparison(first, rest),
            Expr::If(conditional) => self.conditional(conditional),
            Expr::Filter(input, name, args) => self.filter_node(input.as_deref(), name, args),
            Expr::Test(input, name, args) => self.test_node(input, name, args),
            Expr::Call(callee, args) => self.call_node(callee, args),
            Expr::List(items) => {
                items.iter().map(|item| self.eval(item)).collect::<Result<_, _>>().map(Value::list)
            }
            Expr::Tuple(items) => {
                items.iter().map(|item| self.eval(item)).collect::<Result<_, _>>().map(Value::tuple)
            }
            Expr::Dict(entries) => self.dict(entries),
        }
    }

    /// The value of an expression that must not be undefined; templates inside it may still be.
    pub(crate) fn defined(&self, node: &Node) -> Result<Value, Error> {
        let value = self.eval(node)?;
        match &value.repr {
            Repr::Undefined(why) => {
                Err(Error::undefined(why).at(|| self.place(culprit(node, why).extent)))
            }
            _ => Ok(value),
        }
    }

    /// The value of an expression, defined and evaluated through and through.
    pub(crate) fn forced(&self, node: &Node) -> Result<Value, Error> {
        let value = self.defined(node)?;
        self.force(value).map_err(|error| error.at(|| self.place(node.extent)))
    }

    fn dict(&self, entries: &[(Node, Node)]) -> Result<Value, Error> {
        let mut map = Map::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.forced(key)?;
            ensure_hashable(&key)?;
            map.insert(key, self.eval(value)?);
        }
        Ok(Value::dict(map))
    }

    /// `and` and `or` give the operand that decides.
    fn and_or(&self, operands: &[Node], decides: bool) -> Result<Value, Error> {
        let mut last = Value::none();
        for operand in operands {
            last = self.defined(operand)?;
            if last.is_true() == decides {
                break;
            }
        }
        Ok(last)
    }

    fn concat(&self, operands: &[Node]) -> Result<Value, Error> {
        let mut text = String::new();
        let mut marks = Marks::NONE;
        for operand in operands {
            let value = self.forced(operand)?;
            marks = marks | value.marks;
            match value.as_str() {
                Some(piece) => text.push_str(piece),
                None => text.push_str(&value.to_string()),
            }
            self.check_size(text.len())?;
        }
        Ok(tainted(Value::from(text), marks))
    }

    fn comparison(&self, first: &Node, rest: &[(CompareOp, Node)]) -> Result<Value, Error> {
        let mut left = self.forced(first)?;
        let mut marks = left.marks;
        for (op, node) in rest {
            let mut right = self.forced(node)?;
            marks = marks | right.marks;
            // `name in vars`: only the templar knows the names.
            if right.downcast::<AllVariables>().is_some() {
                right = Value::list(self.iterate(&right)?);
            }
            if !holds(*op, &left, &right)? {
                return Ok(tainted(Value::from(false), marks));
            }
            left = right;
        }
        Ok(tainted(Value::from(true), marks))
    }

    fn conditional(&self, it: &Conditional) -> Result<Value, Error> {
        let test = self.defined(&it.test)?;
        Ok(match (test.is_true(), &it.no) {
            (true, _) => self.eval(&it.yes)?,
            (false, Some(no)) => self.eval(no)?,
            (false, None) => Value::from(Undefined {
                name: "".into(),
                reason: Reason::Because(
                    "the inline if-expression evaluated to false and no else section was defined."
                        .into(),
                ),
            }),
        })
    }

    fn slice(&self, slice: &crate::ast::Slice) -> Result<Value, Error> {
        let of = self.eval(&slice.of)?;
        if of.is_undefined() {
            return Ok(of);
        }
        let bound = |node: &Option<Node>| -> Result<Option<Value>, Error> {
            let value = node.as_ref().map(|node| self.forced(node)).transpose()?;
            Ok(value.filter(|value| !value.is_none()))
        };
        let (start, stop, step) = (bound(&slice.start)?, bound(&slice.stop)?, bound(&slice.step)?);
        let result = operators::slice(&of, start.as_ref(), stop.as_ref(), step.as_ref())?;
        Ok(result.marked(of.marks.to_element()))
    }

    /// Arguments; the callee decides about undefined ones and templates in them.
    pub(crate) fn arguments(&self, args: &[Arg]) -> Result<Args, Error> {
        if args.is_empty() {
            return Ok(Args::default());
        }
        let mut positional = Vec::with_capacity(args.len());
        let mut named: Vec<(Arc<str>, Value)> = Vec::new();
        for arg in args {
            match arg {
                Arg::Positional(node) => positional.push(self.eval(node)?),
                Arg::Named(name, node) => named.push((name.clone(), self.eval(node)?)),
                Arg::Splat(node) => positional.extend(self.iterate(&self.forced(node)?)?),
                Arg::NamedSplat(node) => {
                    let value = self.forced(node)?;
                    let entries = self.entries(&value)?.ok_or_else(|| {
                        Error::type_error(format!(
                            "argument after ** must be a mapping, not {}",
                            value.type_name()
                        ))
                    })?;
                    named.extend(
                        entries.into_iter().map(|(key, value)| (key.to_string().into(), value)),
                    );
                }
            }
        }
        Ok(Args::new(positional, named))
    }

    fn call_node(&self, callee: &Node, args: &[Arg]) -> Result<Value, Error> {
        if let Expr::Attr(of, name) = &callee.expr {
            let receiver = self.eval(of)?;
            if receiver.is_undefined() {
                return Ok(receiver);
            }
            let name = name.as_str().unwrap_or_default();
            let args = self.arguments(args)?;
            return self.call_method(&receiver, name, args);
        }
        let callee = self.eval(callee)?;
        if callee.is_undefined() {
            return Ok(callee);
        }
        let args = self.arguments(args)?;
        self.call(&callee, args)
    }
}

/// The part of an expression that found nothing: what is read from it hands the undefined value on.
pub(crate) fn culprit<'n>(node: &'n Node, why: &Undefined) -> &'n Node {
    let is_key = |key: Option<&str>| {
        matches!(why.reason, Reason::Attribute { .. }) && key == Some(&*why.name)
    };
    match &node.expr {
        Expr::Attr(_, key) if is_key(key.as_str()) => node,
        Expr::Attr(of, _) | Expr::Call(of, _) => culprit(of, why),
        Expr::Item(both) => match &both.1.expr {
            Expr::Const(key) if is_key(Some(&key.to_string())) => node,
            Expr::Var(_) if matches!(why.reason, Reason::Attribute { .. }) => node,
            _ => culprit(&both.0, why),
        },
        _ => node,
    }
}

fn holds(op: CompareOp, left: &Value, right: &Value) -> Result<bool, Error> {
    Ok(match op {
        CompareOp::Eq => left == right,
        CompareOp::Ne => left != right,
        CompareOp::Lt => compare(left, right, "<")? == Ordering::Less,
        CompareOp::Le => compare(left, right, "<=")? != Ordering::Greater,
        CompareOp::Gt => compare(left, right, ">")? == Ordering::Greater,
        CompareOp::Ge => compare(left, right, ">=")? != Ordering::Less,
        CompareOp::In => operators::contains(right, left)?,
        CompareOp::NotIn => !operators::contains(right, left)?,
    })
}
