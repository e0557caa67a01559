//! A template as our own tree: it owns its text, so that it can be shared and cached, and its constants are values.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::value::Value;

/// A parsed template or expression.
pub(crate) struct Template {
    /// The text as it was parsed: spans are offsets into it.
    pub(crate) source: Arc<str>,
    pub(crate) body: Body,
    /// The blocks that a child can replace.
    pub(crate) blocks: HashMap<Arc<str>, Body>,
    /// It calls a method that changes a list or dict: variables must be copied before.
    pub(crate) mutates: bool,
    /// Newlines at the end, of which parsing removed one.
    pub(crate) trailing_newlines: usize,
}

/// Statements in a row. Shared, because macros, blocks and recursive loops outlive the walk over the tree.
pub(crate) type Body = Arc<[Stmt]>;

/// Offsets in the source.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extent {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Extent {
    pub(crate) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// An expression and where it stands.
pub(crate) struct Node {
    pub(crate) expr: Expr,
    pub(crate) extent: Extent,
}

pub(crate) enum Expr {
    Const(Value),
    Var(Arc<str>),
    Attr(Box<Node>, Value),
    Item(Box<(Node, Node)>),
    Slice(Box<Slice>),
    Not(Box<Node>),
    Neg(Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    Concat(Vec<Node>),
    Binary(BinaryOp, Box<(Node, Node)>),
    Compare(Box<Node>, Vec<(CompareOp, Node)>),
    If(Box<Conditional>),
    /// `None`: the text of a filter block.
    Filter(Option<Box<Node>>, Arc<str>, Vec<Arg>),
    Test(Box<Node>, Arc<str>, Vec<Arg>),
    Call(Box<Node>, Vec<Arg>),
    List(Vec<Node>),
    Tuple(Vec<Node>),
    Dict(Vec<(Node, Node)>),
}

pub(crate) struct Slice {
    pub(crate) of: Node,
    pub(crate) start: Option<Node>,
    pub(crate) stop: Option<Node>,
    pub(crate) step: Option<Node>,
}

pub(crate) struct Conditional {
    pub(crate) test: Node,
    pub(crate) yes: Node,
    pub(crate) no: Option<Node>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
}

impl BinaryOp {
    /// Python's sign, as messages show it.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::FloorDiv => "//",
            Self::Rem => "%",
            Self::Pow => "** or pow()",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

pub(crate) enum Arg {
    Positional(Node),
    Named(Arc<str>, Node),
    Splat(Node),
    NamedSplat(Node),
}

/// What an assignment fills.
pub(crate) enum Target {
    Name(Arc<str>),
    /// `ns.attribute`
    Attr(Arc<str>, Arc<str>, Extent),
    Tuple(Vec<Target>, Extent),
}

pub(crate) enum Stmt {
    Text(Arc<str>),
    Emit(Node),
    For(Arc<For>),
    If(Vec<(Node, Body)>, Body),
    With(Vec<(Target, Node)>, Body),
    Set(Target, Node),
    SetBlock(Target, Option<Node>, Body),
    FilterBlock(Node, Body),
    Block(Arc<str>, Extent),
    Extends(Node),
    Include(Node, bool),
    Import(Node, Arc<str>),
    FromImport(Node, Vec<(Arc<str>, Arc<str>)>),
    Macro(Arc<Macro>),
    CallBlock(Box<Node>, Arc<Macro>),
    Do(Node),
    Group(Body),
    Continue,
    Break,
}

pub(crate) struct For {
    pub(crate) target: Target,
    pub(crate) iter: Node,
    pub(crate) filter: Option<Node>,
    pub(crate) recursive: bool,
    /// The body speaks of `loop`.
    pub(crate) uses_loop: bool,
    pub(crate) body: Body,
    pub(crate) otherwise: Body,
}

pub(crate) struct Macro {
    pub(crate) name: Arc<str>,
    pub(crate) parameters: Vec<(Arc<str>, Option<Node>)>,
    pub(crate) body: Body,
    pub(crate) takes_varargs: bool,
    pub(crate) takes_kwargs: bool,
}
