//! Windows, ordered aggregates and sets of groups as text.
//!
//! A window with one key of each kind is `OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)`.
//!
//! Invariants: see [`super`].
//!
//! Does not: name windows.

use super::Printer;
use crate::ast::{Call, Expr, Frame, FrameBound, FrameExclude, FrameUnit, GroupItem, OrderItem, Window};

impl Printer {
    /// A call, with the order of its rows if it has one.
    pub(super) fn call(&mut self, call: &Call, order_by: &[OrderItem]) {
        self.ident(&call.name);
        self.word(if call.distinct { "(DISTINCT " } else { "(" });
        self.word(if call.star { "*" } else { "" });
        self.list(&call.args, Self::expr);
        if !order_by.is_empty() {
            self.word(" ORDER BY ");
            self.list(order_by, Self::order_item);
        }
        self.word(")");
        if let Some(filter) = &call.filter {
            self.word(" FILTER (WHERE ");
            self.expr(filter);
            self.word(")");
        }
    }

    pub(super) fn window(&mut self, window: &Window) {
        self.word(" OVER (");
        let mut space = "";
        if !window.partition_by.is_empty() {
            self.word("PARTITION BY ");
            self.list(&window.partition_by, Self::expr);
            space = " ";
        }
        if !window.order_by.is_empty() {
            self.word(space);
            self.word("ORDER BY ");
            self.list(&window.order_by, Self::order_item);
            space = " ";
        }
        if let Some(frame) = &window.frame {
            self.word(space);
            self.frame(frame);
        }
        self.word(")");
    }

    fn frame(&mut self, frame: &Frame) {
        self.word(match frame.unit {
            FrameUnit::Rows => "ROWS ",
            FrameUnit::Range => "RANGE ",
            FrameUnit::Groups => "GROUPS ",
        });
        match &frame.end {
            Some(end) => {
                self.word("BETWEEN ");
                self.bound(&frame.start);
                self.word(" AND ");
                self.bound(end);
            }
            None => self.bound(&frame.start),
        }
        self.word(match frame.exclude {
            FrameExclude::NoOthers => "",
            FrameExclude::CurrentRow => " EXCLUDE CURRENT ROW",
            FrameExclude::Group => " EXCLUDE GROUP",
            FrameExclude::Ties => " EXCLUDE TIES",
        });
    }

    fn bound(&mut self, bound: &FrameBound) {
        match bound {
            FrameBound::UnboundedPreceding => self.word("UNBOUNDED PRECEDING"),
            FrameBound::UnboundedFollowing => self.word("UNBOUNDED FOLLOWING"),
            FrameBound::CurrentRow => self.word("CURRENT ROW"),
            FrameBound::Preceding(expr) => {
                self.expr(expr);
                self.word(" PRECEDING");
            }
            FrameBound::Following(expr) => {
                self.expr(expr);
                self.word(" FOLLOWING");
            }
        }
    }

    pub(super) fn group_item(&mut self, item: &GroupItem) {
        match item {
            GroupItem::Keys(keys) => self.group_list(keys),
            GroupItem::Rollup(lists) => {
                self.word("ROLLUP (");
                self.list(lists, |printer, list: &Vec<Expr>| printer.group_list(list));
                self.word(")");
            }
            GroupItem::Cube(lists) => {
                self.word("CUBE (");
                self.list(lists, |printer, list: &Vec<Expr>| printer.group_list(list));
                self.word(")");
            }
            GroupItem::Sets(sets) => {
                self.word("GROUPING SETS (");
                self.list(sets, Self::group_item);
                self.word(")");
            }
        }
    }

    fn group_list(&mut self, keys: &[Expr]) {
        match keys {
            [only] => self.expr(only),
            keys => {
                self.word("(");
                self.list(keys, Self::expr);
                self.word(")");
            }
        }
    }
}
