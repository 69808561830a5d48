//! A table's own expressions: kept as text in its definition, read again when rows are written.
//!
//! `DEFAULT 1 + 1` is kept as the text `1 + 1` with its dialect, and read as the expression of `SELECT 1 + 1`.
//!
//! Invariants: what was written reads back as the same expression.
//!
//! Does not: bind.

use std::sync::OnceLock;

use gobi_grammar::ast::{Expr, InsertSource, QueryBody, SelectItem, Span, Statement, StatementKind, Target};
use gobi_grammar::{Diagnostic, Dialect};

use super::super::{Error, define};
use crate::catalog::{Source, TableDef};
use crate::plan::change::{Change, Proposed, Rule, Shape, ShapeColumn};
use crate::types::Field;

/// What a table asks of its rows; `span` is the statement that writes them.
pub fn shape(def: &TableDef, span: Span) -> Result<Shape, Error> {
    let mut columns = Vec::with_capacity(def.columns.len());
    for column in &def.columns {
        let rule = |source: &Option<Source>| {
            source
                .as_ref()
                .map(|source| rule(&column.name, source, span))
                .transpose()
        };
        columns.push(ShapeColumn {
            field: Field {
                name: column.name.clone(),
                ty: column.ty.clone(),
                nullable: !column.not_null,
            },
            default: rule(&column.default)?,
            generated: rule(&column.generated)?,
        });
    }
    let checks = def.checks.iter().map(|check| rule(&check.name, &check.condition, span));
    Ok(Shape {
        name: def.name.clone(),
        columns,
        checks: checks.collect::<Result<_, _>>()?,
        unchecked: OnceLock::new(),
    })
}

/// A kept expression, read again.
pub fn rule(name: &str, source: &Source, span: Span) -> Result<Rule, Error> {
    let dialect = dialect_of(source);
    let parsed = gobi_grammar::parse(&format!("SELECT {}", source.text), dialect);
    let expr = parsed.statements.into_iter().next().and_then(expression);
    let expr = expr.filter(|_| parsed.diagnostics.is_empty()).ok_or_else(|| {
        let message = format!("the expression `{}` of `{name}` cannot be read", source.text);
        Error::new(Diagnostic::new("XX001", span, message))
    })?;
    Ok(Rule {
        name: name.to_string(),
        expr,
        dialect,
    })
}

/// The expression of `SELECT expression`.
pub fn expression(statement: Statement) -> Option<Expr> {
    let StatementKind::Query(query) = statement.kind else {
        return None;
    };
    let QueryBody::Select(select) = query.body else {
        return None;
    };
    match select.items.into_iter().next()? {
        SelectItem::Expr { expr, .. } => Some(expr),
        SelectItem::Star { .. } => None,
    }
}

fn dialect_of(source: &Source) -> Dialect {
    match source.dialect.as_str() {
        "ansi" => Dialect::Ansi,
        _ => Dialect::Grizzly,
    }
}

/// An expression as it is kept.
pub fn source_of(expr: &Expr, dialect: Dialect) -> Source {
    let item = SelectItem::Expr {
        expr: expr.clone(),
        alias: None,
    };
    let query = define::select(vec![item], Vec::new(), None);
    let statement = Statement {
        kind: StatementKind::Query(query),
        span: expr.span,
    };
    let text = gobi_grammar::print(&[statement], dialect);
    let text = text.trim().trim_start_matches("SELECT").trim_end_matches(';').trim();
    Source {
        text: text.to_string(),
        dialect: match dialect {
            Dialect::Ansi => "ansi",
            Dialect::Grizzly => "grizzly",
        }
        .into(),
    }
}

/// Binds all expressions of a table, as inserting a row of defaults would.
pub fn check(
    shape: &Shape,
    span: Span,
    bind: impl FnOnce(&Change<'_>) -> Result<(), Vec<Diagnostic>>,
) -> Result<(), Error> {
    let target = Target {
        table: Vec::new(),
        alias: None,
        span,
    };
    let rows = Proposed {
        places: &[],
        rows: &InsertSource::DefaultValues,
        loose: false,
    };
    bind(&Change::adding(shape, &target, rows, span)).map_err(Error::all)
}
