//! Relations in FROM: tables, files, CTEs, derived tables, collections, ranges.
//!
//! `FROM orders o, 'x.parquet', [1, 2] c` is three relations in one scope, joined by cross products that the optimiser
//! turns into joins.
//!
//! Invariants: every relation gets fresh column ids; a CTE hides a table of the same name.
//!
//! Does not: read schemas itself; the resolver does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span, TableRefKind as T};

use super::expr::joined;
use super::scope::{Scope, same};
use super::select::{Block, Place};
use super::{Binder, Bound, Relation, Reported};
use crate::plan::eval;
use crate::plan::logical::{ColumnId, Expr, JoinKind, Plan, TableId};
use crate::plan::{LIVE_COLUMN, Moment, Named, ResolveError};
use crate::types::{Field, LogicalType, Value};

impl<'a> Binder<'a> {
    /// The comma-separated relations of FROM; none: one row without columns.
    pub(super) fn bind_from(&mut self, from: &'a [ast::TableRef]) -> Bound<(Plan, Scope)> {
        let mut whole: Option<(Plan, Scope)> = None;
        let mut failed = false;
        for table in from {
            let left = whole.take();
            let bound = match left {
                Some((plan, scope)) => self.beside(plan, scope, table),
                None => self.table_ref(table),
            };
            match bound {
                Ok(bound) => whole = Some(bound),
                Err(Reported) => failed = true,
            }
        }
        if failed {
            return Err(Reported);
        }
        Ok(whole.unwrap_or_else(|| (Plan::unit(), Scope::default())))
    }

    /// A relation beside those before it, which `unnest`, LATERAL and calls may refer to.
    pub(super) fn beside(&mut self, left: Plan, left_scope: Scope, table: &'a ast::TableRef) -> Bound<(Plan, Scope)> {
        match &table.kind {
            // `a, b, LATERAL c`
            T::Join(join) if join.is_lateral_comma() && table.time.is_none() => {
                let (left, left_scope) = self.beside(left, left_scope, &join.left)?;
                self.next_to(left, left_scope, &join.right, true)
            }
            _ => self.next_to(left, left_scope, table, is_call(table)),
        }
    }

    fn next_to(
        &mut self,
        left: Plan,
        mut left_scope: Scope,
        table: &'a ast::TableRef,
        lateral: bool,
    ) -> Bound<(Plan, Scope)> {
        if let Some(array) = unnest_argument(table) {
            return self.unnest_beside(left, left_scope, table, array);
        }
        let (plan, scope) = match lateral {
            true => self.lateral_ref(&left, &left_scope, table)?,
            false => self.sibling_ref(&left, &left_scope, table)?,
        };
        self.check_names(&left_scope, &scope, table.span)?;
        left_scope.extend(scope);
        let plan = match plan.free_columns().is_disjoint(&left.output_set()) {
            true => cross(left, plan),
            false => self.join_dependent(ast::JoinKind::Cross, (left, plan), Vec::new(), table.span)?,
        };
        Ok((plan, left_scope))
    }

    /// `t, unnest(t.a) AS u`.
    pub(super) fn unnest_beside(
        &mut self,
        left: Plan,
        mut left_scope: Scope,
        table: &'a ast::TableRef,
        array: &'a ast::Expr,
    ) -> Bound<(Plan, Scope)> {
        let mut block = Block::new(left_scope.clone(), Place::Other);
        let before = std::mem::take(&mut self.beside);
        let outer = self.outer.len();
        self.outer.extend(before.iter().cloned());
        let array = self.expr(&mut block, array);
        self.outer.truncate(outer);
        self.beside = before;
        let array = eval::fold(super::entries_of(array?));
        let left = self.attach(left, block.joins_below);
        let mut relation = match array.as_literal() {
            Some(_) => {
                let mut rows = self.array_rows(&array, "unnest")?;
                rows.output.truncate(1);
                rows.plan = cross(left, rows.plan);
                rows
            }
            None => self.unnest_column(left, array)?,
        };
        self.name_elements(table, &mut relation)?;
        let name = table.alias.as_ref().map_or("unnest", |alias| alias.text.as_str());
        let mut scope = Scope::default();
        let columns = relation.output.drain(..).map(|(id, field)| (field.name, id));
        scope.push_relation(Some(name), columns);
        self.check_names(&left_scope, &scope, table.span)?;
        left_scope.extend(scope);
        Ok((relation.plan, left_scope))
    }

    pub(super) fn unnest_column(&mut self, left: Plan, array: Expr) -> Bound<Relation> {
        let LogicalType::Array(item) = &array.ty else {
            let message = format!("`unnest` takes an array, not {}", array.ty);
            return self.fail(Diagnostic::new("42883", array.span, message));
        };
        let item = (**item).clone();
        let element = self.new_column("unnest", item.clone(), true);
        let position = self.new_column("index", LogicalType::BigInt, false);
        Ok(Relation {
            plan: self.unnested(left, array, (element, position)),
            output: vec![(element, field("unnest", item, true))],
        })
    }

    /// An array that must be computed becomes a column of its own.
    pub(super) fn stored(&mut self, left: Plan, array: Expr) -> (Plan, Expr) {
        if crate::plan::physical::is_found(&array) {
            return (left, array);
        }
        let (ty, span) = (array.ty.clone(), array.span);
        let id = self.new_column("array", ty.clone(), true);
        let kept = left.output().into_iter().map(|id| (id, self.column_expr(id, span)));
        let columns = kept.chain([(id, array)]).collect();
        let input = Box::new(left);
        (Plan::Project { input, columns }, Expr::column(id, ty, span))
    }

    /// The elements have the relation's alias as their name, unless they are given one.
    fn name_elements(&mut self, table: &'a ast::TableRef, relation: &mut Relation) -> Bound<()> {
        match (&table.alias, table.columns.first(), relation.output.first_mut()) {
            (_, Some(first), _) => {
                let of = table.alias.as_ref().unwrap_or(first);
                self.rename(relation, &table.columns, of)
            }
            (Some(alias), None, Some((_, field))) => {
                field.name = alias.text.clone();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Two relations of one query cannot have the same name.
    pub(super) fn check_names(&mut self, left: &Scope, right: &Scope, span: Span) -> Bound<()> {
        for name in right.relations() {
            if left.has_relation(&name) {
                let message = format!("relation `{name}` appears twice in FROM");
                return self.fail(Diagnostic::new("42712", span, message).with_help("give one of them an alias"));
            }
        }
        Ok(())
    }

    /// One relation.
    pub(super) fn table_ref(&mut self, table: &'a ast::TableRef) -> Bound<(Plan, Scope)> {
        if let Some(time) = &table.time {
            return self.table_then(table, time);
        }
        self.table_now(table)
    }

    /// One relation, at the moment that the binder is set to.
    pub(super) fn table_now(&mut self, table: &'a ast::TableRef) -> Bound<(Plan, Scope)> {
        let (mut relation, default_name) = match &table.kind {
            T::Join(join) => return self.join(join, table.span),
            T::Name(parts) => {
                let name = parts.last().map_or("", |part| part.text.as_str());
                (
                    self.named_relation(parts, table.time.is_some(), table.span)?,
                    Some(name.to_string()),
                )
            }
            T::Braced(name) => (
                self.braced_rows(name, table.time.is_some(), table.span)?,
                Some(name.text.clone()),
            ),
            T::File(path) => {
                let found = self.tables.by_file(path);
                let id = found.or_else(|error| self.fail(resolve_error(error, table.span)))?;
                (self.scan(id), Some(file_stem(path)))
            }
            T::Query(query) => (self.query(query)?, None),
            T::Collection(expr) => (self.collection(expr)?, None),
            T::Each(expr) => self.each_or_column(table, expr)?,
            T::Function { .. } if let Some(array) = unnest_argument(table) => {
                return self.unnest_beside(Plan::unit(), Scope::default(), table, array);
            }
            T::Function { name, args } => (self.table_function(name, args)?, Some(name.text.to_lowercase())),
        };
        let name = match (&table.alias, &table.kind) {
            (None, _) | (_, T::Each(_)) => default_name,
            (Some(alias), _) => Some(alias.text.clone()),
        };
        if let Some(first) = table.columns.first() {
            let of = table.alias.as_ref().unwrap_or(first);
            self.rename(&mut relation, &table.columns, of)?;
        }
        let mut scope = Scope::default();
        let columns = relation.output.into_iter().map(|(id, field)| (field.name, id));
        scope.push_relation(name.as_deref(), columns);
        Ok((relation.plan, scope))
    }

    pub(super) fn named_relation(&mut self, parts: &'a [ast::Ident], own_time: bool, span: Span) -> Bound<Relation> {
        let cte = match parts {
            [name] => self
                .ctes
                .iter()
                .rposition(|entry| same(&entry.cte.name.text, &name.text)),
            _ => None,
        };
        let rows = match parts {
            [name] => self.step_rows(name, cte),
            _ => None,
        };
        if own_time && (rows.is_some() || cte.is_some()) {
            let message = format!("`{}` is a query; only tables and views have a past", joined(parts));
            return self.fail(Diagnostic::new("42809", span, message));
        }
        match (rows, cte) {
            (Some(rows), _) => return Ok(rows),
            (None, Some(at)) => return self.cte_at(at),
            (None, None) => {}
        }
        let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        match self.tables.by_name(&texts, self.as_of.as_ref()) {
            Ok(Some(Named::Table(id))) => return Ok(self.scan(id)),
            Ok(Some(Named::View(_))) if !matches!(self.as_of, None | Some(Moment::AsOf(_))) => {
                let message = format!("`{}` is a view; only tables have changes", joined(parts));
                return self.fail(Diagnostic::new("42809", span, message));
            }
            Ok(Some(Named::View(view))) => return self.view(*view, parts, span),
            Err(error) => return self.fail(resolve_error(error, span)),
            Ok(None) => {}
        }
        if let [name] = parts {
            if same(&name.text, "dual") {
                return Ok(Relation {
                    plan: Plan::unit(),
                    output: Vec::new(),
                });
            }
            if self.recursive.iter().any(|cte| same(&cte.text, &name.text)) {
                let message = format!("`{}` cannot be referred to here", name.text);
                let help = "a recursive CTE is `base UNION [ALL] step`, and only the step may refer to it";
                return self.fail(Diagnostic::new("42P19", span, message).with_help(help));
            }
        }
        if let [name] = parts
            && let Some(rows) = self.variable_rows(name, span)
        {
            return rows;
        }
        let name = joined(parts);
        let mut error = Diagnostic::new("42P01", span, format!("table `{name}` does not exist"));
        let ctes = self.ctes.iter().map(|entry| entry.cte.name.text.clone());
        let known: Vec<String> = self.tables.names().into_iter().chain(ctes).collect();
        let elsewhere = known
            .iter()
            .find(|known| known.rsplit_once('.').is_some_and(|(_, last)| same(last, &name)));
        error.help = match elsewhere {
            Some(elsewhere) => Some(format!("did you mean `{elsewhere}`?")),
            None => super::names::suggestion(&name, known).or_else(|| self.tables.why_unknown()),
        };
        self.fail(error)
    }

    /// A scan of all columns; pruning drops those that nobody needs.
    pub(super) fn scan(&mut self, table: TableId) -> Relation {
        let info = self.tables.info(table);
        let (name, schema) = (info.name.clone(), info.schema.clone());
        let shown = schema.len() - info.system_columns.min(schema.len());
        let fields = schema.into_iter().enumerate();
        let columns: Vec<(ColumnId, usize, Field)> = fields
            .map(|(at, field)| {
                let id = self.new_column(&field.name, field.ty.clone(), field.nullable);
                (id, at, field)
            })
            .collect();
        let mut plan = Plan::Scan {
            table,
            name,
            columns: columns.iter().map(|(id, at, _)| (*id, *at)).collect(),
            filters: Vec::new(),
        };
        for (id, _, field) in columns.iter().skip(shown) {
            self.system_columns.insert(*id);
            if field.name == LIVE_COLUMN {
                plan = Plan::Filter {
                    input: Box::new(plan),
                    predicates: vec![self.column_expr(*id, Span::default())],
                };
            }
        }
        Relation {
            plan,
            output: columns.into_iter().map(|(id, _, field)| (id, field)).collect(),
        }
    }

    /// `FROM [1, 2, 3]`: columns `value` and `index`.
    pub(super) fn collection(&mut self, expr: &'a ast::Expr) -> Bound<Relation> {
        let ast::ExprKind::Array(items) = &expr.kind else {
            let array = eval::fold(super::entries_of(self.constant(expr, "FROM over an expression")?));
            return self.array_rows(&array, "value");
        };
        if let Some(ast::ExprKind::Struct(_)) = items.first().map(|item| &item.kind) {
            return self.struct_rows(items, expr.span);
        }
        let (items, ty) = self.elements(items, expr.span)?;
        Ok(self.numbered_rows(items, ty, "value"))
    }

    /// The elements of a constant that is an array, and their positions.
    pub(super) fn array_rows(&mut self, array: &Expr, name: &str) -> Bound<Relation> {
        let (items, ty) = match (array.as_literal(), &array.ty) {
            (Some(Value::Array(items)), LogicalType::Array(item)) => (items.clone(), (**item).clone()),
            (_, LogicalType::Array(item)) => (Vec::new(), (**item).clone()),
            (_, LogicalType::Null) => (Vec::new(), LogicalType::Null),
            (_, other) => {
                let message = format!("only an array is a collection, not {other}");
                return self.fail(Diagnostic::new("42809", array.span, message));
            }
        };
        let items = items
            .into_iter()
            .map(|item| Expr::literal(item, ty.clone(), array.span));
        Ok(self.numbered_rows(items.collect(), ty, name))
    }

    /// One row for each of the constants, with its position.
    fn numbered_rows(&mut self, items: Vec<Expr>, ty: LogicalType, name: &str) -> Relation {
        let nullable = items.iter().any(|item| item.as_literal() == Some(&Value::Null));
        let value = self.new_column(name, ty.clone(), nullable);
        let index = self.new_column("index", LogicalType::BigInt, false);
        let rows = items.into_iter().enumerate().map(|(i, item)| {
            let at = i128::try_from(i).unwrap_or(i128::MAX);
            let position = Expr::literal(Value::Int(at), LogicalType::BigInt, item.span);
            vec![item, position]
        });
        Relation {
            plan: Plan::Values {
                columns: vec![value, index],
                rows: rows.collect(),
            },
            output: vec![
                (value, field(name, ty, nullable)),
                (index, field("index", LogicalType::BigInt, false)),
            ],
        }
    }

    /// The elements, constants of one type.
    fn elements(&mut self, items: &'a [ast::Expr], span: Span) -> Bound<(Vec<Expr>, LogicalType)> {
        let bound: Vec<Bound<Expr>> = items.iter().map(|item| self.constant(item, "a collection")).collect();
        let items: Vec<Expr> = bound.into_iter().collect::<Bound<_>>()?;
        let (items, ty) = self.unify_all(items, "the elements", span)?;
        Ok(match ty {
            LogicalType::Null => {
                let ty = LogicalType::BigInt;
                let items = items
                    .into_iter()
                    .map(|e| eval::fold(super::coerce::cast(e, &ty)))
                    .collect();
                (items, LogicalType::BigInt)
            }
            ty => (items, ty),
        })
    }

    /// `FROM [{a: 1}, {a: 2}]`: one column for each field of the first element.
    fn struct_rows(&mut self, items: &'a [ast::Expr], span: Span) -> Bound<Relation> {
        let mut names: Vec<&'a ast::Ident> = Vec::new();
        let mut rows = Vec::with_capacity(items.len());
        for item in items {
            let ast::ExprKind::Struct(fields) = &item.kind else {
                return self.fail(Diagnostic::new("42804", item.span, "the elements have no common type"));
            };
            if names.is_empty() {
                names = fields.iter().map(|(name, _)| name).collect();
            }
            let mut row = Vec::with_capacity(names.len());
            for name in &names {
                let found = fields.iter().find(|(field, _)| same(&field.text, &name.text));
                row.push(match found {
                    Some((_, e)) => self.constant(e, "a collection")?,
                    None => Expr::literal(Value::Null, LogicalType::Null, item.span),
                });
            }
            if let Some((extra, _)) = fields
                .iter()
                .find(|(f, _)| !names.iter().any(|n| same(&n.text, &f.text)))
            {
                let message = format!("the first element has no field `{}`", extra.text);
                return self.fail(Diagnostic::new("42804", extra.span, message));
            }
            rows.push(row);
        }
        let mut relation = self.literal_rows(rows, span)?;
        for ((_, field), name) in relation.output.iter_mut().zip(&names) {
            field.name = name.text.clone();
        }
        Ok(relation)
    }

    /// A block for expressions over one scope.
    pub(super) fn on_block(&self, scope: Scope) -> Block<'a> {
        Block::new(scope, Place::On)
    }
}

pub(super) fn field(name: &str, ty: LogicalType, nullable: bool) -> Field {
    Field {
        name: name.into(),
        ty,
        nullable,
    }
}

/// All pairs; one row without columns is left out.
pub(super) fn cross(left: Plan, right: Plan) -> Plan {
    let unit = |plan: &Plan| matches!(plan, Plan::Values { columns, rows } if columns.is_empty() && rows.len() == 1);
    if unit(&left) {
        return right;
    }
    if unit(&right) {
        return left;
    }
    Plan::Join {
        kind: JoinKind::Inner,
        left: Box::new(left),
        right: Box::new(right),
        keys: Vec::new(),
        null_equal: false,
        residual: Vec::new(),
    }
}

/// A function is called, or an array is gone over, which sees the relations before it.
pub(super) fn is_call(table: &ast::TableRef) -> bool {
    match &table.kind {
        T::Function { .. } => true,
        T::Each(expr) => !matches!(expr.kind, ast::ExprKind::Subquery(_)),
        _ => false,
    }
}

/// The array of `unnest(a)`.
pub(super) fn unnest_argument(table: &ast::TableRef) -> Option<&ast::Expr> {
    match &table.kind {
        T::Function { name, args } if name.text.eq_ignore_ascii_case("unnest") => match args.as_slice() {
            [array] => Some(array),
            _ => None,
        },
        _ => None,
    }
}

pub(super) fn resolve_error(error: ResolveError, span: Span) -> Diagnostic {
    Diagnostic::new(error.code, span, error.message)
}

/// `dir/sales.parquet` may be called `sales`.
fn file_stem(path: &str) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    file.split('.').next().unwrap_or(file).to_string()
}
