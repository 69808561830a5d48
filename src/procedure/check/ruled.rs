//! Exceptions of a table's definition: of its defaults, its generated columns and its checks.
//!
//! With `CHECK (fair(price))`, `insert into item values (5)` may throw what `fair` throws.
//!
//! Invariants: an expression counts where the statement computes it; defaults only where a value may be left out.
//!
//! Does not: look at triggers, which may be made later.

use gobi_grammar::ast::{
    self, Assigned, AssignmentKind, ConflictAction, Ident, InsertSource, MergeAction, QueryBody, Span,
    StatementKind as K, TableRefKind,
};

use super::super::relational;
use super::Checker;
use super::called::names_called;
use crate::plan::change::{Rule, Shape};

impl Checker<'_> {
    /// What the definition of the table that a statement changes may throw.
    pub(super) fn raises_of_definition(&mut self, statement: &ast::Statement) {
        let Some(written) = Written::of(&statement.kind) else {
            return;
        };
        let parts: Vec<&str> = written.target.iter().map(|part| part.text.as_str()).collect();
        let Some(shape) = self.tables.as_mut().and_then(|tables| tables.shape(&parts)) else {
            return;
        };
        for rule in written.rules(&shape) {
            self.raises_of_rule(rule, &shape.name, written.target, statement.span);
        }
    }

    fn raises_of_rule(&mut self, rule: &Rule, table: &str, target: &[Ident], span: Span) {
        if !names_called(&rule.expr).iter().any(|name| self.instances.has(name)) {
            return;
        }
        let mut query = relational::value(rule.expr.clone());
        query.span = span;
        if let QueryBody::Select(select) = &mut query.body {
            let alias = Some(relational::ident(table, span));
            select.from = vec![relational::table(TableRefKind::Name(target.to_vec()), alias, span)];
        }
        let (errors, effects) = (self.errors.len(), self.effects);
        let dialect = std::mem::replace(&mut self.dialect, rule.dialect);
        self.writes = true;
        self.bound_query(&query);
        self.writes = false;
        self.dialect = dialect;
        self.effects = effects;
        self.errors.truncate(errors);
    }
}

/// What a statement writes of a table.
struct Written<'s> {
    target: &'s [Ident],
    /// The columns that are given values in all new rows; `None`: those that its values are as many as.
    given: Option<Vec<&'s str>>,
    /// Some value is written as DEFAULT.
    says_default: bool,
    /// There are new rows.
    adds: bool,
}

impl<'s> Written<'s> {
    fn of(kind: &'s K) -> Option<Self> {
        let mut written = match kind {
            K::Insert(insert) => Self::adding(&insert.target, &insert.columns, &insert.source),
            K::Upsert(upsert) => Self::adding(&upsert.target, &upsert.columns, &upsert.source),
            K::Update(update) => Self::changing(&update.target),
            K::Merge(merge) => Self::changing(&merge.target),
            _ => return None,
        };
        match kind {
            K::Insert(insert) => {
                if let Some(conflict) = &insert.on_conflict
                    && let ConflictAction::Update { set, .. } = &conflict.action
                {
                    written.set(set);
                }
            }
            K::Update(update) => written.set(&update.set),
            K::Merge(merge) => {
                for clause in &merge.clauses {
                    written.arm(&clause.action);
                }
            }
            _ => {}
        }
        Some(written)
    }

    fn changing(target: &'s ast::Target) -> Self {
        Self {
            target: &target.table,
            given: None,
            says_default: false,
            adds: false,
        }
    }

    fn adding(target: &'s ast::Target, columns: &'s [Ident], source: &InsertSource) -> Self {
        let mut written = Self::changing(target);
        written.adds = true;
        written.given = names(columns);
        match source {
            InsertSource::DefaultValues => written.says_default = true,
            InsertSource::Values(rows) => rows.iter().for_each(|row| written.values(row)),
            InsertSource::Query(_) => {}
        }
        written
    }

    fn arm(&mut self, action: &'s MergeAction) {
        match action {
            MergeAction::Update(set) => self.set(set),
            MergeAction::Insert { columns, values } => {
                let here = names(columns);
                // What one arm leaves out has its default.
                self.given = match (self.adds, self.given.take(), here) {
                    (true, Some(before), Some(here)) => {
                        Some(before.into_iter().filter(|name| here.contains(name)).collect())
                    }
                    (true, Some(one), None) | (_, _, Some(one)) => Some(one),
                    _ => None,
                };
                self.adds = true;
                self.values(values);
            }
            MergeAction::InsertDefaults => (self.adds, self.says_default) = (true, true),
            MergeAction::Delete | MergeAction::Nothing => {}
        }
    }

    fn set(&mut self, set: &[ast::Assignment]) {
        for assignment in set {
            match &assignment.kind {
                AssignmentKind::One { value, .. } => self.values(std::slice::from_ref(value)),
                AssignmentKind::Row { values, .. } => self.values(values),
                AssignmentKind::Query { .. } => {}
            }
        }
    }

    fn values(&mut self, values: &[Assigned]) {
        self.says_default |= values.iter().any(|value| matches!(value, Assigned::Default(_)));
    }

    /// The expressions of the definition that are computed.
    fn rules<'r>(&'r self, shape: &'r Shape) -> impl Iterator<Item = &'r Rule> {
        let is_left_out = move |name: &str| match &self.given {
            _ if self.says_default => true,
            Some(given) if self.adds => given.iter().all(|known| !known.eq_ignore_ascii_case(name)),
            _ => false,
        };
        let defaults = shape
            .columns
            .iter()
            .filter(move |column| is_left_out(&column.field.name));
        let defaults = defaults.filter_map(|column| column.default.as_ref());
        let generated = shape.columns.iter().filter_map(|column| column.generated.as_ref());
        defaults.chain(generated).chain(&shape.checks)
    }
}

/// Columns that are named; none are all.
fn names(columns: &[Ident]) -> Option<Vec<&str>> {
    (!columns.is_empty()).then(|| columns.iter().map(|name| name.text.as_str()).collect())
}
