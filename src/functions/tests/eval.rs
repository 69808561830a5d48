//! Evaluates calls with literal arguments, as examples and cases are written.
//!
//! `show("left('gobi', 2)")` is `go`; a failing call is shown as `22003 message`.
//!
//! Does not: know operators; the engine's own parser is not for this room.

use crate::functions::{Env, FunctionError, ResolveFailure, common_type, evaluate, resolve};
use crate::types::cast::{CastError, cast, parse_decimal};
use crate::types::{LogicalType, Value};

/// The value as a user sees it, or the error's code and message.
pub(super) fn show(text: &str) -> String {
    match eval(text) {
        Ok((value, ty)) => value.display(&ty),
        Err(error) => format!("{} {}", error.code, error.message),
    }
}

/// The value and its type.
pub(super) fn eval(text: &str) -> Result<(Value, LogicalType), FunctionError> {
    let mut parser = Parser { rest: text };
    let result = parser.expr()?;
    assert_eq!(parser.rest.trim(), "", "in {text}");
    Ok(result)
}

struct Parser<'a> {
    rest: &'a str,
}

type Typed = Result<(Value, LogicalType), FunctionError>;

impl<'a> Parser<'a> {
    fn expr(&mut self) -> Typed {
        self.rest = self.rest.trim_start();
        if self.rest.starts_with('\'') {
            return Ok((Value::String(self.quoted().into()), LogicalType::String));
        }
        if let Some(inside) = self.rest.strip_prefix('[') {
            self.rest = inside;
            return self.array();
        }
        let (word, rest) = self
            .rest
            .split_at(self.rest.find([',', '(', ')', ']', ' ']).unwrap_or(self.rest.len()));
        self.rest = rest;
        if word.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)) {
            return Ok(number(word));
        }
        let of_type = |parser: &mut Self, ty: LogicalType| {
            parser.rest = parser.rest.trim_start();
            Ok((
                cast(&Value::String(parser.quoted().into()), &LogicalType::String, &ty)?,
                ty,
            ))
        };
        match word {
            "NULL" => Ok((Value::Null, LogicalType::Null)),
            "true" | "false" => Ok((Value::Boolean(word == "true"), LogicalType::Boolean)),
            "DATE" => of_type(self, LogicalType::Date),
            "TIME" => of_type(self, LogicalType::Time),
            "TIMESTAMP" => of_type(self, LogicalType::Timestamp),
            "INTERVAL" => of_type(self, LogicalType::Interval),
            "TINYINT" => of_type(self, LogicalType::TinyInt),
            "INTEGER" => of_type(self, LogicalType::Integer),
            "UTINYINT" => of_type(self, LogicalType::UTinyInt),
            "HUGEINT" => of_type(self, LogicalType::HugeInt),
            "DOUBLE" => of_type(self, LogicalType::Double),
            "REAL" => of_type(self, LogicalType::Real),
            name => self.call(name),
        }
    }

    fn quoted(&mut self) -> String {
        let mut text = String::new();
        let body = self.rest.strip_prefix('\'').expect("a quoted text");
        let mut chars = body.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c != '\'' {
                text.push(c);
            } else if chars.next_if(|(_, next)| *next == '\'').is_some() {
                text.push('\'');
            } else {
                self.rest = &body[at + 1..];
                return text;
            }
        }
        panic!("no closing quote in {}", self.rest);
    }

    /// The elements, in the type that they have in common.
    fn array(&mut self) -> Typed {
        let mut items = Vec::new();
        while !self.rest.trim_start().starts_with(']') {
            items.push(self.expr()?);
            self.rest = self.rest.trim_start().trim_start_matches(',');
        }
        self.rest = &self.rest.trim_start()[1..];
        let types = items.iter().map(|(_, ty)| ty.clone());
        let item = types
            .reduce(|a, b| common_type(&a, &b).expect("elements of one type"))
            .unwrap_or(LogicalType::Null);
        let values: Result<Vec<_>, CastError> = items.iter().map(|(value, ty)| cast(value, ty, &item)).collect();
        Ok((Value::Array(values?), LogicalType::Array(Box::new(item))))
    }

    fn call(&mut self, name: &str) -> Typed {
        self.rest = self.rest.strip_prefix('(').expect("a call");
        let mut args = Vec::new();
        while !self.rest.trim_start().starts_with(')') {
            args.push(self.expr()?);
            self.rest = self.rest.trim_start().trim_start_matches(',');
        }
        self.rest = &self.rest.trim_start()[1..];
        let (values, types): (Vec<_>, Vec<_>) = args.into_iter().unzip();
        let resolved = resolve(name, &types).map_err(|failure| match failure {
            ResolveFailure::UnknownName { nearest } => {
                error("42883", format!("{name} is unknown, {nearest:?} is near"))
            }
            ResolveFailure::NoOverload { candidates } => error("42883", candidates.join("; ")),
        })?;
        let converted = values.iter().zip(&types).zip(&resolved.arg_types);
        let converted: Result<Vec<_>, CastError> = converted.map(|((value, from), to)| cast(value, from, to)).collect();
        // 2026-01-31 12:00:00.
        let env = Env::new(1_769_860_800_000_000, 7);
        Ok((evaluate(&resolved, &converted?, &env)?, resolved.result))
    }
}

fn number(word: &str) -> (Value, LogicalType) {
    if word.contains('e') {
        return (Value::Float(word.parse().expect("a double")), LogicalType::Double);
    }
    let (value, precision, scale) = parse_decimal(word).expect("a number");
    match word.contains('.') {
        true => (Value::Int(value), LogicalType::Decimal { precision, scale }),
        false => (Value::Int(value), LogicalType::BigInt),
    }
}

fn error(code: &'static str, message: String) -> FunctionError {
    FunctionError { code, message }
}
