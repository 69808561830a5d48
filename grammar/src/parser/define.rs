//! Statements that define objects.
//!
//! `CREATE TABLE t (a int, PRIMARY KEY (a))` becomes [`CreateTable`]; `CREATE OR REPLACE INDEX …` is an error, as no index
//! can be replaced.
//!
//! Invariants: a modifier that an object does not take is an error, never dropped.
//!
//! Does not: read snapshots, branches and watermarks; see `timeline`.

use super::Builder;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{
    AlterAction, AlterActionKind, AlterTable, ColumnChange, ColumnConstraint, ColumnConstraintKind, ColumnDef,
    CreateIndex, CreateSchema, CreateTable, CreateView, Drop, DropBehavior, Expr, Ident, ObjectKind, Path, Reference,
    ReferentialAction, Refresh, RefreshMode, StatementKind, TableConstraint, TableConstraintKind,
};

/// `OR REPLACE` and `TEMP`, as nodes.
#[derive(Default)]
struct Modifiers<'i> {
    or_replace: Option<Node<'i>>,
    temporary: Option<Node<'i>>,
}

impl Builder<'_> {
    pub(super) fn create(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut modifiers = Modifiers::default();
        for part in parts(node) {
            match part.as_rule() {
                Rule::or_replace => modifiers.or_replace = Some(part),
                Rule::temporary => modifiers.temporary = Some(part),
                _ => return self.create_object(&modifiers, parts(part).next()?),
            }
        }
        None
    }

    fn create_object(&mut self, modifiers: &Modifiers<'_>, node: Node<'_>) -> Option<StatementKind> {
        let materialized = has(&node, Rule::kw_materialized);
        let (replaces, temporary) = match node.as_rule() {
            Rule::create_table => (true, true),
            Rule::create_view => (true, !materialized),
            Rule::create_type => (true, false),
            _ => (false, false),
        };
        self.check_modifier(modifiers.or_replace.as_ref(), replaces, "OR REPLACE");
        self.check_modifier(modifiers.temporary.as_ref(), temporary, "TEMP");
        if let Some(place) = modifiers
            .or_replace
            .as_ref()
            .filter(|_| has(&node, Rule::if_not_exists))
        {
            let span = self.span(place);
            self.error("42601", span, "`OR REPLACE` and `IF NOT EXISTS` exclude each other");
        }
        match node.as_rule() {
            Rule::create_table => self.create_table(modifiers, node),
            Rule::create_view => self.create_view(modifiers, node),
            Rule::create_index => self.create_index(node),
            Rule::create_schema => Some(StatementKind::CreateSchema(CreateSchema {
                if_not_exists: has(&node, Rule::if_not_exists),
                name: self.first_path(node)?,
            })),
            Rule::create_snapshot => self.snapshot(node),
            Rule::create_branch => self.create_branch(node),
            Rule::create_type => self.create_type(modifiers.or_replace.is_some(), node),
            _ => self.create_watermark(node),
        }
    }

    fn check_modifier(&mut self, modifier: Option<&Node<'_>>, allowed: bool, words: &str) {
        if let Some(modifier) = modifier.filter(|_| !allowed) {
            let span = self.span(modifier);
            self.error("42601", span, format!("`{words}` does not go with this kind of object"));
        }
    }

    /// The first `table_path` below a node.
    pub(super) fn first_path(&mut self, node: Node<'_>) -> Option<Path> {
        let path = parts(node).find(|part| part.as_rule() == Rule::table_path)?;
        Some(self.idents(path))
    }

    fn create_table(&mut self, modifiers: &Modifiers<'_>, node: Node<'_>) -> Option<StatementKind> {
        let mut table = CreateTable {
            or_replace: modifiers.or_replace.is_some(),
            temporary: modifiers.temporary.is_some(),
            if_not_exists: has(&node, Rule::if_not_exists),
            name: Vec::new(),
            columns: Vec::new(),
            constraints: Vec::new(),
            options: Vec::new(),
            query: None,
        };
        for part in parts(node) {
            match part.as_rule() {
                Rule::table_path => table.name = self.idents(part),
                Rule::table_elements => self.table_elements(&mut table, part),
                Rule::with_options => table.options = self.options(part),
                Rule::as_query => table.query = parts(part).next().map(|query| Box::new(self.open_query(query, false))),
                _ => {}
            }
        }
        if table.query.is_none() {
            table.columns.iter().for_each(|column| self.check_type(column));
        }
        Some(StatementKind::CreateTable(Box::new(table)))
    }

    /// Without a query or an expression, only a type says what a column holds.
    fn check_type(&mut self, column: &ColumnDef) {
        let computed =
            |constraint: &ColumnConstraint| matches!(constraint.kind, ColumnConstraintKind::Generated { .. });
        if column.ty.is_none() && !column.constraints.iter().any(computed) {
            let message = format!("column `{}` needs a type", column.name.text);
            self.error("42601", column.name.span, message);
        }
    }

    fn table_elements(&mut self, table: &mut CreateTable, node: Node<'_>) {
        for part in parts(node) {
            match part.as_rule() {
                Rule::table_constraint => table.constraints.extend(self.table_constraint(part)),
                _ => table.columns.extend(self.column_def(part)),
            }
        }
    }

    fn column_def(&mut self, node: Node<'_>) -> Option<ColumnDef> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let name = self.ident(&inner.next()?);
        let (mut ty, mut constraints) = (None, Vec::new());
        for part in inner {
            match part.as_rule() {
                Rule::type_name => ty = Some(self.type_name(part)),
                _ => constraints.extend(self.column_constraint(part)),
            }
        }
        Some(ColumnDef {
            name,
            ty,
            constraints,
            span,
        })
    }

    fn column_constraint(&mut self, node: Node<'_>) -> Option<ColumnConstraint> {
        let span = self.span(&node);
        let (mut name, mut kind) = (None, None);
        for part in parts(node) {
            kind = Some(match part.as_rule() {
                Rule::constraint_name => {
                    name = self.first_ident(part);
                    continue;
                }
                Rule::not_null => ColumnConstraintKind::NotNull,
                Rule::nullable => ColumnConstraintKind::Null,
                Rule::primary_key => ColumnConstraintKind::PrimaryKey,
                Rule::unique => ColumnConstraintKind::Unique,
                Rule::default_value => ColumnConstraintKind::Default(self.only_expr(part)?),
                Rule::check => ColumnConstraintKind::Check(self.only_expr(part)?),
                Rule::generated => {
                    let word = |rule: Rule, stored: bool| has(&part, rule).then_some(stored);
                    let stored = word(Rule::kw_stored, true).or(word(Rule::kw_virtual, false));
                    let expr = self.only_expr(part)?;
                    ColumnConstraintKind::Generated { expr, stored }
                }
                _ => ColumnConstraintKind::References(self.reference(part)),
            });
        }
        Some(ColumnConstraint {
            name,
            kind: kind?,
            span,
        })
    }

    /// The first name below a node.
    pub(super) fn first_ident(&mut self, node: Node<'_>) -> Option<Ident> {
        parts(node).next().map(|name| self.ident(&name))
    }

    fn table_constraint(&mut self, node: Node<'_>) -> Option<TableConstraint> {
        let span = self.span(&node);
        let (mut name, mut kind) = (None, None);
        for part in parts(node) {
            let rule = part.as_rule();
            kind = Some(match rule {
                Rule::constraint_name => {
                    name = self.first_ident(part);
                    continue;
                }
                Rule::check => TableConstraintKind::Check(self.only_expr(part)?),
                Rule::foreign_key => {
                    let mut inner = parts(part);
                    let columns = self.idents(inner.next()?);
                    let reference = self.reference(inner.next()?);
                    TableConstraintKind::ForeignKey { columns, reference }
                }
                _ => {
                    let columns = self.idents(parts(part).next()?);
                    match rule {
                        Rule::table_primary_key => TableConstraintKind::PrimaryKey(columns),
                        _ => TableConstraintKind::Unique(columns),
                    }
                }
            });
        }
        Some(TableConstraint {
            name,
            kind: kind?,
            span,
        })
    }

    fn reference(&mut self, node: Node<'_>) -> Reference {
        let mut reference = Reference {
            table: Vec::new(),
            columns: Vec::new(),
            on_delete: None,
            on_update: None,
            span: self.span(&node),
        };
        for part in parts(node) {
            match part.as_rule() {
                Rule::table_path => reference.table = self.idents(part),
                Rule::columns => reference.columns = self.idents(part),
                _ => self.referential(&mut reference, &part),
            }
        }
        reference
    }

    fn referential(&mut self, reference: &mut Reference, node: &Node<'_>) {
        let action = parts(node.clone()).next().map(|action| referential_action(&action));
        let (slot, words) = if has(node, Rule::kw_delete) {
            (&mut reference.on_delete, "ON DELETE")
        } else {
            (&mut reference.on_update, "ON UPDATE")
        };
        let repeated = slot.is_some();
        *slot = action;
        if repeated {
            let span = self.span(node);
            self.error("42601", span, format!("`{words}` is written twice"));
        }
    }

    fn create_view(&mut self, modifiers: &Modifiers<'_>, node: Node<'_>) -> Option<StatementKind> {
        let (materialized, if_not_exists) = (has(&node, Rule::kw_materialized), has(&node, Rule::if_not_exists));
        let (mut name, mut columns, mut options, mut query) = (Vec::new(), Vec::new(), Vec::new(), None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::table_path => name = self.idents(part),
                Rule::columns => columns = self.idents(part),
                Rule::with_options => options = self.options(part),
                Rule::as_query => query = parts(part).next().map(|query| self.open_query(query, false)),
                _ => {}
            }
        }
        Some(StatementKind::CreateView(CreateView {
            or_replace: modifiers.or_replace.is_some(),
            temporary: modifiers.temporary.is_some(),
            materialized,
            if_not_exists,
            name,
            columns,
            options,
            query: Box::new(query?),
        }))
    }

    fn create_index(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let (unique, if_not_exists) = (has(&node, Rule::kw_unique), has(&node, Rule::if_not_exists));
        let (mut name, mut table, mut keys) = (None, Vec::new(), Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::if_not_exists => {}
                Rule::index_target => {
                    for inner in parts(part) {
                        match inner.as_rule() {
                            Rule::table_path => table = self.idents(inner),
                            _ => keys.extend(self.order_item(inner)),
                        }
                    }
                }
                _ => name = Some(self.ident(&part)),
            }
        }
        Some(StatementKind::CreateIndex(CreateIndex {
            unique,
            if_not_exists,
            name,
            table,
            keys,
        }))
    }

    /// `WITH (a = 1, …)`.
    fn options(&mut self, node: Node<'_>) -> Vec<(Ident, Expr)> {
        parts(node).filter_map(|option| self.copy_option(option)).collect()
    }

    pub(super) fn drop_object(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let (mut kind, mut names, mut on, mut behavior) = (None, Vec::new(), None, None);
        let mut receiver = None;
        let if_exists = has(&node, Rule::if_exists);
        for part in parts(node) {
            match part.as_rule() {
                Rule::object_kind => kind = object_kind(&part),
                Rule::object_name => names.push(self.idents(part)),
                Rule::receiver => {
                    let span = self.span(&part);
                    receiver = parts(part).next().map(|ty| self.type_name(ty));
                    if !matches!(kind, Some(ObjectKind::Function | ObjectKind::Procedure)) {
                        self.error("42601", span, "a receiver stands behind the name of a function only");
                    }
                }
                Rule::drop_on => {
                    let span = self.span(&part);
                    on = self.first_path(part);
                    if kind != Some(ObjectKind::Trigger) {
                        self.error("42601", span, "`ON` stands behind the name of a trigger only");
                    }
                }
                Rule::drop_behavior => behavior = Some(drop_behavior(&part)),
                _ => {}
            }
        }
        Some(StatementKind::Drop(Drop {
            kind: kind?,
            if_exists,
            names,
            receiver,
            on,
            behavior,
        }))
    }

    pub(super) fn alter_table(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let (mut name, mut actions) = (Vec::new(), Vec::new());
        let if_exists = has(&node, Rule::if_exists);
        for part in parts(node) {
            match part.as_rule() {
                Rule::table_path => name = self.idents(part),
                Rule::alter_actions => actions.extend(parts(part).filter_map(|action| self.alter_action(action))),
                _ => {}
            }
        }
        Some(StatementKind::AlterTable(AlterTable {
            if_exists,
            name,
            actions,
        }))
    }

    fn alter_action(&mut self, node: Node<'_>) -> Option<AlterAction> {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::alter_add => self.alter_add(node)?,
            Rule::alter_drop => self.alter_drop(node)?,
            Rule::alter_rename => {
                let inner = parts(node).next()?;
                let is_table = inner.as_rule() == Rule::rename_table;
                let mut names = self.idents(inner).into_iter();
                match (names.next()?, names.next()) {
                    (name, Some(to)) if !is_table => AlterActionKind::RenameColumn { name, to },
                    (to, _) => AlterActionKind::RenameTable { to },
                }
            }
            _ => {
                let mut inner = parts(node);
                AlterActionKind::AlterColumn {
                    name: self.ident(&inner.next()?),
                    change: self.column_change(inner.next()?)?,
                }
            }
        };
        Some(AlterAction { kind, span })
    }

    fn alter_add(&mut self, node: Node<'_>) -> Option<AlterActionKind> {
        let if_not_exists = has(&node, Rule::if_not_exists);
        let part = parts(node).find(|part| part.as_rule() != Rule::if_not_exists)?;
        if part.as_rule() == Rule::table_constraint {
            let constraint = self.table_constraint(part)?;
            return Some(AlterActionKind::AddConstraint(Box::new(constraint)));
        }
        let column = self.column_def(part)?;
        self.check_type(&column);
        Some(AlterActionKind::AddColumn {
            if_not_exists,
            column: Box::new(column),
        })
    }

    fn alter_drop(&mut self, node: Node<'_>) -> Option<AlterActionKind> {
        let mut inner = parts(node);
        let object = inner.next()?;
        let behavior = inner.next().map(|behavior| drop_behavior(&behavior));
        let (is_constraint, if_exists) = (object.as_rule() == Rule::drop_constraint, has(&object, Rule::if_exists));
        let name = parts(object).find(|part| part.as_rule() != Rule::if_exists)?;
        let name = self.ident(&name);
        Some(if is_constraint {
            AlterActionKind::DropConstraint {
                if_exists,
                name,
                behavior,
            }
        } else {
            AlterActionKind::DropColumn {
                if_exists,
                name,
                behavior,
            }
        })
    }

    fn column_change(&mut self, node: Node<'_>) -> Option<ColumnChange> {
        Some(match node.as_rule() {
            Rule::set_type => ColumnChange::Type(self.type_name(parts(node).next()?)),
            Rule::set_default => ColumnChange::SetDefault(Box::new(self.only_expr(node)?)),
            Rule::set_not_null => ColumnChange::SetNotNull,
            Rule::drop_default => ColumnChange::DropDefault,
            _ => ColumnChange::DropNotNull,
        })
    }

    pub(super) fn refresh(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mode = parts(node.clone()).find(|part| part.as_rule() == Rule::refresh_mode);
        let mode = mode.map(|mode| {
            if has(&mode, Rule::kw_full) {
                RefreshMode::Full
            } else {
                RefreshMode::Incremental
            }
        });
        let name = self.first_path(node)?;
        Some(StatementKind::Refresh(Refresh { name, mode }))
    }

    pub(super) fn truncate(&mut self, node: Node<'_>) -> StatementKind {
        StatementKind::Truncate(parts(node).map(|path| self.idents(path)).collect())
    }
}

/// The kind of object that the words of an `object_kind` name.
pub(super) fn object_kind(node: &Node<'_>) -> Option<ObjectKind> {
    let words: Vec<&str> = node.as_str().split_whitespace().collect();
    let text = words.join(" ");
    ObjectKind::ALL
        .into_iter()
        .find(|kind| kind.words().eq_ignore_ascii_case(&text))
}

pub(super) fn drop_behavior(node: &Node<'_>) -> DropBehavior {
    if has(node, Rule::kw_cascade) {
        DropBehavior::Cascade
    } else {
        DropBehavior::Restrict
    }
}

fn referential_action(node: &Node<'_>) -> ReferentialAction {
    let actions = [
        (Rule::kw_restrict, ReferentialAction::Restrict),
        (Rule::kw_cascade, ReferentialAction::Cascade),
        (Rule::kw_null, ReferentialAction::SetNull),
        (Rule::kw_default, ReferentialAction::SetDefault),
    ];
    let found = actions.into_iter().find(|(rule, _)| has(node, *rule));
    found.map_or(ReferentialAction::NoAction, |(_, action)| action)
}
