//! Tables and views that a body makes and changes: the queries behind that see them.
//!
//! `create table late as select id, 1 as n from orders` is a table `late` of `id` and `n` for what stands behind it in the body.
//!
//! Invariants: nothing that is wrong with a definition is reported here; the session does that when it runs.
//!
//! Does not: make anything.

use gobi_grammar::ast::{
    self, AlterActionKind, ColumnChange, ColumnConstraintKind, ColumnDef, Path, StatementKind as K,
};

use super::super::instances::WithInstances;
use super::Checker;
use crate::plan::{Named, TableResolver, bind_type};
use crate::types::{Field, LogicalType};

impl Checker<'_> {
    /// Notes what a statement makes, as far as its columns are known.
    pub(super) fn make(&mut self, statement: &K) {
        match statement {
            K::CreateTable(create) => {
                if let Some(columns) = self.columns_made(create) {
                    self.made(&create.name, columns, create.temporary);
                }
            }
            K::CreateView(create) => self.instances.made.view(create, self.dialect),
            K::AlterTable(alter) => self.alter(alter),
            _ => {}
        }
    }

    fn made(&mut self, name: &Path, columns: Vec<Field>, is_temporary: bool) {
        let parts = parts_of(name);
        if let ([part], true) = (parts.as_slice(), is_temporary) {
            self.instances.made.table(&["temp", *part], columns.clone());
        }
        self.instances.made.table(&parts, columns);
    }

    fn columns_made(&mut self, create: &ast::CreateTable) -> Option<Vec<Field>> {
        let Some(query) = &create.query else {
            return create.columns.iter().map(|column| self.column_made(column)).collect();
        };
        let (errors, effects) = (self.errors.len(), self.effects);
        let bound = self.bound_query(query);
        self.errors.truncate(errors);
        self.effects = effects;
        let mut fields = bound?.0;
        for (at, column) in create.columns.iter().enumerate() {
            let field = fields.get_mut(at)?;
            field.name.clone_from(&column.name.text);
            if column.ty.is_some() {
                field.ty = self.column_made(column)?.ty;
            }
        }
        Some(
            fields
                .into_iter()
                .map(|field| Field {
                    nullable: true,
                    ..field
                })
                .collect(),
        )
    }

    fn column_made(&mut self, column: &ColumnDef) -> Option<Field> {
        let constraints = column.constraints.iter().map(|constraint| &constraint.kind);
        let is_full = |kind: &ColumnConstraintKind| {
            matches!(kind, ColumnConstraintKind::NotNull | ColumnConstraintKind::PrimaryKey)
        };
        Some(Field {
            name: column.name.text.clone(),
            ty: self.type_made(column.ty.as_ref()?)?,
            nullable: !constraints.into_iter().any(is_full),
        })
    }

    fn type_made(&self, ty: &ast::TypeName) -> Option<LogicalType> {
        bind_type(ty, self.dialect, &self.instances.types).ok()
    }

    /// The table has other columns from now on.
    fn alter(&mut self, alter: &ast::AlterTable) {
        let span = alter.name.first().map_or_else(Default::default, |part| part.span);
        let Some(mut columns) = self.as_kept(span, |checker| checker.columns_known(&alter.name)) else {
            return;
        };
        let mut name = alter.name.clone();
        for action in &alter.actions {
            match &action.kind {
                AlterActionKind::AddColumn { column, .. } => {
                    let is_there = columns.iter().any(|known| is_called(known, &column.name));
                    match self.column_made(column) {
                        // What rows that are there have is not looked at.
                        Some(field) if !is_there => columns.push(Field {
                            nullable: true,
                            ..field
                        }),
                        Some(_) => {}
                        None => return,
                    }
                }
                AlterActionKind::DropColumn { name, .. } => columns.retain(|known| !is_called(known, name)),
                AlterActionKind::RenameColumn { name, to } => {
                    let named = columns.iter_mut().filter(|known| is_called(known, name));
                    named.for_each(|column| column.name.clone_from(&to.text));
                }
                AlterActionKind::RenameTable { to } => {
                    name.pop();
                    name.push(to.clone());
                }
                AlterActionKind::AlterColumn {
                    name,
                    change: ColumnChange::Type(ty),
                } => {
                    let Some(ty) = self.type_made(ty) else { return };
                    let named = columns.iter_mut().filter(|known| is_called(known, name));
                    named.for_each(|column| column.ty = ty.clone());
                }
                AlterActionKind::AlterColumn {
                    name,
                    change: ColumnChange::DropNotNull,
                } => {
                    let named = columns.iter_mut().filter(|known| is_called(known, name));
                    named.for_each(|column| column.nullable = true);
                }
                AlterActionKind::AlterColumn { .. }
                | AlterActionKind::AddConstraint(_)
                | AlterActionKind::DropConstraint { .. } => {}
            }
        }
        self.made(&name, columns, false);
    }

    /// The columns of a table.
    fn columns_known(&mut self, name: &Path) -> Option<Vec<Field>> {
        let mut relations = self.relations()?;
        let Ok(Some(Named::Table(id))) = relations.by_name(&parts_of(name), None) else {
            return None;
        };
        Some(relations.info(id).shown().to_vec())
    }

    /// Where relations are found, those that the body has made among them.
    pub(super) fn relations(&mut self) -> Option<WithInstances<'_>> {
        let tables: &mut dyn TableResolver = &mut **self.tables.as_mut()?;
        Some(WithInstances {
            tables: Some(tables),
            instances: self.instances,
        })
    }
}

fn parts_of(name: &Path) -> Vec<&str> {
    name.iter().map(|part| part.text.as_str()).collect()
}

fn is_called(field: &Field, name: &ast::Ident) -> bool {
    field.name.eq_ignore_ascii_case(&name.text)
}
