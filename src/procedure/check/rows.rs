//! `NEW` and `OLD` as a whole, in the body of a trigger.
//!
//! `let row = NEW` is a struct of the columns of the new row, `NEW = row` assigns all of them that `row` has.
//!
//! Invariants: what is not there is NULL: `NEW` of a row that is deleted, `OLD` of one that is inserted.
//!
//! Does not: say which columns there are, or which may be assigned.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{self, Expr, ExprKind, Ident, Literal, Span, Step};

use super::Checker;
use crate::plan::routine::Statement;
use crate::types::LogicalType;

impl Checker<'_> {
    /// The expression that `NEW` or `OLD` by itself is; `None` if it is no row of a trigger.
    pub(super) fn whole_row(&self, expr: &Expr) -> Option<Expr> {
        let ExprKind::Name(path) = &expr.kind else { return None };
        let [name] = path.as_slice() else { return None };
        let columns = self.columns_of_row(name)?;
        let span = expr.span;
        let made = |kind: ExprKind| Expr { kind, span };
        let fields = columns.into_iter().map(|column| {
            let value = made(ExprKind::Name(vec![name.clone(), column.clone()]));
            (column, value)
        });
        let row = made(ExprKind::Struct(fields.collect()));
        let is_new = name.text.eq_ignore_ascii_case("new");
        let text = |text: &str| made(ExprKind::Literal(Literal::String(text.to_owned())));
        let without = text(if is_new { "DELETE" } else { "INSERT" });
        let operation = made(ExprKind::Name(vec![ident("TG_OP", span)]));
        Some(made(ExprKind::Case {
            operand: Some(Box::new(operation)),
            arms: vec![(without, made(ExprKind::Literal(Literal::Null)))],
            otherwise: Some(Box::new(row)),
        }))
    }

    /// The columns of a row of the trigger, if no variable hides it.
    fn columns_of_row(&self, name: &Ident) -> Option<Vec<Ident>> {
        self.trigger.as_ref()?;
        let is_row = ["new", "old"].iter().any(|row| name.text.eq_ignore_ascii_case(row));
        if !is_row || self.find(&name.text).is_some() {
            return None;
        }
        let of_row = self.names.iter().filter(|known| {
            let of = known.of.as_deref();
            of.is_some_and(|of| of.eq_ignore_ascii_case(&name.text))
        });
        let columns: Vec<Ident> = of_row.map(|known| ident(&known.name, name.span)).collect();
        (!columns.is_empty()).then_some(columns)
    }

    /// `NEW = row`; `false` if it is another assignment.
    pub(super) fn assign_row(&mut self, assign: &ast::Assign, out: &mut Vec<Statement>) -> bool {
        if !assign.path.is_empty() || self.columns_of_row(&assign.name).is_none() {
            return false;
        }
        let Some(value) = self.value(&assign.value, out) else {
            return true;
        };
        let LogicalType::Struct(fields) = value.ty.clone() else {
            let message = format!("`{}` is assigned a struct, not {}", assign.name.text, value.ty);
            let help = "the columns of a row are assigned one by one: `NEW.a = …`";
            self.error(Diagnostic::new("42804", value.span, message).with_help(help));
            return true;
        };
        let span = value.span;
        let held = self.inferred("", &value);
        self.set(held, value, out);
        let held = self.reference(held, span);
        for field in fields {
            let field = ident(&field.name, assign.name.span);
            let kind = ExprKind::Field {
                expr: Box::new(held.clone()),
                name: field.clone(),
            };
            self.assign(
                &ast::Assign {
                    name: assign.name.clone(),
                    path: vec![Step::Field(field)],
                    value: ast::Value::Expr(Expr { kind, span }),
                },
                out,
            );
        }
        true
    }
}

impl Checker<'_> {
    /// The statements, in whose queries and changes `NEW` and `OLD` by themselves are structs of their columns.
    pub(super) fn with_whole_rows(&self, block: &ast::Block) -> ast::Block {
        let mut block = block.clone();
        let mut declares = Declares(false);
        declares.block(&mut block);
        if !declares.0 {
            WholeRows {
                checker: self,
                within: 0,
            }
            .block(&mut block);
        }
        block
    }
}

/// Puts structs in the places of rows, within statements of SQL.
struct WholeRows<'c, 'a> {
    checker: &'c Checker<'a>,
    within: usize,
}

impl VisitMut for WholeRows<'_, '_> {
    fn statement(&mut self, statement: &mut ast::Statement) {
        use ast::StatementKind as K;
        let is_change = matches!(
            statement.kind,
            K::Insert(_) | K::Upsert(_) | K::Update(_) | K::Delete(_) | K::Merge(_)
        );
        self.within += usize::from(is_change);
        visit::walk_statement(self, statement);
        self.within -= usize::from(is_change);
    }

    fn query(&mut self, query: &mut ast::Query) {
        self.within += 1;
        visit::walk_query(self, query);
        self.within -= 1;
    }

    fn expr(&mut self, expr: &mut Expr) {
        match self.checker.whole_row(expr).filter(|_| self.within > 0) {
            Some(row) => *expr = row,
            None => visit::walk_expr(self, expr),
        }
    }
}

/// Whether something else is called like a row.
struct Declares(bool);

impl Declares {
    fn name(&mut self, name: &Ident) {
        self.0 |= ["new", "old"].iter().any(|row| name.text.eq_ignore_ascii_case(row));
    }
}

impl VisitMut for Declares {
    fn statement(&mut self, statement: &mut ast::Statement) {
        match &statement.kind {
            ast::StatementKind::Let(variable) => self.name(&variable.name),
            ast::StatementKind::For(each) => self.name(&each.name),
            _ => {}
        }
        visit::walk_statement(self, statement);
    }

    fn relation(&mut self, relation: &mut ast::TableRef) {
        relation.alias.iter().for_each(|alias| self.name(alias));
        let path = relation.kind.path().unwrap_or_default();
        path.last().into_iter().for_each(|name| self.name(name));
        visit::walk_relation(self, relation);
    }
}

fn ident(text: &str, span: Span) -> Ident {
    Ident {
        text: text.to_owned(),
        quoted: true,
        span,
    }
}
