//! From tokens to the syntax tree.

use std::rc::Rc;

use super::JinjaError;
use super::ast::{
    Arguments, Binary, Comparison, Expr, Filter, ForLoop, Literal, MacroBody, Node, NodeKind, Post, Target,
};
use super::lexer::{Placed, Token};

/// Brackets, conditions and blocks inside one another.
const MOST_DEPTH: usize = 48;

pub(super) fn parse(tokens: Vec<Placed>) -> Result<Vec<Node>, JinjaError> {
    let mut parser = Parser { tokens, at: 0, depth: 0 };
    let (body, end) = parser.body(&[])?;
    match end {
        None => Ok(body),
        Some(name) => Err(parser.error(format!("unexpected {{% {name} %}}"))),
    }
}

struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
}

type Parsed<T> = Result<T, JinjaError>;

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |placed| &placed.token)
    }

    fn ahead(&self, by: usize) -> &Token {
        self.tokens.get(self.at + by).map_or(&Token::End, |placed| &placed.token)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |placed| placed.line)
    }

    fn error(&self, reason: impl Into<String>) -> JinjaError {
        JinjaError { line: self.line(), reason: reason.into() }
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is_symbol(&self, symbol: &str) -> bool {
        matches!(self.peek(), Token::Symbol(found) if *found == symbol)
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Token::Name(found) if found == name)
    }

    fn skip_symbol(&mut self, symbol: &str) -> bool {
        let there = self.is_symbol(symbol);
        self.at += usize::from(there);
        there
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let there = self.is_name(name);
        self.at += usize::from(there);
        there
    }

    fn unexpected(&self, wanted: &str) -> JinjaError {
        let found = match self.peek() {
            Token::Data(_) => "text".to_owned(),
            Token::VariableBegin => "{{".to_owned(),
            Token::VariableEnd => "}}".to_owned(),
            Token::BlockBegin => "{%".to_owned(),
            Token::BlockEnd => "%}".to_owned(),
            Token::Name(name) => format!("{name:?}"),
            Token::Text(_) => "a text".to_owned(),
            Token::Int(_) | Token::Float(_) => "a number".to_owned(),
            Token::Symbol(symbol) => format!("{symbol:?}"),
            Token::End => "the end of the template".to_owned(),
        };
        self.error(format!("expected {wanted}, found {found}"))
    }

    fn symbol(&mut self, symbol: &'static str) -> Parsed<()> {
        if self.skip_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("{symbol:?}"))) }
    }

    fn name(&mut self) -> Parsed<String> {
        match self.next() {
            Token::Name(name) => Ok(name),
            _ => {
                self.at -= 1;
                Err(self.unexpected("a name"))
            }
        }
    }

    fn block_end(&mut self) -> Parsed<()> {
        if *self.peek() == Token::BlockEnd {
            self.at += 1;
            Ok(())
        } else {
            Err(self.unexpected("%}"))
        }
    }

    /// Runs a part one level deeper.
    fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MOST_DEPTH {
            return Err(self.error(format!("more than {MOST_DEPTH} blocks or brackets inside one another")));
        }
        self.depth += 1;
        let result = part(self);
        self.depth -= 1;
        result
    }

    /// Statements up to a block that begins with one of `ends`, whose name is read and given; or to the end of the template.
    fn body(&mut self, ends: &[&str]) -> Parsed<(Vec<Node>, Option<String>)> {
        let mut nodes = Vec::new();
        loop {
            let line = self.line();
            match self.next() {
                Token::Data(text) => nodes.push(Node { line, kind: NodeKind::Text(text) }),
                Token::VariableBegin => {
                    let expr = self.tuple(true)?;
                    if *self.peek() != Token::VariableEnd {
                        return Err(self.unexpected("}}"));
                    }
                    self.at += 1;
                    nodes.push(Node { line, kind: NodeKind::Print(expr) });
                }
                Token::BlockBegin => {
                    let name = self.name()?;
                    if ends.contains(&name.as_str()) {
                        return Ok((nodes, Some(name)));
                    }
                    let kind = self.deeper(|parser| parser.statement(&name))?;
                    nodes.push(Node { line, kind });
                }
                _ => {
                    self.at -= 1;
                    if ends.is_empty() {
                        return Ok((nodes, None));
                    }
                    return Err(self.error(format!(
                        "a block is not closed: {{% {} %}} is missing",
                        ends[ends.len() - 1]
                    )));
                }
            }
        }
    }

    /// The body of a block and the end of its closing tag.
    fn closed(&mut self, end: &'static str) -> Parsed<Vec<Node>> {
        self.block_end()?;
        let (body, _) = self.body(&[end])?;
        // `endblock` and `endmacro` may repeat the name.
        if matches!(self.peek(), Token::Name(_)) && matches!(end, "endblock" | "endmacro") {
            self.at += 1;
        }
        self.block_end()?;
        Ok(body)
    }

    fn statement(&mut self, name: &str) -> Parsed<NodeKind> {
        match name {
            "for" => self.for_loop(),
            "if" => self.condition(),
            "set" => self.set(),
            "with" => {
                let mut variables = Vec::new();
                while *self.peek() != Token::BlockEnd {
                    if !variables.is_empty() {
                        self.symbol(",")?;
                    }
                    let target = Target::Name(self.name()?);
                    self.symbol("=")?;
                    variables.push((target, self.expression()?));
                }
                Ok(NodeKind::With(variables, self.closed("endwith")?))
            }
            "macro" => {
                let name = self.name()?;
                let parameters = self.parameters()?;
                let body = self.closed("endmacro")?;
                Ok(NodeKind::Macro(Rc::new(MacroBody { name, parameters, body })))
            }
            "call" => {
                let parameters = if self.is_symbol("(") { self.parameters()? } else { Vec::new() };
                let call = self.expression()?;
                let body = self.closed("endcall")?;
                let caller = MacroBody { name: "caller".to_owned(), parameters, body };
                Ok(NodeKind::Call(Box::new(call), Rc::new(caller)))
            }
            "filter" => {
                let mut filters = vec![self.filter()?];
                while self.skip_symbol("|") {
                    filters.push(self.filter()?);
                }
                Ok(NodeKind::FilterBlock(filters, self.closed("endfilter")?))
            }
            "block" => {
                self.name()?;
                while self.skip_name("scoped") || self.skip_name("required") {}
                Ok(NodeKind::Block(self.closed("endblock")?))
            }
            "autoescape" => {
                let line = self.line();
                if !matches!(self.expression()?, Expr::Constant(Literal::Bool(false))) {
                    return Err(JinjaError {
                        line,
                        reason: "{% autoescape %} is only read with false".into(),
                    });
                }
                Ok(NodeKind::Block(self.closed("endautoescape")?))
            }
            "generation" => Ok(NodeKind::Generation(self.closed("endgeneration")?)),
            "break" => {
                self.block_end()?;
                Ok(NodeKind::Break)
            }
            "continue" => {
                self.block_end()?;
                Ok(NodeKind::Continue)
            }
            "include" | "import" | "from" | "extends" => {
                Err(self
                    .error(format!("{{% {name} %}} needs another template, and a chat template has none")))
            }
            _ => Err(self.error(format!("unknown tag {name:?}"))),
        }
    }

    fn for_loop(&mut self) -> Parsed<NodeKind> {
        let target = self.target(false)?;
        if !self.skip_name("in") {
            return Err(self.unexpected("\"in\""));
        }
        let iterable = self.tuple(false)?;
        let condition = if self.skip_name("if") { Some(self.expression()?) } else { None };
        let recursive = self.skip_name("recursive");
        self.block_end()?;
        let (body, end) = self.body(&["else", "endfor"])?;
        let mut otherwise = Vec::new();
        if end.as_deref() == Some("else") {
            self.block_end()?;
            otherwise = self.body(&["endfor"])?.0;
        }
        self.block_end()?;
        Ok(NodeKind::For(Rc::new(ForLoop { target, iterable, condition, recursive, body, otherwise })))
    }

    fn condition(&mut self) -> Parsed<NodeKind> {
        let mut branches = Vec::new();
        let mut test = Some(self.tuple(false)?);
        loop {
            self.block_end()?;
            let ends: &[&str] = if test.is_some() { &["elif", "else", "endif"] } else { &["endif"] };
            let (body, end) = self.body(ends)?;
            let more = test.is_some();
            branches.push((test, body));
            test = match end.as_deref() {
                Some("elif") if more => Some(self.tuple(false)?),
                Some("else") if more => None,
                _ => break,
            };
        }
        self.block_end()?;
        Ok(NodeKind::If(branches))
    }

    fn set(&mut self) -> Parsed<NodeKind> {
        let target = self.target(true)?;
        if self.skip_symbol("=") {
            let value = self.tuple(true)?;
            self.block_end()?;
            return Ok(NodeKind::Set(target, value));
        }
        let mut filters = Vec::new();
        while self.skip_symbol("|") {
            filters.push(self.filter()?);
        }
        Ok(NodeKind::SetBlock(target, filters, self.closed("endset")?))
    }

    fn target(&mut self, attributes: bool) -> Parsed<Target> {
        let mut items = Vec::new();
        let mut comma = false;
        loop {
            if self.skip_symbol("(") {
                items.push(self.deeper(|parser| parser.target(false))?);
                self.symbol(")")?;
            } else {
                let name = self.name()?;
                if attributes && self.skip_symbol(".") {
                    items.push(Target::Attribute(name, self.name()?));
                } else {
                    items.push(Target::Name(name));
                }
            }
            if !self.skip_symbol(",") {
                break;
            }
            comma = true;
            if !matches!(self.peek(), Token::Name(name) if name != "in") && !self.is_symbol("(") {
                break;
            }
        }
        match items.pop() {
            Some(only) if items.is_empty() && !comma => Ok(only),
            Some(last) => {
                items.push(last);
                Ok(Target::Tuple(items))
            }
            None => Err(self.unexpected("a name")),
        }
    }

    fn parameters(&mut self) -> Parsed<Vec<(String, Option<Expr>)>> {
        self.symbol("(")?;
        let mut parameters = Vec::new();
        while !self.skip_symbol(")") {
            if !parameters.is_empty() {
                self.symbol(",")?;
                if self.skip_symbol(")") {
                    break;
                }
            }
            let name = self.name()?;
            let default = if self.skip_symbol("=") { Some(self.expression()?) } else { None };
            parameters.push((name, default));
        }
        Ok(parameters)
    }

    /// An expression, or several with commas between: a tuple.
    fn tuple(&mut self, conditional: bool) -> Parsed<Expr> {
        let one = |parser: &mut Self| {
            if conditional { parser.expression() } else { parser.deeper(Self::or) }
        };
        let first = one(self)?;
        if !self.is_symbol(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip_symbol(",") {
            if matches!(self.peek(), Token::VariableEnd | Token::BlockEnd) || self.is_symbol(")") {
                break;
            }
            items.push(one(self)?);
        }
        Ok(Expr::Tuple(items))
    }

    fn expression(&mut self) -> Parsed<Expr> {
        self.deeper(|parser| {
            let mut value = parser.or()?;
            while parser.skip_name("if") {
                let condition = parser.or()?;
                let otherwise = if parser.skip_name("else") { Some(parser.expression()?) } else { None };
                value = Expr::Conditional(Box::new((value, condition, otherwise)));
                // Further conditions nest to the left.
                if parser.is_name("if") {
                    return Err(parser.error("conditions behind one another need brackets"));
                }
            }
            Ok(value)
        })
    }

    fn or(&mut self) -> Parsed<Expr> {
        let mut items = vec![self.and()?];
        while self.skip_name("or") {
            items.push(self.and()?);
        }
        Ok(single(items, Expr::Or))
    }

    fn and(&mut self) -> Parsed<Expr> {
        let mut items = vec![self.not()?];
        while self.skip_name("and") {
            items.push(self.not()?);
        }
        Ok(single(items, Expr::And))
    }

    fn not(&mut self) -> Parsed<Expr> {
        let mut count = 0;
        while self.is_name("not") {
            self.at += 1;
            count += 1;
        }
        let value = self.compare()?;
        Ok(match count {
            0 => value,
            _ if count % 2 == 1 => Expr::Not(Box::new(value)),
            _ => Expr::Not(Box::new(Expr::Not(Box::new(value)))),
        })
    }

    fn compare(&mut self) -> Parsed<Expr> {
        let first = self.chain(0)?;
        let mut rest = Vec::new();
        loop {
            let comparison = match self.peek() {
                Token::Symbol("==") => Comparison::Equal,
                Token::Symbol("!=") => Comparison::Unequal,
                Token::Symbol("<") => Comparison::Less,
                Token::Symbol("<=") => Comparison::LessOrEqual,
                Token::Symbol(">") => Comparison::Greater,
                Token::Symbol(">=") => Comparison::GreaterOrEqual,
                Token::Name(name) if name == "in" => Comparison::In,
                Token::Name(name)
                    if name == "not" && matches!(self.ahead(1), Token::Name(name) if name == "in") =>
                {
                    self.at += 1;
                    Comparison::NotIn
                }
                _ => break,
            };
            self.at += 1;
            rest.push((comparison, self.chain(0)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) })
    }

    /// Operators by rank: `+ -`, then `~`, then `* / // %`, then `**`.
    fn chain(&mut self, rank: usize) -> Parsed<Expr> {
        if rank == 1 {
            let mut items = vec![self.chain(2)?];
            while self.skip_symbol("~") {
                items.push(self.chain(2)?);
            }
            return Ok(single(items, Expr::Concat));
        }
        let operand = |parser: &mut Self| if rank == 3 { parser.unary(true) } else { parser.chain(rank + 1) };
        let first = operand(self)?;
        let mut rest = Vec::new();
        loop {
            let operator = match (rank, self.peek()) {
                (0, Token::Symbol("+")) => Binary::Add,
                (0, Token::Symbol("-")) => Binary::Subtract,
                (2, Token::Symbol("*")) => Binary::Multiply,
                (2, Token::Symbol("/")) => Binary::Divide,
                (2, Token::Symbol("//")) => Binary::FloorDivide,
                (2, Token::Symbol("%")) => Binary::Remainder,
                (3, Token::Symbol("**")) => Binary::Power,
                _ => break,
            };
            self.at += 1;
            rest.push((operator, operand(self)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Chain(Box::new(first), rest) })
    }

    fn unary(&mut self, filters: bool) -> Parsed<Expr> {
        let value = if self.skip_symbol("-") {
            Expr::Negative(Box::new(self.deeper(|parser| parser.unary(false))?))
        } else if self.skip_symbol("+") {
            Expr::Positive(Box::new(self.deeper(|parser| parser.unary(false))?))
        } else {
            self.primary()?
        };
        let mut posts = Vec::new();
        while let Some(post) = self.postfix()? {
            posts.push(post);
        }
        while let Some(post) = if filters { self.filter_or_test()? } else { None } {
            posts.push(post);
        }
        Ok(if posts.is_empty() { value } else { Expr::Postfix(Box::new(value), posts) })
    }

    /// What may stand behind a value and its subscripts: a filter, a test, or a call of their result.
    fn filter_or_test(&mut self) -> Parsed<Option<Post>> {
        Ok(if self.skip_symbol("|") {
            Some(Post::Filter(self.filter()?))
        } else if self.is_name("is") {
            self.at += 1;
            Some(self.test()?)
        } else if self.is_symbol("(") {
            Some(Post::Call(self.arguments()?))
        } else {
            None
        })
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let token = self.next();
        Ok(match token {
            Token::Name(name) => match name.as_str() {
                "true" | "True" => Expr::Constant(Literal::Bool(true)),
                "false" | "False" => Expr::Constant(Literal::Bool(false)),
                "none" | "None" => Expr::Constant(Literal::None),
                _ => Expr::Name(name),
            },
            Token::Text(mut text) => {
                while let Token::Text(more) = self.peek() {
                    text.push_str(more);
                    self.at += 1;
                }
                Expr::Constant(Literal::Text(text.into()))
            }
            Token::Int(value) => Expr::Constant(Literal::Int(value)),
            Token::Float(value) => Expr::Constant(Literal::Float(value)),
            Token::Symbol("(") => {
                if self.skip_symbol(")") {
                    Expr::Tuple(Vec::new())
                } else {
                    let value = self.tuple(true)?;
                    self.symbol(")")?;
                    value
                }
            }
            Token::Symbol("[") => {
                let mut items = Vec::new();
                while !self.skip_symbol("]") {
                    if !items.is_empty() {
                        self.symbol(",")?;
                        if self.skip_symbol("]") {
                            break;
                        }
                    }
                    items.push(self.expression()?);
                }
                Expr::List(items)
            }
            Token::Symbol("{") => {
                let mut items = Vec::new();
                while !self.skip_symbol("}") {
                    if !items.is_empty() {
                        self.symbol(",")?;
                        if self.skip_symbol("}") {
                            break;
                        }
                    }
                    let key = self.expression()?;
                    self.symbol(":")?;
                    items.push((key, self.expression()?));
                }
                Expr::Dict(items)
            }
            _ => {
                self.at -= 1;
                return Err(self.unexpected("an expression"));
            }
        })
    }

    fn postfix(&mut self) -> Parsed<Option<Post>> {
        if self.skip_symbol(".") {
            return Ok(Some(match self.next() {
                Token::Name(name) => Post::Attribute(name),
                Token::Int(index) => Post::Item(Expr::Constant(Literal::Int(index))),
                _ => {
                    self.at -= 1;
                    return Err(self.unexpected("a name"));
                }
            }));
        }
        if self.is_symbol("(") {
            return Ok(Some(Post::Call(self.arguments()?)));
        }
        if !self.skip_symbol("[") {
            return Ok(None);
        }
        let mut parts: Vec<Option<Expr>> = Vec::new();
        let mut sliced = false;
        loop {
            let empty = self.is_symbol(":") || self.is_symbol("]");
            parts.push(if empty { None } else { Some(self.tuple(true)?) });
            if self.skip_symbol("]") {
                break;
            }
            self.symbol(":")?;
            sliced = true;
            if parts.len() == 3 {
                return Err(self.unexpected("\"]\""));
            }
        }
        if sliced {
            let mut parts = parts.into_iter();
            let mut next = || parts.next().flatten();
            return Ok(Some(Post::Slice(Box::new([next(), next(), next()]))));
        }
        match parts.into_iter().next().flatten() {
            Some(item) => Ok(Some(Post::Item(item))),
            None => Err(self.error("[] is empty")),
        }
    }

    fn filter(&mut self) -> Parsed<Filter> {
        let mut name = self.name()?;
        while self.skip_symbol(".") {
            name = format!("{name}.{}", self.name()?);
        }
        let arguments = if self.is_symbol("(") { self.arguments()? } else { Arguments::default() };
        if !super::filters::exists(&name) {
            return Err(self.error(format!("unknown filter {name:?}")));
        }
        Ok(Filter { name, arguments })
    }

    fn test(&mut self) -> Parsed<Post> {
        let negated = self.skip_name("not");
        let name = match self.next() {
            Token::Name(name) => name,
            Token::Symbol(symbol) => symbol.to_owned(),
            _ => {
                self.at -= 1;
                return Err(self.unexpected("a test"));
            }
        };
        if !super::predicates::exists(&name) {
            return Err(self.error(format!("unknown test {name:?}")));
        }
        let mut arguments = Arguments::default();
        if self.is_symbol("(") {
            arguments = self.arguments()?;
        } else {
            let takes = match self.peek() {
                Token::Name(name) => {
                    !matches!(name.as_str(), "else" | "or" | "and" | "is" | "if" | "not" | "in" | "recursive")
                }
                Token::Text(_) | Token::Int(_) | Token::Float(_) => true,
                Token::Symbol(symbol) => matches!(*symbol, "[" | "{"),
                _ => false,
            };
            if takes {
                let value = self.primary()?;
                let mut posts = Vec::new();
                while let Some(post) = self.postfix()? {
                    posts.push(post);
                }
                let value = if posts.is_empty() { value } else { Expr::Postfix(Box::new(value), posts) };
                arguments.positional.push(value);
            }
        }
        Ok(Post::Test { name, arguments, negated })
    }

    fn arguments(&mut self) -> Parsed<Arguments> {
        self.symbol("(")?;
        let mut arguments = Arguments::default();
        let mut first = true;
        while !self.skip_symbol(")") {
            if !first {
                self.symbol(",")?;
                if self.skip_symbol(")") {
                    break;
                }
            }
            first = false;
            if self.is_symbol("*") || self.is_symbol("**") {
                return Err(self.error("arguments out of a list or dictionary (* and **) are not read"));
            }
            let named = match (self.peek(), self.ahead(1)) {
                (Token::Name(name), Token::Symbol("=")) => Some(name.clone()),
                _ => None,
            };
            if let Some(name) = named {
                self.at += 2;
                arguments.named.push((name, self.expression()?));
            } else {
                arguments.positional.push(self.expression()?);
            }
        }
        Ok(arguments)
    }
}

/// The only item, or a node of several.
fn single(mut items: Vec<Expr>, several: fn(Vec<Expr>) -> Expr) -> Expr {
    match items.pop() {
        Some(only) if items.is_empty() => only,
        Some(last) => {
            items.push(last);
            several(items)
        }
        None => several(items),
    }
}
