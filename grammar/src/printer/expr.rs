//! Expressions in canonical form.
//!
//! A sum inside a product gets parentheses: `(a + b) * c`; `x :: int` is written `CAST(x AS int)`.
//!
//! Invariants: parentheses are written exactly where precedence asks for them.
//!
//! Does not: break lines.

use super::Printer;
use crate::ast::{ChainOp, CompareOp, Expr, ExprKind, Ident, IsTest, Literal, Span, TypeName};
use crate::keywords::is_keyword;

/// Levels of precedence, loosest first, as in the language's table of operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Lambda,
    Pipe,
    Coalesce,
    Or,
    And,
    Not,
    Comparison,
    Additive,
    Multiplicative,
    Access,
    Unary,
    Primary,
    /// In parentheses, whatever it is.
    Parenthesised,
}

impl Printer {
    /// An expression where any will do.
    pub(super) fn expr(&mut self, expr: &Expr) {
        self.at(expr, Level::Lambda);
    }

    /// An expression that binds at least as tightly as `level`.
    pub(super) fn at(&mut self, expr: &Expr, level: Level) {
        if self.level(&expr.kind) < level {
            self.word("(");
            self.kind(&expr.kind);
            self.word(")");
        } else {
            self.kind(&expr.kind);
        }
    }

    fn level(&self, kind: &ExprKind) -> Level {
        match kind {
            ExprKind::Lambda(_) => Level::Lambda,
            ExprKind::Pipe { .. } => Level::Pipe,
            ExprKind::Coalesce(_) => Level::Coalesce,
            ExprKind::Or(_) => Level::Or,
            ExprKind::And(_) => Level::And,
            ExprKind::Not(_) => Level::Not,
            ExprKind::Compare { .. }
            | ExprKind::Between { .. }
            | ExprKind::InList { .. }
            | ExprKind::InQuery { .. } => Level::Comparison,
            ExprKind::Like { .. } | ExprKind::Is { .. } | ExprKind::IsDistinct { .. } => Level::Comparison,
            ExprKind::Chain { rest, .. } => match rest.first() {
                Some((ChainOp::Add | ChainOp::Sub | ChainOp::Concat, _, _)) => Level::Additive,
                _ => Level::Multiplicative,
            },
            // It goes on as far as it can, so that nothing but `??` may stand behind it.
            ExprKind::Try(_) => Level::Or,
            ExprKind::Access { .. } => Level::Access,
            ExprKind::Neg(_) | ExprKind::Spawn(_) | ExprKind::Await(_) => Level::Unary,
            _ => Level::Primary,
        }
    }

    pub(super) fn braced(&mut self, name: &Ident) {
        self.word("{");
        self.ident(name);
        self.word("}");
    }

    fn kind(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Name(path) => self.path(path),
            ExprKind::Braced(name) => self.braced(name),
            ExprKind::Parameter(name) => self.word(&format!("${name}")),
            ExprKind::Chain { .. } | ExprKind::And(_) | ExprKind::Or(_) | ExprKind::Coalesce(_) => self.operators(kind),
            ExprKind::Not(inner) => {
                self.word("NOT ");
                self.at(inner, Level::Not);
            }
            ExprKind::Spawn(inner) => {
                self.word("spawn ");
                self.at(inner, Level::Unary);
            }
            ExprKind::Await(inner) => {
                self.word("await ");
                self.at(inner, Level::Unary);
            }
            ExprKind::Neg(inner) => {
                // A space, as two minus signs would begin a comment.
                self.word(if matches!(inner.kind, ExprKind::Neg(_)) {
                    "- "
                } else {
                    "-"
                });
                self.at(inner, Level::Unary);
            }
            ExprKind::Case {
                operand,
                arms,
                otherwise,
            } => self.case(operand.as_deref(), arms, otherwise.as_deref()),
            ExprKind::Cast { expr, ty, try_ } => {
                self.word(if *try_ { "TRY_CAST(" } else { "CAST(" });
                self.expr(expr);
                self.word(" AS ");
                self.type_name(ty);
                self.word(")");
            }
            ExprKind::Match(_) | ExprKind::Try(_) | ExprKind::Lambda(_) | ExprKind::Pipe { .. } => {
                self.block_expr(kind)
            }
            ExprKind::Named { name, value } => {
                self.ident(name);
                self.word(": ");
                self.expr(value);
            }
            ExprKind::Call(_)
            | ExprKind::Ordered { .. }
            | ExprKind::Window { .. }
            | ExprKind::Extract { .. }
            | ExprKind::Exists(_)
            | ExprKind::Subquery(_) => self.call_like(kind),
            ExprKind::Array(_) | ExprKind::Struct(_) | ExprKind::Map(_) | ExprKind::Instance { .. } => {
                self.collection(kind);
            }
            ExprKind::Field { .. } | ExprKind::Index { .. } | ExprKind::Slice { .. } | ExprKind::Access { .. } => {
                self.postfix(kind);
            }
            ExprKind::Unsupported { feature } => self.unsupported(feature),
            _ => self.comparison(kind),
        }
    }

    fn operators(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Chain { first, rest } => {
                // Operands are one level tighter than the chain, so that nested chains keep their parentheses.
                let tighter = if self.level(kind) == Level::Additive {
                    Level::Multiplicative
                } else {
                    Level::Access
                };
                self.at(first, tighter);
                for (op, _, operand) in rest {
                    self.word(chain_op(*op));
                    self.at(operand, tighter);
                }
            }
            ExprKind::And(operands) => self.joined(operands, " AND ", Level::Not),
            ExprKind::Or(operands) => self.joined(operands, " OR ", Level::And),
            ExprKind::Coalesce(operands) => self.joined(operands, " ?? ", Level::Or),
            _ => {}
        }
    }

    fn joined(&mut self, operands: &[Expr], joiner: &str, level: Level) {
        for (at, operand) in operands.iter().enumerate() {
            if at > 0 {
                self.word(joiner);
            }
            self.at(operand, level);
        }
    }

    fn comparison(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Compare { op, left, right } => {
                self.at(left, Level::Additive);
                self.word(compare_op(*op));
                self.at(right, Level::Additive);
            }
            ExprKind::Between {
                expr,
                negated,
                low,
                high,
            } => {
                self.at(expr, Level::Additive);
                self.word(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.at(low, Level::Additive);
                self.word(" AND ");
                self.at(high, Level::Additive);
            }
            ExprKind::InList { expr, negated, list } => {
                self.at(expr, Level::Additive);
                self.word(if *negated { " NOT IN (" } else { " IN (" });
                self.list(list, Self::expr);
                self.word(")");
            }
            ExprKind::InQuery { expr, negated, query } => {
                self.at(expr, Level::Additive);
                self.word(if *negated { " NOT IN (" } else { " IN (" });
                self.query(query);
                self.word(")");
            }
            ExprKind::Like {
                expr,
                negated,
                case_insensitive,
                pattern,
                escape,
            } => {
                self.at(expr, Level::Additive);
                self.word(if *negated { " NOT" } else { "" });
                self.word(if *case_insensitive { " ILIKE " } else { " LIKE " });
                self.at(pattern, Level::Additive);
                if let Some(escape) = escape {
                    self.word(" ESCAPE ");
                    self.at(escape, Level::Additive);
                }
            }
            ExprKind::Is { expr, negated, test } => {
                self.at(expr, Level::Additive);
                self.word(if *negated { " IS NOT " } else { " IS " });
                self.word(match test {
                    IsTest::Null => "NULL",
                    IsTest::True => "TRUE",
                    IsTest::False => "FALSE",
                });
            }
            ExprKind::IsDistinct { left, negated, right } => {
                self.at(left, Level::Additive);
                self.word(if *negated {
                    " IS NOT DISTINCT FROM "
                } else {
                    " IS DISTINCT FROM "
                });
                self.at(right, Level::Additive);
            }
            _ => {}
        }
    }

    fn case(&mut self, operand: Option<&Expr>, arms: &[(Expr, Expr)], otherwise: Option<&Expr>) {
        self.word("CASE");
        if let Some(operand) = operand {
            self.word(" ");
            self.expr(operand);
        }
        for (when, then) in arms {
            self.word(" WHEN ");
            self.expr(when);
            self.word(" THEN ");
            self.expr(then);
        }
        if let Some(otherwise) = otherwise {
            self.word(" ELSE ");
            self.expr(otherwise);
        }
        self.word(" END");
    }

    fn call_like(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Call(call) => self.call(call, &[]),
            ExprKind::Ordered { call, order_by } => self.call(call, order_by),
            ExprKind::Window {
                call,
                ignore_nulls,
                over,
            } => {
                self.call(call, &[]);
                self.word(if *ignore_nulls { " IGNORE NULLS" } else { "" });
                self.window(over);
            }
            ExprKind::Extract { field, expr } => {
                self.word("EXTRACT(");
                if field.quoted {
                    self.string(&field.text)
                } else {
                    self.ident(field)
                }
                self.word(" FROM ");
                self.expr(expr);
                self.word(")");
            }
            ExprKind::Exists(query) => {
                self.word("EXISTS (");
                self.query(query);
                self.word(")");
            }
            ExprKind::Subquery(query) => {
                self.word("(");
                self.query(query);
                self.word(")");
            }
            _ => {}
        }
    }

    fn collection(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Array(items) => {
                self.word("[");
                self.list(items, Self::expr);
                self.word("]");
            }
            ExprKind::Struct(fields) => self.fields(fields),
            other => self.typed_value(other),
        }
    }

    fn postfix(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Field { expr, name } => {
                // Behind a plain name, `.name` would only lengthen it.
                if matches!(expr.kind, ExprKind::Name(_)) {
                    self.word("(");
                    self.expr(expr);
                    self.word(")");
                } else {
                    self.at(expr, Level::Primary);
                }
                self.word(".");
                self.ident(name);
            }
            ExprKind::Index { expr, index, safe } => {
                self.at(expr, Level::Primary);
                self.word(if *safe { "?[" } else { "[" });
                self.expr(index);
                self.word("]");
            }
            ExprKind::Access { expr, path, text } => {
                self.at(expr, Level::Access);
                self.word(if *text { " ->> " } else { " -> " });
                self.at(path, Level::Unary);
            }
            ExprKind::Slice { expr, low, high } => {
                self.at(expr, Level::Primary);
                self.word("[");
                low.iter().for_each(|low| self.expr(low));
                self.word(" : ");
                high.iter().for_each(|high| self.expr(high));
                self.word("]");
            }
            _ => {}
        }
    }

    pub(super) fn path(&mut self, path: &[Ident]) {
        for (at, part) in path.iter().enumerate() {
            if at > 0 {
                self.word(".");
            }
            self.ident(part);
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Null => self.word("NULL"),
            Literal::Boolean(value) => self.word(if *value { "TRUE" } else { "FALSE" }),
            Literal::Integer(text) | Literal::Decimal(text) | Literal::Float(text) => self.word(text),
            Literal::String(text) => self.string(text),
            Literal::Blob(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                self.word(&format!("x'{digits}'"));
            }
            Literal::Date(text) => self.typed("DATE", text),
            Literal::Time(text) => self.typed("TIME", text),
            Literal::Timestamp(text) => self.typed("TIMESTAMP", text),
            Literal::Interval(text) => self.typed("INTERVAL", text),
        }
    }

    fn typed(&mut self, word: &str, text: &str) {
        self.word(word);
        self.word(" ");
        self.string(text);
    }

    pub(super) fn type_name(&mut self, ty: &TypeName) {
        match ty.name.as_str() {
            "struct" if !ty.fields.is_empty() => {
                self.word("struct(");
                self.list(&ty.fields, |printer, (name, field)| {
                    printer.ident(name);
                    printer.word(" ");
                    printer.type_name(field);
                });
                self.word(")");
            }
            name => {
                self.type_path(name);
                if !ty.params.is_empty() {
                    let params: Vec<String> = ty.params.iter().map(u32::to_string).collect();
                    self.word(&format!("({})", params.join(", ")));
                }
                if !ty.args.is_empty() {
                    self.word("<");
                    self.list(&ty.args, Self::type_name);
                    self.word(">");
                }
            }
        }
    }

    /// `decimal`, `double precision`, `module.tier`; a name of one's own is quoted where it has to be.
    fn type_path(&mut self, name: &str) {
        if OF_WORDS.contains(&name) {
            return self.word(name);
        }
        for (at, part) in name.split('.').enumerate() {
            self.when_set(at > 0, ".");
            let is_plain = part.starts_with(|first: char| first.is_alphabetic() || first == '_')
                && part.chars().all(|c| c.is_alphanumeric() || c == '_');
            let is_own = matches!(part, "interval" | "list");
            self.ident(&Ident {
                text: part.to_owned(),
                quoted: !is_plain || is_keyword(part) && !is_own,
                span: Span::default(),
            });
        }
    }
}

/// The types whose names have more than one word.
const OF_WORDS: [&str; 6] = [
    "double precision",
    "character varying",
    "timestamp with time zone",
    "timestamp without time zone",
    "time with time zone",
    "time without time zone",
];

fn chain_op(op: ChainOp) -> &'static str {
    match op {
        ChainOp::Add => " + ",
        ChainOp::Sub => " - ",
        ChainOp::Concat => " || ",
        ChainOp::Mul => " * ",
        ChainOp::Div => " / ",
        ChainOp::IntDiv => " div ",
        ChainOp::Rem => " % ",
    }
}

fn compare_op(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => " = ",
        CompareOp::NotEq => " <> ",
        CompareOp::Lt => " < ",
        CompareOp::LtEq => " <= ",
        CompareOp::Gt => " > ",
        CompareOp::GtEq => " >= ",
    }
}
