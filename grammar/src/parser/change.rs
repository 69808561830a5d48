//! Statements that change rows, and COPY from a file.
//!
//! `INSERT INTO t SELECT 1` at the end of a line goes on in the next one, up to a second SELECT, which is a statement of
//! its own.
//!
//! Invariants: the bare word DEFAULT is the column's default where a whole value is assigned, and nowhere else.
//!
//! Does not: read the clauses that queries have too; see `select`.

use super::Builder;
use super::operand::unquote;
use super::query::Tail;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{
    Assigned, Assignment, AssignmentKind, ConflictAction, CopyFrom, Delete, Expr, ExprKind, Ident, Insert,
    InsertSource, Merge, MergeAction, MergeClause, MergeRows, OnConflict, OrderBy, Query, QueryBody, SelectItem,
    StatementKind, TableRef, Target, Update, Upsert, With,
};

/// The parts that INSERT and UPSERT share.
#[derive(Default)]
struct NewRows {
    target: Option<Target>,
    columns: Vec<Ident>,
    key: Vec<Ident>,
    source: Option<InsertSource>,
    on_conflict: Option<OnConflict>,
    returning: Vec<SelectItem>,
}

impl Builder<'_> {
    /// A pair of the rule `change_stmt`.
    pub(super) fn change(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut with = With::default();
        for part in parts(node) {
            match part.as_rule() {
                Rule::with_clause => {
                    let mut tail = Tail::default();
                    self.with(&mut tail, part);
                    with = With {
                        recursive: tail.recursive,
                        ctes: tail.ctes,
                    };
                }
                Rule::insert_stmt => return self.insert(with, part),
                Rule::upsert_stmt => return self.upsert(with, part),
                Rule::update_stmt => return self.update(with, part),
                Rule::delete_stmt => return self.delete(with, part),
                _ => return self.merge(with, part),
            }
        }
        None
    }

    fn insert(&mut self, with: With, node: Node<'_>) -> Option<StatementKind> {
        let rows = self.new_rows(node);
        Some(StatementKind::Insert(Box::new(Insert {
            with,
            target: rows.target?,
            columns: rows.columns,
            source: rows.source?,
            on_conflict: rows.on_conflict,
            returning: rows.returning,
        })))
    }

    fn upsert(&mut self, with: With, node: Node<'_>) -> Option<StatementKind> {
        let rows = self.new_rows(node);
        Some(StatementKind::Upsert(Box::new(Upsert {
            with,
            target: rows.target?,
            columns: rows.columns,
            key: rows.key,
            source: rows.source?,
            returning: rows.returning,
        })))
    }

    fn new_rows(&mut self, node: Node<'_>) -> NewRows {
        let mut rows = NewRows::default();
        let mut inner = parts(node).peekable();
        while let Some(part) = inner.next() {
            match part.as_rule() {
                Rule::insert_or => {
                    let span = self.span(&part);
                    self.error("42601", span, "`INSERT OR …` is not a form of this language");
                    self.help("write `UPSERT INTO …`, or `INSERT INTO … ON CONFLICT DO NOTHING`");
                }
                Rule::insert_target => rows.target = self.target(part),
                Rule::columns => rows.columns = self.idents(part),
                Rule::upsert_key => self.upsert_key(&mut rows, part),
                Rule::default_values => rows.source = Some(InsertSource::DefaultValues),
                Rule::conflict_clause => rows.on_conflict = Some(self.on_conflict(part)),
                Rule::returning_clause => rows.returning = self.returning(part),
                _ => {
                    let followed = inner.peek().is_some();
                    rows.source = Some(insert_source(self.open_query(part, followed)));
                }
            }
        }
        rows
    }

    fn upsert_key(&mut self, rows: &mut NewRows, node: Node<'_>) {
        let span = self.span(&node);
        let key = parts(node).next().map(|list| self.idents(list)).unwrap_or_default();
        if !rows.key.is_empty() {
            self.error("42601", span, "`KEY` is written twice");
        }
        rows.key = key;
    }

    fn target(&mut self, node: Node<'_>) -> Option<Target> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let table = self.idents(inner.next()?);
        let alias = inner.next().map(|name| self.ident(&name));
        Some(Target { table, alias, span })
    }

    fn on_conflict(&mut self, node: Node<'_>) -> OnConflict {
        let span = self.span(&node);
        let nothing = has(&node, Rule::kw_nothing);
        let (mut columns, mut set, mut filter) = (Vec::new(), Vec::new(), None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::columns => columns = self.idents(part),
                Rule::set_clause => set = self.assignments(part),
                _ => filter = self.only_expr(part),
            }
        }
        let action = if nothing {
            ConflictAction::Nothing
        } else {
            ConflictAction::Update { set, filter }
        };
        OnConflict { columns, action, span }
    }

    fn returning(&mut self, node: Node<'_>) -> Vec<SelectItem> {
        parts(node).filter_map(|item| self.select_item(item)).collect()
    }

    fn update(&mut self, with: With, node: Node<'_>) -> Option<StatementKind> {
        let (mut target, mut set, mut from) = (None, Vec::new(), Vec::new());
        let (mut filter, mut returning) = (None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::change_target => target = self.target(part),
                Rule::set_clause => set = self.assignments(part),
                Rule::from_clause => from = self.from(part),
                Rule::where_clause => filter = self.only_expr(part),
                _ => returning = self.returning(part),
            }
        }
        Some(StatementKind::Update(Box::new(Update {
            with,
            target: target?,
            set,
            from,
            filter,
            returning,
        })))
    }

    /// `SET a = 1, (b, c) = (2, DEFAULT)`.
    fn assignments(&mut self, node: Node<'_>) -> Vec<Assignment> {
        parts(node).filter_map(|item| self.assignment(item)).collect()
    }

    fn assignment(&mut self, node: Node<'_>) -> Option<Assignment> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let (left, right) = (inner.next()?, inner.next()?);
        let is_row = left.as_rule() == Rule::columns;
        let names = self.idents(left);
        if !is_row {
            let value = assigned(self.expr(right));
            let kind = AssignmentKind::One { column: names, value };
            return Some(Assignment { kind, span });
        }
        let place = self.span(&right);
        let mut values = Vec::new();
        for part in parts(right) {
            match (part.as_rule(), values.pop()) {
                (Rule::query, _) => {
                    let kind = ExprKind::Subquery(Box::new(self.query(part)));
                    values.push(Expr { kind, span: place });
                }
                (Rule::query_rest, Some(first)) => {
                    let kind = ExprKind::Subquery(Box::new(self.continued_query(first, part)));
                    values.push(Expr { kind, span: place });
                }
                (_, last) => {
                    values.extend(last);
                    values.push(self.expr(part));
                }
            }
        }
        let values = match <[Expr; 1]>::try_from(values) {
            Ok(
                [
                    Expr {
                        kind: ExprKind::Subquery(query),
                        ..
                    },
                ],
            ) => {
                let kind = AssignmentKind::Query { columns: names, query };
                return Some(Assignment { kind, span });
            }
            Ok([only]) => vec![assigned(only)],
            Err(values) => values.into_iter().map(assigned).collect(),
        };
        if values.len() != names.len() {
            self.error("42601", place, counts(names.len(), values.len()));
        }
        let kind = AssignmentKind::Row { columns: names, values };
        Some(Assignment { kind, span })
    }

    fn delete(&mut self, with: With, node: Node<'_>) -> Option<StatementKind> {
        let (mut target, mut using, mut filter, mut returning) = (None, Vec::new(), None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::change_target => target = self.target(part),
                Rule::using_clause => using = self.from(part),
                Rule::where_clause => filter = self.only_expr(part),
                _ => returning = self.returning(part),
            }
        }
        Some(StatementKind::Delete(Box::new(Delete {
            with,
            target: target?,
            using,
            filter,
            returning,
        })))
    }

    fn merge(&mut self, with: With, node: Node<'_>) -> Option<StatementKind> {
        let (mut target, mut on, mut clauses, mut returning) = (None, None, Vec::new(), Vec::new());
        let mut source: Option<TableRef> = None;
        for part in parts(node) {
            match part.as_rule() {
                Rule::change_target => target = self.target(part),
                Rule::merge_using => source = parts(part).next().and_then(|table| self.table_primary(table)),
                Rule::merge_on => on = self.only_expr(part),
                Rule::merge_when => clauses.extend(self.merge_when(part)),
                _ => returning = self.returning(part),
            }
        }
        Some(StatementKind::Merge(Box::new(Merge {
            with,
            target: target?,
            source: source?,
            on: on?,
            clauses,
            returning,
        })))
    }

    fn merge_when(&mut self, node: Node<'_>) -> Option<MergeClause> {
        let span = self.span(&node);
        let (mut rows, mut filter, mut action) = (MergeRows::Matched, None, None);
        let mut place = span;
        for part in parts(node) {
            match part.as_rule() {
                Rule::merge_rows => rows = self.merge_rows(&part),
                Rule::merge_action => {
                    place = self.span(&part);
                    action = self.merge_action(part);
                }
                _ => filter = Some(self.expr(part)),
            }
        }
        let action = action?;
        let inserts = matches!(action, MergeAction::Insert { .. } | MergeAction::InsertDefaults);
        if action != MergeAction::Nothing && inserts != (rows == MergeRows::NotMatched) {
            let message = match rows {
                MergeRows::NotMatched => "a row of the source without a partner can only be inserted",
                _ => "a row of the target can only be updated or deleted",
            };
            self.error("42601", place, message);
        }
        Some(MergeClause {
            rows,
            filter,
            action,
            span,
        })
    }

    fn merge_rows(&mut self, node: &Node<'_>) -> MergeRows {
        let (not, by_source) = (has(node, Rule::kw_not), has(node, Rule::kw_source));
        if !not && has(node, Rule::kw_by) {
            let span = self.span(node);
            self.error(
                "42601",
                span,
                "`BY SOURCE` and `BY TARGET` stand only behind `NOT MATCHED`",
            );
        }
        match (not, by_source) {
            (false, _) => MergeRows::Matched,
            (true, false) => MergeRows::NotMatched,
            (true, true) => MergeRows::NotMatchedBySource,
        }
    }

    fn merge_action(&mut self, node: Node<'_>) -> Option<MergeAction> {
        let delete = has(&node, Rule::kw_delete);
        let Some(part) = parts(node).next() else {
            return Some(if delete {
                MergeAction::Delete
            } else {
                MergeAction::Nothing
            });
        };
        if part.as_rule() == Rule::set_clause {
            return Some(MergeAction::Update(self.assignments(part)));
        }
        let span = self.span(&part);
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for inner in parts(part) {
            match inner.as_rule() {
                Rule::columns => columns = self.idents(inner),
                Rule::default_values if columns.is_empty() => return Some(MergeAction::InsertDefaults),
                Rule::default_values => {
                    self.error("42601", span, "`DEFAULT VALUES` takes no columns");
                    return Some(MergeAction::InsertDefaults);
                }
                _ => values = parts(inner).map(|value| assigned(self.expr(value))).collect(),
            }
        }
        if !columns.is_empty() && columns.len() != values.len() {
            self.error("42601", span, counts(columns.len(), values.len()));
        }
        Some(MergeAction::Insert { columns, values })
    }

    /// `COPY t (a) FROM 'f' (…)` and `COPY 'f' TO t (…)`, from the parts behind COPY.
    pub(super) fn copy_from<'i>(&mut self, inner: impl Iterator<Item = Node<'i>>) -> Option<StatementKind> {
        let (mut table, mut columns, mut source, mut options) = (Vec::new(), Vec::new(), None, Vec::new());
        for part in inner {
            match part.as_rule() {
                Rule::table_path => table = self.idents(part),
                Rule::columns => columns = self.idents(part),
                Rule::squoted => source = Some((unquote(part.as_str()), self.span(&part))),
                Rule::copy_options => options = parts(part).filter_map(|option| self.copy_option(option)).collect(),
                _ => {}
            }
        }
        let (source, source_span) = source?;
        Some(StatementKind::CopyFrom(CopyFrom {
            table,
            columns,
            source,
            source_span,
            options,
        }))
    }
}

fn counts(columns: usize, values: usize) -> String {
    let plural = |count: usize| if count == 1 { "" } else { "s" };
    format!(
        "{columns} column{} but {values} value{}",
        plural(columns),
        plural(values)
    )
}

/// A whole value, or the word DEFAULT.
fn assigned(expr: Expr) -> Assigned {
    match &expr.kind {
        ExprKind::Name(path) if matches!(path.as_slice(), [name] if !name.quoted && name.text.eq_ignore_ascii_case("default")) => {
            Assigned::Default(expr.span)
        }
        _ => Assigned::Value(expr),
    }
}

/// VALUES with nothing around it holds values to be assigned; anything else is a query.
fn insert_source(query: Query) -> InsertSource {
    let is_plain = query.as_of.is_none()
        && query.ctes.is_empty()
        && query.order_by == OrderBy::None
        && query.limit.is_none()
        && query.offset.is_none();
    match query.body {
        QueryBody::Values(rows) if is_plain => {
            let rows = rows.into_iter().map(|row| row.into_iter().map(assigned).collect());
            InsertSource::Values(rows.collect())
        }
        body => InsertSource::Query(Box::new(Query { body, ..query })),
    }
}
