//! The parser's borrowed tree into our own.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use minijinja::machinery::{Span as Offsets, ast};

use super::{Mistake, Mode};
use crate::ast::{
    Arg, BinaryOp, Body, CompareOp, Conditional, Expr, Extent, For, Macro, Node, Slice, Stmt,
    Target,
};
use crate::error::Error;
use crate::value::{Marks, Value, has_template};

/// How deep an expression may be nested.
const MAX_NESTING: u32 = 160;

/// Methods that change the list or dict they belong to.
const MUTATORS: [&str; 14] = [
    "append",
    "extend",
    "insert",
    "pop",
    "popitem",
    "remove",
    "sort",
    "reverse",
    "clear",
    "update",
    "setdefault",
    "__setitem__",
    "__delitem__",
    "attr",
];

pub(super) struct Converter<'s> {
    source: &'s str,
    mode: Mode,
    /// Inside `{{ }}` of a playbook's value: backslashes stand for themselves.
    raw_texts: bool,
    depth: u32,
    names: HashSet<Arc<str>>,
    /// What `loop`, `varargs` and `kwargs` were seen since the last reset.
    uses_loop: bool,
    uses_varargs: bool,
    uses_kwargs: bool,
    pub(super) mutates: bool,
    pub(super) blocks: HashMap<Arc<str>, Body>,
}

fn extent(span: Offsets) -> Extent {
    Extent { start: span.start_offset, end: span.end_offset }
}

impl<'s> Converter<'s> {
    pub(super) fn new(source: &'s str, mode: Mode) -> Self {
        Self {
            source,
            mode,
            raw_texts: false,
            depth: 0,
            names: HashSet::new(),
            uses_loop: false,
            uses_varargs: false,
            uses_kwargs: false,
            mutates: false,
            blocks: HashMap::new(),
        }
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        self.names.insert(new.clone());
        new
    }

    /// Statements, as a shared body.
    fn body(&mut self, children: &[ast::Stmt<'_>]) -> Result<Body, Mistake> {
        self.statements(children).map(Into::into)
    }

    pub(super) fn statements(&mut self, children: &[ast::Stmt<'_>]) -> Result<Vec<Stmt>, Mistake> {
        children.iter().map(|child| self.statement(child)).collect()
    }

    fn statement(&mut self, statement: &ast::Stmt<'_>) -> Result<Stmt, Mistake> {
        Ok(match statement {
            ast::Stmt::Template(template) => Stmt::Group(self.body(&template.children)?),
            ast::Stmt::EmitRaw(raw) => {
                let text = self.source.get(extent(raw.span()).range()).unwrap_or(raw.raw);
                Stmt::Text(text.into())
            }
            ast::Stmt::EmitExpr(emit) => {
                self.raw_texts = self.mode == Mode::Value;
                let node = self.expression(&emit.expr);
                self.raw_texts = false;
                Stmt::Emit(node?)
            }
            ast::Stmt::ForLoop(it) => self.for_loop(it)?,
            ast::Stmt::IfCond(it) => self.if_chain(it)?,
            ast::Stmt::WithBlock(with) => {
                let assignments = with
                    .assignments
                    .iter()
                    .map(|(target, value)| Ok((self.target(target)?, self.expression(value)?)));
                Stmt::With(assignments.collect::<Result<_, Mistake>>()?, self.body(&with.body)?)
            }
            ast::Stmt::Set(set) => {
                Stmt::Set(self.target(&set.target)?, self.expression(&set.expr)?)
            }
            ast::Stmt::SetBlock(set) => Stmt::SetBlock(
                self.target(&set.target)?,
                set.filter.as_ref().map(|filter| self.expression(filter)).transpose()?,
                self.body(&set.body)?,
            ),
            ast::Stmt::AutoEscape(group) => Stmt::Group(self.body(&group.body)?),
            ast::Stmt::FilterBlock(block) => {
                Stmt::FilterBlock(self.expression(&block.filter)?, self.body(&block.body)?)
            }
            ast::Stmt::Block(block) => {
                let name = self.name(block.name);
                let body = self.body(&block.body)?;
                self.blocks.insert(name.clone(), body);
                Stmt::Block(name, extent(block.span()))
            }
            ast::Stmt::Extends(extends) => Stmt::Extends(self.expression(&extends.name)?),
            ast::Stmt::Include(include) => {
                Stmt::Include(self.expression(&include.name)?, include.ignore_missing)
            }
            ast::Stmt::Import(import) => {
                Stmt::Import(self.expression(&import.expr)?, self.identifier(&import.name)?)
            }
            ast::Stmt::FromImport(import) => self.import_names(import)?,
            ast::Stmt::Macro(it) => Stmt::Macro(Arc::new(self.macro_definition(it)?)),
            ast::Stmt::CallBlock(block) => {
                let call = self.call(&block.call)?;
                let call = Box::new(Node { expr: call, extent: extent(block.call_expr_span) });
                Stmt::CallBlock(call, Arc::new(self.macro_definition(&block.macro_decl)?))
            }
            ast::Stmt::Do(it) => {
                let expr = self.call(&it.call)?;
                Stmt::Do(Node { expr, extent: extent(it.call.span()) })
            }
            ast::Stmt::Continue(_) => Stmt::Continue,
            ast::Stmt::Break(_) => Stmt::Break,
        })
    }

    fn for_loop(&mut self, it: &ast::ForLoop<'_>) -> Result<Stmt, Mistake> {
        let iter = self.expression(&it.iter)?;
        let outer = std::mem::replace(&mut self.uses_loop, false);
        let filter = it.filter_expr.as_ref().map(|filter| self.expression(filter)).transpose()?;
        let body = self.body(&it.body)?;
        let uses_loop = std::mem::replace(&mut self.uses_loop, outer) || it.recursive;
        Ok(Stmt::For(Arc::new(For {
            target: self.target(&it.target)?,
            iter,
            filter,
            recursive: it.recursive,
            uses_loop,
            body,
            otherwise: self.body(&it.else_body)?,
        })))
    }

    /// `elif` is nested in the parser's tree and flat in ours: a long chain costs no depth.
    fn if_chain(&mut self, first: &ast::IfCond<'_>) -> Result<Stmt, Mistake> {
        let mut branches = Vec::new();
        let mut current = first;
        loop {
            branches.push((self.expression(&current.expr)?, self.body(&current.true_body)?));
            match current.false_body.as_slice() {
                [ast::Stmt::IfCond(next)] => current = next,
                rest => return Ok(Stmt::If(branches, self.body(rest)?)),
            }
        }
    }

    fn import_names(&mut self, import: &ast::FromImport<'_>) -> Result<Stmt, Mistake> {
        let source = self.expression(&import.expr)?;
        let names = import.names.iter().map(|(name, alias)| {
            let name = self.identifier(name)?;
            let alias = match alias {
                Some(alias) => self.identifier(alias)?,
                None => name.clone(),
            };
            Ok((name, alias))
        });
        Ok(Stmt::FromImport(source, names.collect::<Result<_, Mistake>>()?))
    }

    fn macro_definition(&mut self, it: &ast::Macro<'_>) -> Result<Macro, Mistake> {
        let outer = (self.uses_loop, self.uses_varargs, self.uses_kwargs);
        (self.uses_varargs, self.uses_kwargs) = (false, false);
        let body = self.body(&it.body)?;
        let (takes_varargs, takes_kwargs) = (self.uses_varargs, self.uses_kwargs);
        // A caller's body may speak of the loop that it stands in.
        self.uses_loop |= outer.0;
        (self.uses_varargs, self.uses_kwargs) = (outer.1, outer.2);
        let without_default = it.args.len() - it.defaults.len();
        let parameters = it.args.iter().enumerate().map(|(index, name)| {
            let default = index.checked_sub(without_default).and_then(|at| it.defaults.get(at));
            let default = default.map(|default| self.expression(default)).transpose()?;
            Ok((self.identifier(name)?, default))
        });
        Ok(Macro {
            parameters: parameters.collect::<Result<_, Mistake>>()?,
            name: self.name(it.name),
            body,
            takes_varargs,
            takes_kwargs,
        })
    }

    fn identifier(&mut self, node: &ast::Expr<'_>) -> Result<Arc<str>, Mistake> {
        match node {
            ast::Expr::Var(var) => Ok(self.name(var.id)),
            other => Err((Error::syntax("expected a name"), extent(other.span()))),
        }
    }

    fn target(&mut self, node: &ast::Expr<'_>) -> Result<Target, Mistake> {
        match node {
            ast::Expr::Var(var) => Ok(Target::Name(self.name(var.id))),
            ast::Expr::GetAttr(attr) => {
                let object = self.identifier(&attr.expr)?;
                Ok(Target::Attr(object, self.name(attr.name), extent(attr.span())))
            }
            ast::Expr::List(list) => {
                let items = list.items.iter().map(|item| self.target(item));
                Ok(Target::Tuple(items.collect::<Result<_, Mistake>>()?, extent(list.span())))
            }
            other => Err((Error::syntax("cannot assign to an expression"), extent(other.span()))),
        }
    }

    pub(super) fn expression(&mut self, node: &ast::Expr<'_>) -> Result<Node, Mistake> {
        self.depth += 1;
        if self.depth > MAX_NESTING {
            return Err((
                Error::syntax("the expression is nested too deeply"),
                extent(node.span()),
            ));
        }
        let expr = self.expr(node)?;
        self.depth -= 1;
        let extent = match &expr {
            Expr::Binary(_, sides) => join(&sides.0, &sides.1),
            Expr::And(all) | Expr::Or(all) | Expr::Concat(all) => {
                join(&all[0], &all[all.len() - 1])
            }
            Expr::Attr(..) => {
                let end = node.span().end_offset;
                let length = match node {
                    ast::Expr::GetAttr(attr) => attr.name.len() as u32,
                    _ => 0,
                };
                Extent { start: end.saturating_sub(length), end }
            }
            _ => extent(node.span()),
        };
        Ok(Node { expr, extent })
    }

    fn expressions(&mut self, nodes: &[ast::Expr<'_>]) -> Result<Vec<Node>, Mistake> {
        nodes.iter().map(|node| self.expression(node)).collect()
    }

    fn optional(&mut self, node: Option<&ast::Expr<'_>>) -> Result<Option<Node>, Mistake> {
        node.map(|node| self.expression(node)).transpose()
    }

    fn expr(&mut self, node: &ast::Expr<'_>) -> Result<Expr, Mistake> {
        Ok(match node {
            ast::Expr::Var(var) => self.variable(var.id),
            ast::Expr::Const(constant) => Expr::Const(self.constant(constant)),
            ast::Expr::Slice(slice) => Expr::Slice(Box::new(Slice {
                of: self.expression(&slice.expr)?,
                start: self.optional(slice.start.as_ref())?,
                stop: self.optional(slice.stop.as_ref())?,
                step: self.optional(slice.step.as_ref())?,
            })),
            ast::Expr::UnaryOp(unary) => {
                let operand = Box::new(self.expression(&unary.expr)?);
                match unary.op {
                    ast::UnaryOpKind::Not => Expr::Not(operand),
                    ast::UnaryOpKind::Neg => Expr::Neg(operand),
                }
            }
            ast::Expr::BinOp(binary) => self.binary(binary)?,
            ast::Expr::Compare(compare) => {
                let first = Box::new(self.expression(&compare.expr)?);
                let rest = compare
                    .ops
                    .iter()
                    .map(|step| Ok((comparison(step.op), self.expression(&step.expr)?)));
                Expr::Compare(first, rest.collect::<Result<_, Mistake>>()?)
            }
            ast::Expr::IfExpr(it) => Expr::If(Box::new(Conditional {
                test: self.expression(&it.test_expr)?,
                yes: self.expression(&it.true_expr)?,
                no: self.optional(it.false_expr.as_ref())?,
            })),
            ast::Expr::Filter(filter) => {
                self.mutates |= filter.name == "attr";
                let input = self.optional(filter.expr.as_ref())?.map(Box::new);
                Expr::Filter(input, self.name(filter.name), self.arguments(&filter.args)?)
            }
            ast::Expr::Test(test) => Expr::Test(
                Box::new(self.expression(&test.expr)?),
                self.name(test.name),
                self.arguments(&test.args)?,
            ),
            ast::Expr::GetAttr(attr) => {
                self.mutates |= MUTATORS.contains(&attr.name);
                Expr::Attr(Box::new(self.expression(&attr.expr)?), self.name(attr.name).into())
            }
            ast::Expr::GetItem(item) => Expr::Item(Box::new((
                self.expression(&item.expr)?,
                self.expression(&item.subscript_expr)?,
            ))),
            ast::Expr::Call(call) => self.call(call)?,
            ast::Expr::List(list) => Expr::List(self.expressions(&list.items)?),
            ast::Expr::Tuple(tuple) => Expr::Tuple(self.expressions(&tuple.items)?),
            ast::Expr::Map(map) => {
                let entries = map
                    .keys
                    .iter()
                    .zip(&map.values)
                    .map(|(key, value)| Ok((self.expression(key)?, self.expression(value)?)));
                Expr::Dict(entries.collect::<Result<_, Mistake>>()?)
            }
        })
    }

    fn variable(&mut self, name: &str) -> Expr {
        match name {
            "loop" => self.uses_loop = true,
            "varargs" => self.uses_varargs = true,
            "kwargs" => self.uses_kwargs = true,
            _ => {}
        }
        Expr::Var(self.name(name))
    }

    fn call(&mut self, call: &ast::Call<'_>) -> Result<Expr, Mistake> {
        Ok(Expr::Call(Box::new(self.expression(&call.expr)?), self.arguments(&call.args)?))
    }

    fn arguments(&mut self, args: &[ast::CallArg<'_>]) -> Result<Vec<Arg>, Mistake> {
        args.iter()
            .map(|arg| {
                Ok(match arg {
                    ast::CallArg::Pos(node) => Arg::Positional(self.expression(node)?),
                    ast::CallArg::Kwarg(name, node) => {
                        Arg::Named(self.name(name), self.expression(node)?)
                    }
                    ast::CallArg::PosSplat(node) => Arg::Splat(self.expression(node)?),
                    ast::CallArg::KwargSplat(node) => Arg::NamedSplat(self.expression(node)?),
                })
            })
            .collect()
    }

    fn binary(&mut self, binary: &ast::Spanned<ast::BinOp<'_>>) -> Result<Expr, Mistake> {
        use ast::BinOpKind as Op;
        let op = match binary.op {
            Op::ScAnd | Op::ScOr | Op::Concat => return self.chain(binary),
            Op::Eq => return self.comparison(CompareOp::Eq, binary),
            Op::Ne => return self.comparison(CompareOp::Ne, binary),
            Op::Lt => return self.comparison(CompareOp::Lt, binary),
            Op::Lte => return self.comparison(CompareOp::Le, binary),
            Op::Gt => return self.comparison(CompareOp::Gt, binary),
            Op::Gte => return self.comparison(CompareOp::Ge, binary),
            Op::In => return self.comparison(CompareOp::In, binary),
            Op::Add => BinaryOp::Add,
            Op::Sub => BinaryOp::Sub,
            Op::Mul => BinaryOp::Mul,
            Op::Div => BinaryOp::Div,
            Op::FloorDiv => BinaryOp::FloorDiv,
            Op::Rem => BinaryOp::Rem,
            Op::Pow => BinaryOp::Pow,
        };
        let (left, right) = (self.expression(&binary.left)?, self.expression(&binary.right)?);
        Ok(Expr::Binary(op, Box::new((left, right))))
    }

    fn comparison(&mut self, op: CompareOp, binary: &ast::BinOp<'_>) -> Result<Expr, Mistake> {
        let left = Box::new(self.expression(&binary.left)?);
        Ok(Expr::Compare(left, vec![(op, self.expression(&binary.right)?)]))
    }

    /// `a ~ b ~ c` is nested to the left in the parser's tree and flat in ours.
    fn chain(&mut self, binary: &ast::BinOp<'_>) -> Result<Expr, Mistake> {
        let kind = std::mem::discriminant(&binary.op);
        let mut operands = vec![&binary.right];
        let mut left = &binary.left;
        while let ast::Expr::BinOp(next) = left {
            if std::mem::discriminant(&next.op) != kind {
                break;
            }
            operands.push(&next.right);
            left = &next.left;
        }
        operands.push(left);
        let nodes = operands
            .into_iter()
            .rev()
            .map(|node| self.expression(node))
            .collect::<Result<_, _>>()?;
        Ok(match binary.op {
            ast::BinOpKind::ScAnd => Expr::And(nodes),
            ast::BinOpKind::ScOr => Expr::Or(nodes),
            _ => Expr::Concat(nodes),
        })
    }

    fn constant(&mut self, constant: &ast::Spanned<ast::Const>) -> Value {
        let value = &constant.value;
        if let Some(text) = value.as_str() {
            self.mutates |= MUTATORS.contains(&text);
            let written = self.source.get(extent(constant.span()).range()).unwrap_or_default();
            let text = if self.raw_texts && written.contains('\\') {
                raw_text(written)
            } else {
                text.into()
            };
            // Only a condition evaluates the templates in its texts; a lookup those in its terms. Anything else made of
            // a text in a template is data.
            return match (has_template(&text), self.mode) {
                (true, Mode::Condition) => Value::trusted(text, None),
                (true, _) => Value::from(text).marked(Marks::TRUSTED),
                (false, _) => Value::from(text),
            };
        }
        if value.is_none() {
            return Value::none();
        }
        if let Ok(flag) = bool::try_from(value.clone()) {
            return flag.into();
        }
        match i128::try_from(value.clone()) {
            Ok(int) if value.is_integer() => int.into(),
            _ => f64::try_from(value.clone()).map_or_else(|_| Value::none(), Value::from),
        }
    }
}

fn comparison(op: ast::CompareOpKind) -> CompareOp {
    match op {
        ast::CompareOpKind::Eq => CompareOp::Eq,
        ast::CompareOpKind::Ne => CompareOp::Ne,
        ast::CompareOpKind::Lt => CompareOp::Lt,
        ast::CompareOpKind::Lte => CompareOp::Le,
        ast::CompareOpKind::Gt => CompareOp::Gt,
        ast::CompareOpKind::Gte => CompareOp::Ge,
        ast::CompareOpKind::In => CompareOp::In,
        ast::CompareOpKind::NotIn => CompareOp::NotIn,
    }
}

fn join(first: &Node, last: &Node) -> Extent {
    Extent { start: first.extent.start.min(last.extent.start), end: last.extent.end }
}

/// The text of one or more adjacent literals with every backslash kept.
fn raw_text(written: &str) -> String {
    let mut text = String::with_capacity(written.len());
    let mut letters = written.chars();
    while let Some(quote) = letters.find(|letter| matches!(letter, '\'' | '"')) {
        while let Some(letter) = letters.next() {
            if letter == quote {
                break;
            }
            text.push(letter);
            if letter == '\\' {
                text.extend(letters.next());
            }
        }
    }
    text
}
