//! The names of columns that were given none.
//!
//! `SELECT t.a, sum(b), 1 + 2` has the columns `a`, `sum(b)` and `1 + 2`.
//!
//! Invariants: a name is one line of at most [`MAX_LEN`] characters.
//!
//! Does not: make names unique.

use gobi_grammar::Dialect;
use gobi_grammar::ast::{self, ExprKind as K};

/// Longer texts are cut.
const MAX_LEN: usize = 64;
/// Expressions with more operands are not printed.
const MAX_OPERANDS: usize = 16;

/// The name that a column without an alias has.
pub(in crate::plan) fn column_name(expr: &ast::Expr, dialect: Dialect) -> String {
    match &expr.kind {
        K::Name(parts) => parts.last().map_or_else(String::new, |name| name.text.clone()),
        K::Braced(name) => name.text.clone(),
        K::Cast { expr, .. } => column_name(expr, dialect),
        K::Extract { field, .. } => field.text.to_lowercase(),
        K::Literal(ast::Literal::String(text)) => text.clone(),
        K::Case { .. } => "case".into(),
        K::Exists(_) => "exists".into(),
        K::Subquery(_) => "subquery".into(),
        K::Call(call) => call_name(call, dialect),
        _ => text(expr, dialect),
    }
}

/// `sum(l_tax)`; `@Sum(x)` is `sum(x)`.
pub(super) fn call_name(call: &ast::Call, dialect: Dialect) -> String {
    let mut plain = call.clone();
    plain.name.text = call.name.text.trim_start_matches('@').to_lowercase();
    // What a module holds is called `m.f` without quotes.
    let whole_name = plain
        .name
        .text
        .contains('.')
        .then(|| std::mem::replace(&mut plain.name.text, "f".to_owned()));
    let whole = ast::Expr {
        kind: K::Call(plain),
        span: call.name.span,
    };
    let shown = text(&whole, dialect);
    match (whole_name, shown.split_once('(')) {
        (Some(name), Some((_, args))) => format!("{name}({args}"),
        _ => shown,
    }
}

/// The expression as it would be written, on one line.
fn text(expr: &ast::Expr, dialect: Dialect) -> String {
    if operands(expr) > MAX_OPERANDS {
        return "expr".into();
    }
    let item = ast::SelectItem::Expr {
        expr: expr.clone(),
        alias: None,
    };
    let query = ast::Select::of(vec![item], Vec::new(), expr.span).query();
    let statement = ast::Statement {
        kind: ast::StatementKind::Query(query),
        span: expr.span,
    };
    let printed = gobi_grammar::print(&[statement], dialect);
    let words: Vec<&str> = printed.split_whitespace().collect();
    let line = words.join(" ");
    let line = line.trim_end_matches(';');
    let line = line
        .get(..7)
        .filter(|start| start.eq_ignore_ascii_case("select "))
        .map_or(line, |start| &line[start.len()..]);
    match line.char_indices().nth(MAX_LEN) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line.to_string(),
    }
}

/// Operands of the outermost lists; what is nested deeper is as short as its text allows.
fn operands(expr: &ast::Expr) -> usize {
    match &expr.kind {
        K::Chain { first, rest } => {
            operands(first)
                + rest
                    .iter()
                    .take(MAX_OPERANDS + 1)
                    .map(|(.., e)| operands(e))
                    .sum::<usize>()
        }
        K::And(items) | K::Or(items) | K::Coalesce(items) | K::InList { list: items, .. } => {
            items.iter().take(MAX_OPERANDS + 1).map(operands).sum()
        }
        K::Call(call) => 1 + call.args.iter().map(operands).sum::<usize>(),
        K::Neg(inner) | K::Not(inner) => operands(inner),
        K::InQuery { .. } | K::Subquery(_) | K::Exists(_) => MAX_OPERANDS + 1,
        _ => 1,
    }
}
