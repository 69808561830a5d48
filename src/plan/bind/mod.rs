//! From syntax tree to typed logical plan: every name becomes a column, every conversion is written out.
//!
//! `SELECT l_tax + 1 FROM lineitem WHERE l_tax > 0.02` becomes a scan of `lineitem` with fresh [`ColumnId`]s, a filter
//! `#7 > 0.02` whose literal has the column's type, and a projection.
//!
//! Invariants: what is returned cannot fail to type; all errors of a query are collected, those that only follow from
//! an earlier one are not; a column id is produced by exactly one operator, so a CTE used twice is
//! bound twice, unless its rows are kept.
//!
//! Does not: choose join orders or move filters; the rules do.

mod aggregate;
mod arithmetic;
mod assign;
mod body;
mod braced;
mod call;
mod called;
pub(super) mod change;
mod coerce;
mod collections;
mod column_names;
mod compare;
mod decorrelate;
mod distinct;
mod domain;
mod each;
mod elements;
mod expansion;
mod expr;
mod from;
mod given;
mod grouping_sets;
mod inline;
mod joins;
mod lambda;
mod lateral;
mod listed;
mod literal;
mod macro_queries;
mod macros;
mod matching;
mod membership;
mod modules;
mod moment;
mod names;
mod nested;
mod order;
mod quantified;
mod recursion;
mod same_texts;
mod scope;
mod select;
mod setop;
mod shared;
mod spread;
mod staged;
mod subquery;
mod table_call;
mod type_name;
mod typed;
mod unnest;
mod view;
mod volatile;
mod window;

use std::collections::HashSet;

use gobi_grammar::ast::{self, Span};
use gobi_grammar::{Diagnostic, Dialect};

pub(super) use body::{bind_scalar, bind_type, converted};
pub(super) use coerce::{common_type, misfit};
pub(super) use column_names::column_name;
pub use expansion::Expansions;
pub use expr::ROWS_OF_TRIGGERS;
pub(super) use lambda::as_numbers;
pub(super) use macro_queries::{holds_query as macro_holds_query, named as macro_named};
pub(super) use macros::{check as check_macro, expand as expand_macro, given as macro_args};
pub(super) use matching::{
    covers_all, never_reached, not_exhaustive, not_in_all, one_of_several, unreachable_arm, with_fields,
};
pub(super) use modules::of_module;
pub(super) use nested::{call as call_of, too_large as too_large_type};
pub(super) use type_name::is_own_type;
pub(super) use typed::entries_of;

use super::logical::{ColumnId, ColumnInfo, Expr, Given, Plan, Query, SubqueryId};
use super::properties;
use super::{Moment, Point, TableResolver};
use crate::types::{Field, LogicalType};
use scope::Scope;

/// Query blocks that one statement may expand to, CTE references included.
const MAX_BLOCKS: usize = 5_000;

/// An error was reported already.
#[derive(Clone, Copy, Debug)]
struct Reported;

/// What a step of binding gives; errors travel through [`Binder::errors`].
type Bound<T> = Result<T, Reported>;

/// A bound relation: its operators and the columns that it shows.
#[derive(Clone, Debug)]
struct Relation {
    plan: Plan,
    output: Vec<(ColumnId, Field)>,
}

/// A CTE in reach, bound anew at each reference unless its rows are kept.
#[derive(Clone, Copy)]
struct CteEntry<'a> {
    cte: &'a ast::Cte,
    /// It sees so many entries of the list, the ones before it.
    sees: usize,
    /// Enclosing scopes where it was defined.
    outer: usize,
    used: bool,
    /// Its query may refer to itself.
    recursive: bool,
    /// Which of all CTEs of the statement it is.
    number: usize,
}

/// The state of binding one statement.
struct Binder<'a> {
    dialect: Dialect,
    tables: &'a mut dyn TableResolver,
    columns: Vec<ColumnInfo>,
    subqueries: Vec<Relation>,
    recursions: Vec<Option<recursion::Made>>,
    /// Recursive CTEs whose steps are being bound.
    steps: Vec<recursion::Step<'a>>,
    /// The CTE whose query comes next, if that may be recursive.
    begun: Option<CteEntry<'a>>,
    errors: Vec<Diagnostic>,
    ctes: Vec<CteEntry<'a>>,
    /// So many CTEs have been declared.
    ctes_declared: usize,
    /// Names of the CTEs whose bodies are being bound, under WITH RECURSIVE.
    recursive: Vec<&'a ast::Ident>,
    /// Scopes of the enclosing query blocks, innermost last.
    outer: Vec<Scope>,
    /// Scopes of the relations of FROM before the one being bound, which only LATERAL sees.
    beside: Vec<Scope>,
    blocks: usize,
    /// Subqueries that became joins.
    attached: usize,
    /// Operators that are there again for those that depend on their rows.
    repeated: usize,
    /// Where the one stands that was bound last.
    last_subquery: ast::Span,
    /// Queries of views that names led to.
    views: &'a elsa::FrozenVec<Box<ast::Query>>,
    /// Names of the views whose queries are being bound.
    in_views: Vec<String>,
    /// The moment that tables are read at, if the statement names one.
    as_of: Option<Moment>,
    /// Columns that `*` does not show.
    system_columns: HashSet<ColumnId>,
    /// What the names of patterns stand for.
    matched: Vec<(&'a str, Expr)>,
    /// Macros around the expression.
    expansions: Expansions,
    /// Functions whose bodies are being bound in the places of calls.
    frames: Vec<inline::Frame>,
    /// An expression of a body is being bound: names are variables.
    in_body: bool,
    /// Somebody catches errors of that expression.
    tried: bool,
    /// Values that the query is to be given each time it runs.
    given: Vec<Given>,
    /// Calls are made for rows.
    calls: bool,
    /// The branches of CASE around the expression, as far as they are of its block.
    branches: Vec<called::Branches>,
}

/// Binds one query; see [`super::bind`].
pub(super) fn bind(
    query: &ast::Query,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<Query, Vec<Diagnostic>> {
    run(query, None, dialect, tables)
}

/// Binds a query whose rows go into columns; see [`super::bind_into`].
pub(super) fn bind_into(
    query: &ast::Query,
    wanted: &[Field],
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<Query, Vec<Diagnostic>> {
    run(query, Some(wanted), dialect, tables)
}

fn run(
    query: &ast::Query,
    wanted: Option<&[Field]>,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<Query, Vec<Diagnostic>> {
    let views = elsa::FrozenVec::new();
    let mut binder = new_binder(dialect, tables, &views);
    let bound = binder.query(query).and_then(|relation| match wanted {
        Some(wanted) => binder.assign(relation, wanted, query.span),
        None => Ok(relation),
    });
    finish(binder, bound)
}

/// A point of the timeline; see [`super::bind_point`].
pub(super) fn bind_point(
    when: &ast::When,
    dialect: Dialect,
    tables: &mut dyn TableResolver,
) -> Result<Point, Vec<Diagnostic>> {
    let views = elsa::FrozenVec::new();
    let mut binder = new_binder(dialect, tables, &views);
    let point = binder.point(when);
    point.map_err(|Reported| binder.errors)
}

fn new_binder<'a>(
    dialect: Dialect,
    tables: &'a mut dyn TableResolver,
    views: &'a elsa::FrozenVec<Box<ast::Query>>,
) -> Binder<'a> {
    let tried = tables.catches_errors();
    Binder {
        tried,
        ..Binder::new(dialect, tables, views)
    }
}

fn finish(mut binder: Binder<'_>, bound: Bound<Relation>) -> Result<Query, Vec<Diagnostic>> {
    let cut = bound.and_then(|mut relation| {
        binder.no_outer_columns(&relation)?;
        Ok((binder.cut_calls(&mut relation)?, relation))
    });
    match cut {
        Ok((cuts, relation)) => Ok(binder.finish(relation, cuts)),
        Err(Reported) => {
            binder.errors.sort_by_key(|d| (d.span().start, d.span().end));
            binder.errors.dedup();
            Err(binder.errors)
        }
    }
}

impl<'a> Binder<'a> {
    fn new(dialect: Dialect, tables: &'a mut dyn TableResolver, views: &'a elsa::FrozenVec<Box<ast::Query>>) -> Self {
        Binder {
            dialect,
            tables,
            columns: Vec::new(),
            subqueries: Vec::new(),
            recursions: Vec::new(),
            steps: Vec::new(),
            begun: None,
            errors: Vec::new(),
            ctes: Vec::new(),
            ctes_declared: 0,
            recursive: Vec::new(),
            outer: Vec::new(),
            beside: Vec::new(),
            blocks: 0,
            attached: 0,
            repeated: 0,
            last_subquery: ast::Span::default(),
            views,
            in_views: Vec::new(),
            as_of: None,
            system_columns: HashSet::new(),
            matched: Vec::new(),
            expansions: Expansions::default(),
            frames: Vec::new(),
            in_body: false,
            tried: false,
            given: Vec::new(),
            calls: false,
            branches: Vec::new(),
        }
    }

    /// An error if there was one before, or something depends on rows that are nowhere.
    fn no_outer_columns(&mut self, relation: &Relation) -> Bound<()> {
        if !self.errors.is_empty() {
            return Err(Reported);
        }
        match self.attached > 0 && !relation.plan.free_columns().is_empty() {
            true => self.unsupported("a correlated subquery in such a place is", self.last_subquery),
            false => Ok(()),
        }
    }

    fn finish(self, relation: Relation, cuts: Vec<staged::Cut>) -> Query {
        let program = self.tables.program();
        let whole = |relation: Relation| Query {
            root: relation.plan,
            output: relation.output,
            columns: self.columns.clone(),
            subqueries: Vec::new(),
            recursions: Vec::new(),
            program: program.clone(),
            given: Vec::new(),
            stages: Vec::new(),
        };
        let subqueries: Vec<Query> = self.subqueries.into_iter().map(whole).collect();
        let recursions = self.recursions.into_iter().flatten().map(|made| made.recursion(whole));
        let recursions: Vec<_> = recursions.collect();
        let stages = cuts.into_iter().map(|cut| cut.stage(whole)).collect();
        Query {
            subqueries,
            recursions,
            stages,
            given: self.given,
            ..whole(relation)
        }
    }

    /// Binds a query with its CTEs, order and limit.
    fn query(&mut self, query: &'a ast::Query) -> Bound<Relation> {
        let Some(when) = &query.as_of else {
            return self.query_now(query);
        };
        let point = self.point(when)?;
        let outer = self.as_of.replace(Moment::AsOf(point));
        let bound = self.query_now(query);
        self.as_of = outer;
        bound
    }

    fn query_now(&mut self, query: &'a ast::Query) -> Bound<Relation> {
        self.blocks += 1;
        if self.blocks > MAX_BLOCKS {
            let message = "the statement expands to too many query blocks";
            return self.fail(Diagnostic::new("54001", query.span, message));
        }
        let before = self.ctes.len();
        self.declare_ctes(&query.ctes, query.recursive);
        let branches = std::mem::take(&mut self.branches);
        let beside = std::mem::take(&mut self.beside);
        let bound = self.query_body(query);
        (self.branches, self.beside) = (branches, beside);
        let unused = self.check_unused_ctes(before);
        self.ctes.truncate(before);
        unused.and(bound)
    }

    fn query_body(&mut self, query: &'a ast::Query) -> Bound<Relation> {
        let begun = self.begun.take();
        let relation = match &query.body {
            ast::QueryBody::Select(select) => match same_texts::keys_in_place(query, self.dialect) {
                Some(again) => {
                    let again: &'a ast::Query = self.views.push_get(Box::new(again));
                    match &again.body {
                        ast::QueryBody::Select(select) => self.select(select, &again.order_by),
                        _ => Err(Reported),
                    }
                }
                None => self.select(select, &query.order_by),
            },
            ast::QueryBody::Values(rows) => self
                .values(rows, query.span)
                .and_then(|r| self.order(r, &query.order_by)),
            ast::QueryBody::SetOp { op, all, inputs } => {
                let relation = match begun {
                    Some(cte) if *op == ast::SetOp::Union => self.recursion(cte, *all, inputs),
                    _ => self.set_operation(*op, *all, inputs),
                };
                relation.and_then(|r| self.order(r, &query.order_by))
            }
            ast::QueryBody::Nested(inner) => self.query(inner).and_then(|r| self.order(r, &query.order_by)),
            ast::QueryBody::Stream(_) => {
                let message = "STREAM stands before a query by itself, not inside of another statement";
                let help = "write `let s = stream select …`, or `for r in stream select … {…}`";
                self.fail(Diagnostic::new("42601", query.span, message).with_help(help))
            }
        };
        let limits = self.limits(query);
        let (limit, offset) = limits?;
        let mut relation = relation?;
        if limit.is_some() || offset > 0 {
            relation.plan = Plan::Limit {
                input: Box::new(relation.plan),
                limit,
                offset,
            };
        }
        Ok(relation)
    }

    fn declare_ctes(&mut self, ctes: &'a [ast::Cte], recursive: bool) {
        for (i, cte) in ctes.iter().enumerate() {
            if ctes
                .iter()
                .take(i)
                .any(|other| scope::same(&other.name.text, &cte.name.text))
            {
                let message = format!("CTE `{}` is defined twice", cte.name.text);
                self.errors.push(Diagnostic::new("42712", cte.name.span, message));
            }
            let entry = CteEntry {
                cte,
                sees: self.ctes.len(),
                outer: self.outer.len(),
                used: false,
                recursive,
                number: self.ctes_declared,
            };
            self.ctes_declared += 1;
            self.ctes.push(entry);
            if recursive {
                self.recursive.push(&cte.name);
            }
        }
    }

    /// Errors in a CTE count even if nothing refers to it.
    fn check_unused_ctes(&mut self, from: usize) -> Bound<()> {
        let mut result = Ok(());
        for at in from..self.ctes.len() {
            if self.ctes.get(at).is_some_and(|entry| !entry.used) {
                result = result.and(self.cte_at(at).map(|_| ()));
            }
        }
        result
    }

    /// Binds the CTE at a position of the list, as seen from where it was defined.
    fn cte_at(&mut self, at: usize) -> Bound<Relation> {
        let Some(entry) = self.ctes.get_mut(at) else {
            return Err(Reported);
        };
        entry.used = true;
        let entry = *entry;
        if let Some(rows) = self.rows_of_cte(entry.number) {
            return Ok(rows);
        }
        let hidden_ctes = self.ctes.split_off(entry.sees);
        let hidden_scopes = self.outer.split_off(entry.outer);
        let in_reach = self.steps.partition_point(|step| step.sees <= entry.sees);
        let hidden_steps = self.steps.split_off(in_reach);
        self.begun = entry.recursive.then_some(entry);
        let relation = self.query(&entry.cte.query);
        self.ctes.truncate(entry.sees);
        self.ctes.extend(hidden_ctes);
        self.outer.extend(hidden_scopes);
        self.steps.extend(hidden_steps);
        let mut relation = relation?;
        self.rename(&mut relation, &entry.cte.columns, &entry.cte.name)?;
        let is_kept = entry.cte.materialized == Some(true) || self.varies(&relation.plan);
        Ok(match is_kept && self.can_be_kept(&relation.plan) {
            true => self.kept_cte(relation, &entry.cte.name.text, entry.number),
            false => relation,
        })
    }

    /// Applies `name(a, b)`; fewer names than columns leave the rest as they are.
    fn rename(&mut self, relation: &mut Relation, names: &[ast::Ident], of: &ast::Ident) -> Bound<()> {
        if names.len() > relation.output.len() {
            let message = format!(
                "`{}` has {} columns, but {} names are given",
                of.text,
                relation.output.len(),
                names.len()
            );
            return self.fail(Diagnostic::new("42P10", of.span, message));
        }
        for ((_, field), name) in relation.output.iter_mut().zip(names) {
            field.name = name.text.clone();
        }
        Ok(())
    }

    /// Reports an error.
    fn fail<T>(&mut self, diagnostic: Diagnostic) -> Bound<T> {
        self.errors.push(diagnostic);
        Err(Reported)
    }

    /// Reports that something cannot be run yet.
    fn unsupported<T>(&mut self, what: &str, span: Span) -> Bound<T> {
        self.fail(Diagnostic::new("0A000", span, format!("{what} not supported yet")))
    }

    /// A new column.
    fn new_column(&mut self, name: impl Into<String>, ty: LogicalType, nullable: bool) -> ColumnId {
        let id = ColumnId(u32::try_from(self.columns.len()).unwrap_or(u32::MAX));
        self.columns.push(ColumnInfo {
            name: name.into(),
            ty,
            nullable,
        });
        id
    }

    fn info(&self, id: ColumnId) -> &ColumnInfo {
        &self.columns[id.0 as usize]
    }

    /// The column as an expression.
    fn column_expr(&self, id: ColumnId, span: Span) -> Expr {
        Expr::column(id, self.info(id).ty.clone(), span)
    }

    /// The columns of a plan that may be NULL.
    fn nullable_columns(&self, plan: &Plan) -> HashSet<ColumnId> {
        let mut set = properties::nullable_columns(plan, &self.columns);
        let names = self.frames.iter().flat_map(inline::Frame::names);
        set.extend(names.filter(|id| self.info(*id).nullable));
        set
    }

    fn add_subquery(&mut self, relation: Relation) -> SubqueryId {
        let id = SubqueryId(u32::try_from(self.subqueries.len()).unwrap_or(u32::MAX));
        self.subqueries.push(relation);
        id
    }
}
