//! One SELECT block: FROM, WHERE, GROUP BY, HAVING, the select list, DISTINCT, ORDER BY, in that order of meaning.
//!
//! `SELECT a, sum(b) s FROM t WHERE c GROUP BY a HAVING s > 1 ORDER BY s` becomes
//! `Sort (Filter s > 1 (Aggregate a, sum(b) (Filter c (Scan t))))`; computed items add a projection below the sort.
//!
//! Invariants: an item that is a plain column keeps its column id; everything else gets a new one; columns that only
//! ORDER BY needs are produced but not listed in the output.
//!
//! Does not: bind expressions or relations itself.

use std::collections::HashSet;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Distinct, ExprKind as K, GroupBy, SelectItem};

use super::aggregate::Grouping;
use super::distinct::can_be_run_again;
use super::grouping_sets::Sets;
use super::scope::{Scope, same};
use super::subquery::Attach;
use super::unnest::PendingUnnest;
use super::window::PendingWindow;
use super::{Binder, Bound, Relation, Reported};
use crate::plan::logical::{Aggregate, ColumnId, Expr, Plan, SortKey};
use crate::plan::properties;
use crate::types::Field;

/// Where in a block an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// WHERE.
    Where,
    /// GROUP BY.
    GroupBy,
    /// The select list.
    Select,
    /// HAVING.
    Having,
    /// QUALIFY.
    Qualify,
    /// ORDER BY.
    Order,
    /// A join condition.
    On,
    /// The argument of an aggregate.
    Aggregate,
    /// VALUES, LIMIT, arguments of table functions.
    Other,
}

/// The state of binding one block.
pub(super) struct Block<'a> {
    /// Columns in reach.
    pub(super) scope: Scope,
    /// Where the expression being bound stands.
    pub(super) place: Place,
    /// Names of the select list and what they stand for.
    pub(super) aliases: Vec<(&'a str, &'a ast::Expr)>,
    /// An alias is not being expanded already.
    pub(super) aliases_open: bool,
    /// Aggregates so far.
    pub(super) aggregates: Vec<(ColumnId, Aggregate)>,
    /// Subqueries to join below the grouping.
    pub(super) joins_below: Vec<Attach>,
    /// Subqueries to join above the grouping, if there is one.
    pub(super) joins_above: Vec<Attach>,
    /// Columns of the block's FROM that are never NULL.
    pub(super) present: HashSet<ColumnId>,
    /// The block's FROM.
    pub(super) from: &'a [ast::TableRef],
    /// Window functions so far.
    pub(super) windows: Vec<PendingWindow>,
    /// The expression being bound belongs to a window function.
    pub(super) in_window: bool,
    /// What ROLLUP and the like stand for.
    pub(super) sets: Option<Sets>,
    /// The select list may spread an array over several rows.
    pub(super) spreads: bool,
    /// The arrays that it spreads.
    pub(super) unnest: Vec<PendingUnnest>,
    /// Keys of GROUP BY that are made of subqueries, as written: the same elsewhere is the key.
    pub(super) asked_keys: Vec<(&'a ast::Expr, Expr)>,
}

impl<'a> Block<'a> {
    pub(super) fn new(scope: Scope, place: Place) -> Self {
        Block {
            scope,
            place,
            aliases: Vec::new(),
            aliases_open: true,
            aggregates: Vec::new(),
            joins_below: Vec::new(),
            joins_above: Vec::new(),
            present: HashSet::new(),
            from: &[],
            windows: Vec::new(),
            in_window: false,
            sets: None,
            spreads: false,
            unnest: Vec::new(),
            asked_keys: Vec::new(),
        }
    }

    /// The key of GROUP BY that an expression is, if that is made of subqueries.
    pub(super) fn asked_key(&self, e: &ast::Expr) -> Option<Expr> {
        let known = self.asked_keys.iter().find(|(key, _)| *key == e);
        known.map(|(_, key)| key.clone())
    }

    /// An expression over the block's columns may be NULL.
    pub(super) fn may_be_null(&self, binder: &Binder<'_>, expr: &Expr) -> bool {
        let from: HashSet<ColumnId> = self.scope.columns.iter().flat_map(|c| [c.id, c.bare_id()]).collect();
        let nullable = expr.columns().into_iter().filter(|id| match from.contains(id) {
            true => !self.present.contains(id),
            false => binder.info(*id).nullable,
        });
        properties::may_be_null(expr, &nullable.collect())
    }

    /// The expression behind an alias, where aliases are in reach.
    pub(super) fn alias(&self, name: &str) -> Option<&'a ast::Expr> {
        let open = matches!(
            self.place,
            Place::GroupBy | Place::Having | Place::Qualify | Place::Order | Place::Aggregate
        );
        let found = self.aliases.iter().find(|(alias, _)| same(alias, name));
        found.filter(|_| open && self.aliases_open).map(|(_, e)| *e)
    }

    /// The name is an alias, but not here.
    pub(super) fn alias_out_of_reach(&self, parts: &[ast::Ident]) -> bool {
        matches!(parts, [name] if self.aliases.iter().any(|(alias, _)| same(alias, &name.text)))
    }

    /// Where a subquery of the expression being bound is joined.
    pub(super) fn joins(&mut self) -> &mut Vec<Attach> {
        match self.place {
            Place::Select | Place::Having | Place::Qualify | Place::Order => &mut self.joins_above,
            _ => &mut self.joins_below,
        }
    }
}

/// One column of the block's result, shown or only sorted by.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) expr: Expr,
    pub(super) name: String,
    pub(super) shown: bool,
}

/// What stands above the grouping of a block.
pub(super) struct Above<'s> {
    items: &'s mut [Item],
    qualify: &'s mut [Expr],
    windows: &'s mut [PendingWindow],
    unnest: &'s mut [PendingUnnest],
    /// Subqueries and calls for values of window functions.
    over_windows: &'s mut [Attach],
}

impl Above<'_> {
    fn for_each_expr(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        self.items.iter_mut().for_each(|item| f(&mut item.expr));
        self.qualify.iter_mut().for_each(&mut *f);
        self.windows.iter_mut().for_each(|window| window.for_each_expr(f));
        self.unnest.iter_mut().for_each(|unnest| f(&mut unnest.array));
        self.over_windows.iter_mut().for_each(|join| join.for_each_outer(f));
    }
}

/// A sort key by position in the list of items.
pub(super) struct OrderBy {
    pub(super) item: usize,
    pub(super) desc: bool,
    pub(super) nulls_first: bool,
}

/// Takes what is joined for values of window functions, and for values of that.
fn take_over_windows(joins: &mut Vec<Attach>, windows: &[PendingWindow]) -> Vec<Attach> {
    let mut computed: HashSet<ColumnId> = windows.iter().map(|window| window.id).collect();
    let mut taken = Vec::new();
    for mut join in std::mem::take(joins) {
        let mut is_over = false;
        join.for_each_outer(&mut |outer| is_over |= !outer.columns().is_disjoint(&computed));
        match is_over {
            true => {
                computed.extend(join.output());
                taken.push(join);
            }
            false => joins.push(join),
        }
    }
    taken
}

impl<'a> Binder<'a> {
    /// Binds a SELECT with the ORDER BY of its query.
    pub(super) fn select(&mut self, select: &'a ast::Select, order_by: &'a ast::OrderBy) -> Bound<Relation> {
        let (plan, scope) = self.bind_from(&select.from)?;
        let mut block = Block::new(scope, Place::Where);
        block.aliases = aliases(select);
        block.from = &select.from;
        block.spreads = true;
        let nullable = self.nullable_columns(&plan);
        block.present = plan.output().into_iter().filter(|id| !nullable.contains(id)).collect();
        let plan = self.where_clause(&mut block, plan, select.filter.as_ref());
        let keys = self.group_by(&mut block, select);
        block.place = Place::Select;
        let items = self.select_items(&mut block, select);
        block.place = Place::Having;
        let having = match &select.having {
            Some(having) => self.conjuncts(&mut block, having),
            None => Ok(Vec::new()),
        };
        block.place = Place::Qualify;
        let qualify = match &select.qualify {
            Some(qualify) => self.conjuncts(&mut block, qualify),
            None => Ok(Vec::new()),
        };
        let (mut items, having, mut qualify) = (items?, having?, qualify?);
        block.place = Place::Order;
        let distinct = select.distinct == Distinct::Yes;
        let order = self.order_items(&mut block, order_by, &mut items, distinct);
        let on = self.distinct_on(&mut block, &select.distinct, &mut items);
        let (plan, keys, order, on) = (plan?, keys?, order?, on?);

        let keys = self.group_by_all(select, &block, &items, keys);
        block.compute_below(&keys);
        let grouped = !keys.is_empty()
            || !block.aggregates.is_empty()
            || select.having.is_some()
            || !matches!(select.group_by, GroupBy::None | GroupBy::All);
        let below = std::mem::take(&mut block.joins_below);
        let plan = self.attach(plan, below);
        let mut windows = std::mem::take(&mut block.windows);
        let mut unnest = std::mem::take(&mut block.unnest);
        let mut over_windows = take_over_windows(&mut block.joins_above, &windows);
        let mut outside = Above {
            items: &mut items,
            qualify: &mut qualify,
            windows: &mut windows,
            unnest: &mut unnest,
            over_windows: &mut over_windows,
        };
        let plan = match grouped {
            true => self.grouped(plan, block, keys, having, &mut outside)?,
            false => self.attach(plan, block.joins_above),
        };
        let plan = self.compute_windows(plan, windows);
        let plan = self.attach_filtered(plan, over_windows, qualify);
        let mut plan = self.spread(plan, unnest)?;
        if !on.is_empty() {
            let key = |at: usize| items.get(at).map(|item| item.expr.clone());
            let partition = on.into_iter().filter_map(key).collect();
            let order_keys = order
                .iter()
                .filter_map(|by| Some((key(by.item)?, by.desc, by.nulls_first)));
            plan = self.first_rows(plan, partition, order_keys.collect());
        }
        Ok(self.assemble(plan, items, order, distinct))
    }

    /// The items that DISTINCT ON names; those that are not selected are added.
    fn distinct_on(
        &mut self,
        block: &mut Block<'a>,
        distinct: &'a Distinct,
        items: &mut Vec<Item>,
    ) -> Bound<Vec<usize>> {
        let Distinct::On(exprs) = distinct else {
            return Ok(Vec::new());
        };
        let mut on = Vec::with_capacity(exprs.len());
        for expr in exprs {
            on.extend(self.order_item(block, expr, items, false)?);
        }
        Ok(on)
    }

    pub(super) fn where_clause(
        &mut self,
        block: &mut Block<'a>,
        plan: Plan,
        filter: Option<&'a ast::Expr>,
    ) -> Bound<Plan> {
        let Some(filter) = filter else { return Ok(plan) };
        let predicates = self.conjuncts(block, filter)?;
        let joins = std::mem::take(&mut block.joins_below);
        Ok(self.attach_filtered(plan, joins, predicates))
    }

    fn group_by(&mut self, block: &mut Block<'a>, select: &'a ast::Select) -> Bound<Vec<Expr>> {
        block.place = Place::GroupBy;
        let items = match &select.group_by {
            GroupBy::None | GroupBy::All => return Ok(Vec::new()),
            GroupBy::Sets(items) => return self.grouping_sets(block, select, items),
            GroupBy::Items(items) => items,
        };
        let mut keys: Vec<Expr> = Vec::with_capacity(items.len());
        let mut failed = false;
        for item in items {
            let bound = self.group_item(block, select, item);
            match bound {
                Ok(key) if keys.contains(&key) => {}
                Ok(key) => keys.push(key),
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(keys) }
    }

    /// A key; an integer literal is the position of a select item.
    pub(super) fn group_item(
        &mut self,
        block: &mut Block<'a>,
        select: &'a ast::Select,
        item: &'a ast::Expr,
    ) -> Bound<Expr> {
        let K::Literal(ast::Literal::Integer(position)) = &item.kind else {
            let aliased = match &item.kind {
                K::Name(path) if path.len() == 1 => path.first().and_then(|name| block.alias(&name.text)),
                _ => None,
            };
            return self.group_key(block, item, aliased.unwrap_or(item));
        };
        let at = position.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        match at.and_then(|at| select.items.get(at)) {
            Some(SelectItem::Expr { expr, .. }) => self.group_key(block, expr, expr),
            Some(SelectItem::Star { .. }) => self.unsupported("GROUP BY the position of `*` is", item.span),
            None => {
                let message = format!("GROUP BY position {position} is not in the select list");
                self.fail(Diagnostic::new("42P10", item.span, message))
            }
        }
    }

    /// A key, and what it is written as, be it by an alias.
    fn group_key(&mut self, block: &mut Block<'a>, item: &'a ast::Expr, meant: &'a ast::Expr) -> Bound<Expr> {
        let joins = block.joins_below.len();
        let key = self.expr(block, item)?;
        if block.joins_below.len() > joins {
            block.asked_keys.push((meant, key.clone()));
        }
        Ok(key)
    }

    /// `GROUP BY ALL`: every item without an aggregate.
    fn group_by_all(&self, select: &ast::Select, block: &Block<'a>, items: &[Item], keys: Vec<Expr>) -> Vec<Expr> {
        if select.group_by != GroupBy::All {
            return keys;
        }
        let mut made: HashSet<ColumnId> = block.aggregates.iter().map(|(id, _)| *id).collect();
        made.extend(block.windows.iter().map(|window| window.id));
        made.extend(block.unnest.iter().map(|unnest| unnest.element));
        let mut out: Vec<Expr> = Vec::new();
        for item in items.iter().filter(|item| item.shown && !item.expr.is_constant()) {
            let plain = item.expr.columns().is_disjoint(&made);
            if plain && !out.contains(&item.expr) {
                out.push(item.expr.clone());
            }
        }
        out
    }

    fn select_items(&mut self, block: &mut Block<'a>, select: &'a ast::Select) -> Bound<Vec<Item>> {
        if select.items.is_empty() {
            let span = select.span;
            return self.star(&block.scope, None, &[], span);
        }
        self.items(block, &select.items)
    }

    /// A list of items.
    pub(super) fn items(&mut self, block: &mut Block<'a>, list: &'a [SelectItem]) -> Bound<Vec<Item>> {
        let mut items = Vec::with_capacity(list.len());
        let mut failed = false;
        for item in list {
            let bound = match item {
                SelectItem::Star {
                    qualifier,
                    exclude,
                    span,
                } => self.star(&block.scope, qualifier.as_ref(), exclude, *span),
                SelectItem::Expr { expr, alias } => self.expr(block, expr).map(|bound| {
                    let name = alias
                        .as_ref()
                        .map_or_else(|| self.name_of_column(expr), |a| a.text.clone());
                    vec![Item {
                        expr: bound,
                        name,
                        shown: true,
                    }]
                }),
            };
            match bound {
                Ok(bound) => items.extend(bound),
                Err(Reported) => failed = true,
            }
        }
        if failed { Err(Reported) } else { Ok(items) }
    }

    fn star(
        &mut self,
        scope: &Scope,
        qualifier: Option<&ast::Ident>,
        exclude: &[ast::Ident],
        span: ast::Span,
    ) -> Bound<Vec<Item>> {
        let mut columns: Vec<(String, ColumnId)> = match qualifier {
            Some(q) => scope.relation(&q.text).map(|c| (c.name.clone(), c.id)).collect(),
            None => {
                let shown = scope.columns.iter().filter(|c| !c.hidden);
                shown.map(|c| (c.name.clone(), c.bare_id())).collect()
            }
        };
        columns.retain(|(_, id)| !self.system_columns.contains(id));
        if let Some(q) = qualifier.filter(|_| columns.is_empty()) {
            return self.no_such_relation(scope, q);
        }
        if columns.is_empty() {
            return self.fail(Diagnostic::new("42601", span, "`*` needs a FROM"));
        }
        for name in exclude {
            if !columns.iter().any(|(column, _)| same(column, &name.text)) {
                let mut error = Diagnostic::new("42703", name.span, format!("column `{}` does not exist", name.text));
                error.help = super::names::suggestion(&name.text, scope.names());
                return self.fail(error);
            }
        }
        let kept = columns
            .into_iter()
            .filter(|(column, _)| !exclude.iter().any(|name| same(column, &name.text)));
        Ok(kept
            .map(|(name, id)| Item {
                expr: self.column_expr(id, span),
                name,
                shown: true,
            })
            .collect())
    }

    fn no_such_relation<T>(&mut self, scope: &Scope, q: &ast::Ident) -> Bound<T> {
        if scope.is_gone(&q.text) {
            let message = format!("the columns of `{}` do not come out of its SEMI or ANTI join", q.text);
            let help = "such a join gives the columns of its left side only; use INNER JOIN or LEFT JOIN";
            return self.fail(Diagnostic::new("42P01", q.span, message).with_help(help));
        }
        let mut error = Diagnostic::new("42P01", q.span, format!("relation `{}` is not in FROM", q.text));
        error.help = super::names::suggestion(&q.text, scope.relations());
        self.fail(error)
    }

    /// Keys with their columns: a key that is a column keeps its own.
    fn named_keys(&mut self, plan: &Plan, keys: Vec<Expr>, items: &[Item]) -> Vec<(ColumnId, Expr)> {
        let input = plan.output_set();
        let nullable = self.nullable_columns(plan);
        let mut named_keys: Vec<(ColumnId, Expr)> = Vec::with_capacity(keys.len());
        for key in keys {
            let id = match key.as_column().filter(|id| input.contains(id)) {
                Some(id) => id,
                None => {
                    let name = items
                        .iter()
                        .find(|item| item.expr == key)
                        .map_or("key", |item| item.name.as_str());
                    self.new_column(name, key.ty.clone(), properties::may_be_null(&key, &nullable))
                }
            };
            named_keys.push((id, key));
        }
        named_keys
    }

    /// Groups, filters the groups, and rewrites the items for above.
    fn grouped(
        &mut self,
        plan: Plan,
        block: Block<'a>,
        keys: Vec<Expr>,
        having: Vec<Expr>,
        outside: &mut Above<'_>,
    ) -> Bound<Plan> {
        let input = plan.output_set();
        let sets = block.sets.clone();
        let named_keys = match &sets {
            Some(sets) => self.columns_of_sets(sets),
            None => self.named_keys(&plan, keys, outside.items),
        };
        let grouping = Grouping {
            keys: &named_keys,
            input: &input,
            scope: &block.scope,
        };
        let mut failed = false;
        let mut above = |binder: &mut Self, expr: Expr| match binder.above_grouping(expr.clone(), &grouping) {
            Ok(new) => new,
            Err(Reported) => {
                failed = true;
                expr
            }
        };
        outside.for_each_expr(&mut |e| *e = above(self, e.clone()));
        let having: Vec<Expr> = having.into_iter().map(|e| above(self, e)).collect();
        let mut joins = block.joins_above;
        for join in &mut joins {
            join.for_each_outer(&mut |e| *e = above(self, e.clone()));
        }
        if failed {
            return Err(Reported);
        }
        let again = sets.is_none() && can_be_run_again(&plan, &named_keys);
        let mut rewritten = self.rewrite_distinct(block.aggregates, again)?;
        let aggregates = std::mem::take(&mut rewritten.aggregates);
        let grouped = match sets {
            Some(sets) => self.group_sets(plan, &named_keys, &sets, aggregates),
            None => self.group_by_argument(plan, named_keys, aggregates),
        };
        let grouped = rewritten.finish(self, grouped);
        Ok(self.attach_filtered(grouped, joins, having))
    }

    /// Projection, DISTINCT and sort on top of everything.
    pub(super) fn assemble(&mut self, plan: Plan, items: Vec<Item>, order: Vec<OrderBy>, distinct: bool) -> Relation {
        let (mut plan, ids) = self.project(plan, &items);
        let shown = items.iter().zip(&ids).filter(|(item, _)| item.shown);
        let nullable = self.nullable_columns(&plan);
        let output: Vec<(ColumnId, Field)> = shown
            .map(|(item, id)| {
                let field = Field {
                    name: item.name.clone(),
                    ty: item.expr.ty.clone(),
                    nullable: nullable.contains(id),
                };
                (*id, field)
            })
            .collect();
        if distinct {
            plan = self.distinct(plan, &output);
        }
        let mut keys: Vec<SortKey> = Vec::with_capacity(order.len());
        for key in order {
            let Some(column) = ids.get(key.item).copied() else {
                continue;
            };
            if !keys.iter().any(|known| known.column == column) {
                keys.push(SortKey {
                    column,
                    desc: key.desc,
                    nulls_first: key.nulls_first,
                });
            }
        }
        if !keys.is_empty() {
            plan = Plan::Sort {
                input: Box::new(plan),
                keys,
                limit: None,
            };
        }
        Relation { plan, output }
    }

    /// Computes the items; without need no projection is made.
    fn project(&mut self, plan: Plan, items: &[Item]) -> (Plan, Vec<ColumnId>) {
        let input = plan.output_set();
        let nullable = self.nullable_columns(&plan);
        let mut made: Vec<(ColumnId, Expr)> = Vec::with_capacity(items.len());
        let mut ids = Vec::with_capacity(items.len());
        let mut computes = false;
        for item in items {
            let known = made.iter().find(|(_, e)| *e == item.expr).map(|(id, _)| *id);
            let id = known.or_else(|| item.expr.as_column().filter(|id| input.contains(id)));
            let id = id.unwrap_or_else(|| {
                computes = true;
                let null = properties::may_be_null(&item.expr, &nullable);
                self.new_column(&item.name, item.expr.ty.clone(), null)
            });
            if known.is_none() {
                made.push((id, item.expr.clone()));
            }
            ids.push(id);
        }
        if !computes {
            return (plan, ids);
        }
        let plan = Plan::Project {
            input: Box::new(plan),
            columns: made,
        };
        (plan, ids)
    }

    /// Distinct rows of the shown columns.
    pub(super) fn distinct(&self, plan: Plan, output: &[(ColumnId, Field)]) -> Plan {
        let mut keys: Vec<(ColumnId, Expr)> = Vec::with_capacity(output.len());
        for (id, _) in output {
            if !keys.iter().any(|(known, _)| known == id) {
                keys.push((*id, self.column_expr(*id, ast::Span::default())));
            }
        }
        Plan::Aggregate {
            input: Box::new(plan),
            keys,
            aggregates: Vec::new(),
        }
    }
}

fn aliases(select: &ast::Select) -> Vec<(&str, &ast::Expr)> {
    let named = select.items.iter().filter_map(|item| match item {
        SelectItem::Expr {
            expr,
            alias: Some(alias),
        } => Some((alias.text.as_str(), expr)),
        _ => None,
    });
    named.collect()
}
