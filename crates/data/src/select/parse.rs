//! The text of a selection, parsed.

use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};
use crate::split::Part;

/// A parsed selection.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    pub(super) text: String,
    pub(super) expression: Expression,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    All,
    Rows(Vec<Range<u64>>),
    Part { part: Part, rows: Option<Vec<Range<u64>>>, position: usize },
    Compare { column: Name, comparison: Comparison, value: Literal },
    In { column: Name, values: Vec<Literal> },
    Missing(Name),
    Not(Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    pub(super) name: String,
    pub(super) position: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Number(f64, usize),
    Text(String, usize),
    Bool(bool, usize),
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(f64, String),
    Text(String),
    Word(String),
    Quoted(String),
    Symbol(&'static str),
    End,
}

const SYMBOLS: [&str; 18] =
    ["..=", "..", "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "(", ")", "[", "]", ",", "=", "&"];

/// Brackets and `!` inside each other; more would be no use to anyone.
const MAX_DEPTH: usize = 64;
/// Characters of a selection.
const MAX_LENGTH: usize = 1 << 20;

impl Selection {
    /// Parses a selection; an error points at the character.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() > MAX_LENGTH {
            return Err(ErrorKind::InvalidOption(format!("a selection of {} bytes", text.len())).into());
        }
        let mut parser = Parser { text, tokens: tokens(text)?, next: 0, depth: 0 };
        let expression = parser.or()?;
        match parser.peek() {
            Token::End => Ok(Self { text: text.to_owned(), expression }),
            Token::Symbol("=") => Err(parser.wrong("equality is written ==")),
            Token::Symbol("&") => Err(parser.wrong("\"and\" is written &&")),
            Token::Word(_) => Err(parser.wrong("expected &&, || or the end here")),
            _ => Err(parser.wrong("this does not belong here")),
        }
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The columns that conditions look at, each once.
    pub fn columns(&self) -> Vec<String> {
        fn collect(expression: &Expression, names: &mut Vec<String>) {
            match expression {
                Expression::All | Expression::Rows(_) | Expression::Part { .. } => {}
                Expression::Compare { column, .. }
                | Expression::In { column, .. }
                | Expression::Missing(column) => {
                    if !names.contains(&column.name) {
                        names.push(column.name.clone());
                    }
                }
                Expression::Not(inner) => collect(inner, names),
                Expression::And(a, b) | Expression::Or(a, b) => {
                    collect(a, names);
                    collect(b, names);
                }
            }
        }
        let mut names = Vec::new();
        collect(&self.expression, &mut names);
        names
    }
}

pub(super) fn error(text: &str, position: usize, message: impl Into<String>) -> Error {
    ErrorKind::Selection { expression: text.to_owned(), position, message: message.into() }.into()
}

/// The tokens, each with the character where it starts.
fn tokens(text: &str) -> Result<Vec<(Token, usize)>> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut i = 0;
    'next: while i < chars.len() {
        let start = i;
        let c = chars[i];
        if c.is_whitespace() {
            i += 1;
            continue;
        }
        if matches!(c, '"' | '\'' | '`') {
            let mut content = String::new();
            i += 1;
            loop {
                match chars.get(i) {
                    None => return Err(error(text, start, "this quotation mark is not closed")),
                    Some('\\') if c != '`' && i + 1 < chars.len() => {
                        content.push(chars[i + 1]);
                        i += 2;
                    }
                    Some(&end) if end == c => break,
                    Some(&other) => {
                        content.push(other);
                        i += 1;
                    }
                }
            }
            i += 1;
            tokens.push((if c == '`' { Token::Quoted(content) } else { Token::Text(content) }, start));
            continue;
        }
        let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
        if digit(i)
            || (matches!(c, '-' | '+' | '.')
                && (digit(i + 1) || (chars.get(i + 1) == Some(&'.') && digit(i + 2)) && c != '.'))
        {
            i += 1;
            while i < chars.len() {
                let range = chars[i] == '.' && chars.get(i + 1) == Some(&'.');
                let exponent = matches!(chars[i], '-' | '+') && matches!(chars[i - 1], 'e' | 'E');
                if range || !(chars[i].is_alphanumeric() || chars[i] == '.' || exponent) {
                    break;
                }
                i += 1;
            }
            let content: String = chars[start..i].iter().collect();
            match content.parse::<f64>() {
                Ok(value) if value.is_finite() => tokens.push((Token::Number(value, content), start)),
                _ => return Err(error(text, start, format!("{content:?} is no number"))),
            }
            continue;
        }
        if c.is_alphabetic() || c == '_' {
            while i < chars.len() && (chars[i].is_alphanumeric() || chars[i] == '_') {
                i += 1;
            }
            tokens.push((Token::Word(chars[start..i].iter().collect()), start));
            continue;
        }
        for symbol in SYMBOLS {
            if symbol.chars().enumerate().all(|(k, s)| chars.get(i + k) == Some(&s)) {
                i += symbol.len();
                tokens.push((Token::Symbol(symbol), start));
                continue 'next;
            }
        }
        return Err(error(text, start, format!("{c:?} does not belong here")));
    }
    tokens.push((Token::End, chars.len()));
    Ok(tokens)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, usize)>,
    next: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> &Token {
        // The last token is the end, and nothing goes beyond it.
        &self.tokens[self.next.min(self.tokens.len() - 1)].0
    }

    fn position(&self) -> usize {
        self.tokens[self.next.min(self.tokens.len() - 1)].1
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found =
            *self.peek() == Token::Symbol(SYMBOLS.iter().find(|s| **s == symbol).copied().unwrap_or(""));
        self.next += usize::from(found);
        found
    }

    fn wrong(&self, message: impl Into<String>) -> Error {
        error(self.text, self.position(), message)
    }

    fn or(&mut self) -> Result<Expression> {
        let mut left = self.and()?;
        while self.accept("||") {
            left = Expression::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expression> {
        let mut left = self.not()?;
        while self.accept("&&") {
            left = Expression::And(Box::new(left), Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expression> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("too many brackets inside each other"));
        }
        let expression = if self.accept("!") {
            Expression::Not(Box::new(self.not()?))
        } else if self.accept("(") {
            let inner = self.or()?;
            if !self.accept(")") {
                return Err(self.wrong("expected a closing bracket here"));
            }
            inner
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn primary(&mut self) -> Result<Expression> {
        let position = self.position();
        match self.peek().clone() {
            Token::Number(..) => Ok(Expression::Rows(self.ranges()?)),
            Token::Word(word) => {
                self.next += 1;
                let compared =
                    matches!(self.peek(), Token::Symbol("==" | "!=" | "<" | "<=" | ">" | ">=" | "="))
                        || matches!(self.peek(), Token::Word(w) if w == "in" || w == "is");
                if compared {
                    return self.condition(Name { name: word, position });
                }
                if word == "all" {
                    return Ok(Expression::All);
                }
                let Some(part) = Part::from_name(&word) else {
                    let message = format!(
                        "{word:?} is no part of the split (train, validation, test, all); a condition is written \
                         like {word} > 30 or {word} == \"text\""
                    );
                    return Err(error(self.text, position, message));
                };
                let rows = if self.accept("[") {
                    let rows = self.ranges()?;
                    if !self.accept("]") {
                        return Err(self.wrong("expected ] here"));
                    }
                    Some(rows)
                } else {
                    None
                };
                Ok(Expression::Part { part, rows, position })
            }
            Token::Quoted(name) => {
                self.next += 1;
                self.condition(Name { name, position })
            }
            Token::Text(_) => {
                Err(self.wrong("a column's name is written without quotation marks, or in `backticks`"))
            }
            Token::End => Err(self.wrong("expected rows, a part of the split or a condition here")),
            Token::Symbol(_) => Err(self.wrong("expected rows, a part of the split or a condition here")),
        }
    }

    fn condition(&mut self, column: Name) -> Result<Expression> {
        let comparison = match self.take() {
            Token::Symbol("==") => Comparison::Equal,
            Token::Symbol("!=") => Comparison::NotEqual,
            Token::Symbol("<") => Comparison::Less,
            Token::Symbol("<=") => Comparison::LessOrEqual,
            Token::Symbol(">") => Comparison::Greater,
            Token::Symbol(">=") => Comparison::GreaterOrEqual,
            Token::Word(word) if word == "in" => {
                if !self.accept("[") {
                    return Err(self.wrong("expected a list like [\"a\", \"b\"] here"));
                }
                let mut values = vec![self.literal()?];
                while self.accept(",") {
                    values.push(self.literal()?);
                }
                if !self.accept("]") {
                    return Err(self.wrong("expected , or ] here"));
                }
                return Ok(Expression::In { column, values });
            }
            Token::Word(word) if word == "is" => {
                return match self.take() {
                    Token::Word(word) if word == "missing" => Ok(Expression::Missing(column)),
                    _ => {
                        self.next -= 1;
                        Err(self.wrong("expected \"missing\" here"))
                    }
                };
            }
            Token::Symbol("=") => {
                self.next -= 1;
                return Err(self.wrong("equality is written =="));
            }
            _ => {
                self.next -= 1;
                return Err(self.wrong("expected a comparison here"));
            }
        };
        Ok(Expression::Compare { column, comparison, value: self.literal()? })
    }

    fn literal(&mut self) -> Result<Literal> {
        let position = self.position();
        match self.take() {
            Token::Number(value, _) => Ok(Literal::Number(value, position)),
            Token::Text(text) => Ok(Literal::Text(text, position)),
            Token::Word(word) if word == "true" || word == "false" => {
                Ok(Literal::Bool(word == "true", position))
            }
            Token::Word(word) => Err(error(self.text, position, format!("text is written \"{word}\""))),
            _ => Err(error(self.text, position, "expected a number, true, false or a \"text\" here")),
        }
    }

    /// `0, 5, 10..20, 30..=40`
    fn ranges(&mut self) -> Result<Vec<Range<u64>>> {
        let mut ranges = Vec::new();
        loop {
            let position = self.position();
            let start = self.index()?;
            let end = if self.accept("..=") {
                self.index()?.saturating_add(1)
            } else if self.accept("..") {
                self.index()?
            } else {
                start.saturating_add(1)
            };
            if end <= start {
                return Err(error(self.text, position, "a range without rows"));
            }
            ranges.push(start..end);
            if !self.accept(",") {
                return Ok(ranges);
            }
        }
    }

    fn index(&mut self) -> Result<u64> {
        let position = self.position();
        match self.take() {
            Token::Number(_, text) => text.parse().map_err(|_| {
                error(self.text, position, format!("{text} is no row: rows are counted 0, 1, 2, …"))
            }),
            _ => Err(error(self.text, position, "expected the number of a row here")),
        }
    }
}
