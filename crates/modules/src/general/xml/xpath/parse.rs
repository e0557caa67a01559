//! From the text of an expression to its parts.

use super::{Axis, Expression, Step, Test};

/// How deep expressions may be nested.
const DEEPEST: usize = 64;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Text(String),
    Number(f64),
    Sign(&'static str),
}

const SIGNS: [&str; 22] = [
    "//", "::", "..", "!=", "<=", ">=", "/", "@", "[", "]", "(", ")", ",", "=", "<", ">", "|", "*",
    ".", "+", "-", "$",
];

fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' || first == '\'' {
            let inner = &rest[1..];
            let end = inner.find(first).ok_or("a text is not ended")?;
            tokens.push(Token::Text(inner[..end].to_owned()));
            end + 2
        } else if first.is_ascii_digit() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
            let number =
                rest[..end].parse().map_err(|_| format!("`{}` is no number", &rest[..end]))?;
            tokens.push(Token::Number(number));
            end
        } else if first.is_alphabetic() || first == '_' {
            let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
            let mut end = rest.find(|c: char| !is_inner(c)).unwrap_or(rest.len());
            // A prefix belongs to its name, an axis does not.
            if let Some(after) = rest[end..].strip_prefix(':')
                && !after.starts_with(':')
            {
                let more = if after.starts_with('*') {
                    1
                } else {
                    after.find(|c: char| !is_inner(c)).unwrap_or(after.len())
                };
                end += 1 + more;
            }
            tokens.push(Token::Name(rest[..end].to_owned()));
            end
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            let sign = sign.ok_or_else(|| format!("`{first}` is not expected"))?;
            tokens.push(Token::Sign(sign));
            sign.len()
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Reads a whole expression.
pub(super) fn expression(source: &str) -> Result<Expression, String> {
    let mut parser = Parser { tokens: tokens(source)?, at: 0, depth: 0 };
    let expression = parser.any()?;
    match parser.tokens.get(parser.at) {
        None => Ok(expression),
        Some(token) => Err(format!("{} is not expected", shown(Some(token)))),
    }
}

fn shown(token: Option<&Token>) -> String {
    match token {
        None => "the end".to_owned(),
        Some(Token::Name(name)) => format!("`{name}`"),
        Some(Token::Text(text)) => format!("'{text}'"),
        Some(Token::Number(number)) => number.to_string(),
        Some(Token::Sign(sign)) => format!("`{sign}`"),
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Operators that bind the same, weakest first.
const LEVELS: [&[&str]; 5] =
    [&["or"], &["and"], &["=", "!="], &["<", "<=", ">", ">="], &["+", "-"]];

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn eats(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect(&mut self, sign: &str) -> Result<(), String> {
        if self.eats(sign) {
            return Ok(());
        }
        Err(format!("`{sign}` is expected, not {}", shown(self.peek())))
    }

    fn any(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is nested too deep".to_owned());
        }
        let expression = self.level(0);
        self.depth -= 1;
        expression
    }

    fn level(&mut self, level: usize) -> Result<Expression, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        loop {
            let found = operators.iter().find(|operator| match self.peek() {
                Some(Token::Sign(sign)) => sign == *operator,
                Some(Token::Name(name)) => name == *operator,
                _ => false,
            });
            let Some(operator) = found else { return Ok(left) };
            self.at += 1;
            let right = self.level(level + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
    }

    fn unary(&mut self) -> Result<Expression, String> {
        if self.eats("-") {
            return Ok(Expression::Negative(Box::new(self.unary()?)));
        }
        let next = self.tokens.get(self.at + 1).cloned();
        match self.peek().cloned() {
            Some(Token::Text(text)) => {
                self.at += 1;
                Ok(Expression::Text(text))
            }
            Some(Token::Number(number)) => {
                self.at += 1;
                Ok(Expression::Number(number))
            }
            Some(Token::Sign("(")) => {
                self.at += 1;
                let inner = self.any()?;
                self.expect(")")?;
                Ok(inner)
            }
            Some(Token::Name(name))
                if next == Some(Token::Sign("("))
                    && !["text", "node", "comment"].contains(&&*name) =>
            {
                self.at += 2;
                let mut arguments = Vec::new();
                if !self.eats(")") {
                    arguments.push(self.any()?);
                    while self.eats(",") {
                        arguments.push(self.any()?);
                    }
                    self.expect(")")?;
                }
                Ok(Expression::Call(name, arguments))
            }
            _ => self.path(),
        }
    }

    fn path(&mut self) -> Result<Expression, String> {
        let everything =
            || Step { axis: Axis::DescendantOrOwn, test: Test::Any, conditions: Vec::new() };
        let mut steps = Vec::new();
        let is_absolute = if self.eats("//") {
            steps.push(everything());
            true
        } else if self.eats("/") {
            let begins = matches!(self.peek(), Some(Token::Name(_)))
                || matches!(self.peek(), Some(Token::Sign("*" | "@" | "." | "..")));
            if !begins {
                return Ok(Expression::Steps { is_absolute: true, steps });
            }
            true
        } else {
            false
        };
        loop {
            steps.push(self.step()?);
            if self.eats("//") {
                steps.push(everything());
            } else if !self.eats("/") {
                return Ok(Expression::Steps { is_absolute, steps });
            }
        }
    }

    fn step(&mut self) -> Result<Step, String> {
        let mut step = if self.eats("..") {
            Step { axis: Axis::Parent, test: Test::Any, conditions: Vec::new() }
        } else if self.eats(".") {
            Step { axis: Axis::Own, test: Test::Any, conditions: Vec::new() }
        } else {
            let axis = self.axis()?;
            Step { axis, test: self.test()?, conditions: Vec::new() }
        };
        while self.eats("[") {
            step.conditions.push(self.any()?);
            self.expect("]")?;
        }
        Ok(step)
    }

    fn axis(&mut self) -> Result<Axis, String> {
        if self.eats("@") {
            return Ok(Axis::Attribute);
        }
        let (Some(Token::Name(name)), Some(Token::Sign("::"))) =
            (self.peek().cloned(), self.tokens.get(self.at + 1))
        else {
            return Ok(Axis::Child);
        };
        self.at += 2;
        Ok(match name.as_str() {
            "child" => Axis::Child,
            "attribute" => Axis::Attribute,
            "self" => Axis::Own,
            "parent" => Axis::Parent,
            "descendant" => Axis::Descendant,
            "descendant-or-self" => Axis::DescendantOrOwn,
            "ancestor" => Axis::Ancestor,
            "ancestor-or-self" => Axis::AncestorOrOwn,
            "following-sibling" => Axis::Following,
            "preceding-sibling" => Axis::Preceding,
            other => return Err(format!("the axis `{other}` is not known")),
        })
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.eats("*") {
            return Ok(Test::Name { prefix: None, name: "*".to_owned() });
        }
        let Some(Token::Name(name)) = self.peek().cloned() else {
            return Err(format!("a name is expected, not {}", shown(self.peek())));
        };
        self.at += 1;
        if self.eats("(") {
            self.expect(")")?;
            return match name.as_str() {
                "text" => Ok(Test::Text),
                "comment" => Ok(Test::Comment),
                "node" => Ok(Test::Any),
                other => Err(format!("`{other}()` is no kind of node")),
            };
        }
        Ok(match name.split_once(':') {
            Some((prefix, name)) => {
                Test::Name { prefix: Some(prefix.to_owned()), name: name.to_owned() }
            }
            None => Test::Name { prefix: None, name },
        })
    }
}
