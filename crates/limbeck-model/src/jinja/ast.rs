//! The syntax tree. Chains are lists and not nested, so that depth comes from brackets and blocks alone.

/// A statement and the line it begins in.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) kind: NodeKind,
}

#[derive(Debug)]
pub(super) enum NodeKind {
    Text(String),
    Print(Expr),
    For(std::rc::Rc<ForLoop>),
    /// Conditions with their bodies; the last may be without one.
    If(Vec<(Option<Expr>, Vec<Node>)>),
    Set(Target, Expr),
    SetBlock(Target, Vec<Filter>, Vec<Node>),
    With(Vec<(Target, Expr)>, Vec<Node>),
    Macro(std::rc::Rc<MacroBody>),
    Call(Box<Expr>, std::rc::Rc<MacroBody>),
    FilterBlock(Vec<Filter>, Vec<Node>),
    /// A body in a scope of its own.
    Block(Vec<Node>),
    Generation(Vec<Node>),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct ForLoop {
    pub(super) target: Target,
    pub(super) iterable: Expr,
    pub(super) condition: Option<Expr>,
    pub(super) recursive: bool,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct MacroBody {
    pub(super) name: String,
    pub(super) parameters: Vec<(String, Option<Expr>)>,
    pub(super) body: Vec<Node>,
}

/// What is assigned to.
#[derive(Debug)]
pub(super) enum Target {
    Name(String),
    Attribute(String, String),
    Tuple(Vec<Target>),
}

#[derive(Debug)]
pub(super) struct Filter {
    pub(super) name: String,
    pub(super) arguments: Arguments,
}

#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Expr>,
    pub(super) named: Vec<(String, Expr)>,
}

#[derive(Debug)]
pub(super) enum Expr {
    Constant(Literal),
    Name(String),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    /// Operands with the operators between them, worked from the left.
    Chain(Box<Expr>, Vec<(Binary, Expr)>),
    Concat(Vec<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Positive(Box<Expr>),
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// A value and what is done to it, one after the other.
    Postfix(Box<Expr>, Vec<Post>),
    /// Value, condition, other value.
    Conditional(Box<(Expr, Expr, Option<Expr>)>),
}

#[derive(Debug)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(std::rc::Rc<str>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

#[derive(Debug)]
pub(super) enum Post {
    Attribute(String),
    Item(Expr),
    Slice(Box<[Option<Expr>; 3]>),
    Call(Arguments),
    Filter(Filter),
    Test { name: String, arguments: Arguments, negated: bool },
}
