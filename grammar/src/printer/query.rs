//! Queries in canonical form.
//!
//! `SELECT a FROM t ORDER BY DESC a` is written `SELECT a FROM t ORDER BY a DESC`.
//!
//! Invariants: clauses stand in the standard order, or FROM first where the tree says so.
//!
//! Does not: break lines.

use super::Printer;
use crate::ast::{
    Cte, Distinct, Expr, GroupBy, JoinCondition, JoinKind, OrderBy, OrderItem, Query, QueryBody, Select, SelectItem,
    SetOp, TableRef, TableRefKind,
};

impl Printer {
    pub(super) fn query(&mut self, query: &Query) {
        self.as_of(query.as_of.as_deref());
        self.ctes(query.recursive, &query.ctes);
        self.body(&query.body);
        self.order_by(&query.order_by);
        self.clause(" LIMIT ", query.limit.as_ref());
        self.clause(" OFFSET ", query.offset.as_ref());
    }

    /// `WITH … `, or nothing.
    pub(super) fn ctes(&mut self, recursive: bool, ctes: &[Cte]) {
        if ctes.is_empty() {
            return;
        }
        self.word(if recursive { "WITH RECURSIVE " } else { "WITH " });
        self.list(ctes, |printer, cte| {
            printer.ident(&cte.name);
            if !cte.columns.is_empty() {
                printer.idents(&cte.columns);
            }
            printer.word(match cte.materialized {
                None => " AS (",
                Some(true) => " AS MATERIALIZED (",
                Some(false) => " AS NOT MATERIALIZED (",
            });
            printer.query(&cte.query);
            printer.word(")");
        });
        self.word(" ");
    }

    pub(super) fn clause(&mut self, words: &str, expr: Option<&Expr>) {
        if let Some(expr) = expr {
            self.word(words);
            self.expr(expr);
        }
    }

    fn order_by(&mut self, order_by: &OrderBy) {
        match order_by {
            OrderBy::None => {}
            OrderBy::All { desc } => self.word(if *desc { " ORDER BY ALL DESC" } else { " ORDER BY ALL" }),
            OrderBy::Items(items) => {
                self.word(" ORDER BY ");
                self.list(items, Self::order_item);
            }
        }
    }

    pub(super) fn order_item(&mut self, item: &OrderItem) {
        self.expr(&item.expr);
        self.word(if item.desc { " DESC" } else { "" });
        self.word(match item.nulls_first {
            None => "",
            Some(true) => " NULLS FIRST",
            Some(false) => " NULLS LAST",
        });
    }

    fn body(&mut self, body: &QueryBody) {
        match body {
            QueryBody::Select(select) => self.select(select),
            QueryBody::Values(rows) => {
                self.word("VALUES ");
                self.list(rows, |printer, row| {
                    printer.word("(");
                    printer.list(row, Self::expr);
                    printer.word(")");
                });
            }
            QueryBody::SetOp { op, all, inputs } => {
                for (at, input) in inputs.iter().enumerate() {
                    if at > 0 {
                        self.word(match op {
                            SetOp::Union => " UNION ",
                            SetOp::Intersect => " INTERSECT ",
                            SetOp::Except => " EXCEPT ",
                        });
                        self.word(if *all { "ALL " } else { "" });
                    }
                    self.query(input);
                }
            }
            QueryBody::Nested(query) => {
                self.word("(");
                self.query(query);
                self.word(")");
            }
            QueryBody::Stream(query) => {
                self.word("STREAM ");
                self.query(query);
            }
        }
    }

    fn select(&mut self, select: &Select) {
        if select.from_first {
            self.word("FROM ");
            self.list(&select.from, Self::table);
            if !select.items.is_empty() {
                self.word(" ");
                self.select_list(select);
            }
        } else {
            self.select_list(select);
            if !select.from.is_empty() {
                self.word(" FROM ");
                self.list(&select.from, Self::table);
            }
        }
        self.clause(" WHERE ", select.filter.as_ref());
        match &select.group_by {
            GroupBy::None => {}
            GroupBy::All => self.word(" GROUP BY ALL"),
            GroupBy::Items(items) => {
                self.word(" GROUP BY ");
                self.list(items, Self::expr);
            }
            GroupBy::Sets(items) => {
                self.word(" GROUP BY ");
                self.list(items, Self::group_item);
            }
        }
        self.clause(" HAVING ", select.having.as_ref());
        self.clause(" QUALIFY ", select.qualify.as_ref());
    }

    fn select_list(&mut self, select: &Select) {
        self.word("SELECT ");
        match &select.distinct {
            Distinct::No => {}
            Distinct::Yes => self.word("DISTINCT "),
            Distinct::On(exprs) => {
                self.word("DISTINCT ON (");
                self.list(exprs, Self::expr);
                self.word(") ");
            }
        }
        self.list(&select.items, Self::select_item);
    }

    pub(super) fn select_item(&mut self, item: &SelectItem) {
        match item {
            SelectItem::Star { qualifier, exclude, .. } => {
                if let Some(qualifier) = qualifier {
                    self.ident(qualifier);
                    self.word(".");
                }
                self.word("*");
                if !exclude.is_empty() {
                    self.word(" EXCLUDE ");
                    self.idents(exclude);
                }
            }
            SelectItem::Expr { expr, alias } => {
                self.expr(expr);
                if let Some(alias) = alias {
                    self.word(" AS ");
                    self.ident(alias);
                }
            }
        }
    }

    pub(super) fn table(&mut self, table: &TableRef) {
        match &table.kind {
            TableRefKind::Name(path) => self.path(path),
            TableRefKind::Braced(name) => self.braced(name),
            TableRefKind::File(path) => self.string(path),
            TableRefKind::Query(query) => {
                self.word("(");
                self.query(query);
                self.word(")");
            }
            TableRefKind::Collection(expr) => self.expr(expr),
            TableRefKind::Function { name, args } => {
                self.ident(name);
                self.word("(");
                self.list(args, Self::expr);
                self.word(")");
            }
            TableRefKind::Each(expr) => {
                if let Some(alias) = &table.alias {
                    self.ident(alias);
                    self.word(" IN ");
                }
                return self.expr(expr);
            }
            TableRefKind::Join(_) if table.alias.is_some() => {
                self.word("(");
                self.join(table);
                self.word(")");
            }
            TableRefKind::Join(_) => self.join(table),
        }
        if let Some(time) = &table.time {
            self.table_time(time);
        }
        if let Some(alias) = &table.alias {
            self.word(" AS ");
            self.ident(alias);
            if !table.columns.is_empty() {
                self.idents(&table.columns);
            }
        }
    }

    fn join(&mut self, table: &TableRef) {
        let TableRefKind::Join(join) = &table.kind else { return };
        self.table(&join.left);
        self.word(if join.on == JoinCondition::Natural {
            " NATURAL"
        } else {
            ""
        });
        self.word(match join.kind {
            JoinKind::Inner => " JOIN ",
            JoinKind::Left => " LEFT JOIN ",
            JoinKind::Right => " RIGHT JOIN ",
            JoinKind::Full => " FULL JOIN ",
            JoinKind::Cross => " CROSS JOIN ",
            JoinKind::Semi => " SEMI JOIN ",
            JoinKind::Anti => " ANTI JOIN ",
            JoinKind::AsOf => " ASOF JOIN ",
        });
        self.word(if join.lateral { "LATERAL " } else { "" });
        if matches!(join.right.kind, TableRefKind::Join(_)) && join.right.alias.is_none() {
            self.word("(");
            self.table(&join.right);
            self.word(")");
        } else {
            self.table(&join.right);
        }
        match &join.on {
            JoinCondition::On(expr) => {
                self.word(" ON ");
                self.expr(expr);
            }
            JoinCondition::Using(columns) => {
                self.word(" USING ");
                self.idents(columns);
            }
            JoinCondition::None | JoinCondition::Natural => {}
        }
    }
}
