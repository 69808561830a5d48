//! OVER, WINDOW, and the items of GROUP BY that stand for several sets.
//!
//! `SELECT sum(x) OVER w FROM t WINDOW w AS (ORDER BY d)` gives the call the window `(ORDER BY d)`.
//!
//! Invariants: names of windows are those of the SELECT block that they stand in; none is left in the tree.
//!
//! Does not: know functions.

use super::Builder;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{
    Expr, ExprKind, Frame, FrameBound, FrameExclude, FrameUnit, GroupBy, GroupItem, Ident, OrderBy, OrderItem, Window,
};

impl Builder<'_> {
    /// A pair of the rule `over_clause`.
    pub(super) fn over(&mut self, node: Node<'_>) -> Option<Window> {
        let part = parts(node).next()?;
        match part.as_rule() {
            Rule::window_spec => Some(self.window_spec(part)),
            _ => {
                let name = self.ident(&part);
                self.named_window(&name)
            }
        }
    }

    fn named_window(&mut self, name: &Ident) -> Option<Window> {
        let known = self.windows.iter().rev();
        let found = known
            .clone()
            .find(|(known, _)| known.text.eq_ignore_ascii_case(&name.text));
        if let Some((_, window)) = found {
            let window = window.clone();
            return Some(Window {
                span: name.span,
                ..window
            });
        }
        let near = crate::similar::nearest(&name.text, known.map(|(known, _)| known.text.as_str())).map(String::from);
        self.error("42704", name.span, format!("window `{}` does not exist", name.text));
        match near {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self.help(format!("define it: `WINDOW {} AS (…)`", name.text)),
        }
        None
    }

    /// Reads the definitions of a WINDOW clause, each of which sees those before it.
    pub(super) fn define_windows(&mut self, node: Node<'_>) {
        for def in parts(node) {
            let mut inner = parts(def);
            let (Some(name), Some(spec)) = (inner.next(), inner.next()) else {
                continue;
            };
            let name = self.ident(&name);
            if self
                .windows
                .iter()
                .any(|(known, _)| known.text.eq_ignore_ascii_case(&name.text))
            {
                self.error("42P20", name.span, format!("window `{}` is defined twice", name.text));
            }
            let window = self.window_spec(spec);
            self.windows.push((name, window));
        }
    }

    fn window_spec(&mut self, node: Node<'_>) -> Window {
        let mut window = Window {
            partition_by: Vec::new(),
            order_by: Vec::new(),
            frame: None,
            span: self.span(&node),
        };
        for part in parts(node) {
            match part.as_rule() {
                Rule::window_base => {
                    let name = parts(part).next().map(|name| self.ident(&name));
                    if let Some(base) = name.and_then(|name| self.named_window(&name)) {
                        (window.partition_by, window.order_by) = (base.partition_by, base.order_by);
                    }
                }
                Rule::partition_clause => {
                    let keys = parts(part).filter(|part| part.as_rule() != Rule::partition_word);
                    window.partition_by = keys.map(|expr| self.expr(expr)).collect();
                }
                Rule::order_clause => window.order_by = self.order_items(part),
                Rule::frame_clause => window.frame = self.frame(part),
                _ => {}
            }
        }
        window
    }

    /// The keys of an ORDER BY inside parentheses, where ALL has no meaning.
    pub(super) fn order_items(&mut self, node: Node<'_>) -> Vec<OrderItem> {
        let span = self.span(&node);
        match self.order_by(node) {
            OrderBy::Items(items) => items,
            OrderBy::None => Vec::new(),
            OrderBy::All { .. } => {
                self.error("42601", span, "`ORDER BY` needs its keys here");
                Vec::new()
            }
        }
    }

    fn frame(&mut self, node: Node<'_>) -> Option<Frame> {
        let (mut unit, mut bounds, mut exclude) = (FrameUnit::Rows, Vec::new(), FrameExclude::NoOthers);
        for part in parts(node) {
            match part.as_rule() {
                Rule::frame_unit => {
                    unit = match part.as_str().to_ascii_lowercase().as_str() {
                        "rows" => FrameUnit::Rows,
                        "range" => FrameUnit::Range,
                        _ => FrameUnit::Groups,
                    };
                }
                Rule::frame_bound => bounds.push(self.frame_bound(part)),
                Rule::frame_exclude => {
                    exclude = if has(&part, Rule::current_row) {
                        FrameExclude::CurrentRow
                    } else if has(&part, Rule::kw_group) {
                        FrameExclude::Group
                    } else if has(&part, Rule::kw_ties) {
                        FrameExclude::Ties
                    } else {
                        FrameExclude::NoOthers
                    };
                }
                _ => {}
            }
        }
        let mut bounds = bounds.into_iter();
        Some(Frame {
            unit,
            start: bounds.next()?,
            end: bounds.next(),
            exclude,
        })
    }

    fn frame_bound(&mut self, node: Node<'_>) -> FrameBound {
        let mut side = String::new();
        let mut distance = None;
        for part in parts(node) {
            match part.as_rule() {
                Rule::current_row => return FrameBound::CurrentRow,
                Rule::frame_side => side = part.as_str().to_ascii_lowercase(),
                _ => distance = Some(self.expr(part)),
            }
        }
        let preceding = side == "preceding";
        match distance {
            Some(expr) if !is_unbounded(&expr) && preceding => FrameBound::Preceding(Box::new(expr)),
            Some(expr) if !is_unbounded(&expr) => FrameBound::Following(Box::new(expr)),
            _ if preceding => FrameBound::UnboundedPreceding,
            _ => FrameBound::UnboundedFollowing,
        }
    }

    /// A pair of the rule `group_clause`.
    pub(super) fn group_by(&mut self, node: Node<'_>) -> GroupBy {
        let mut items = Vec::new();
        for part in parts(node) {
            if part.as_rule() == Rule::group_all {
                return GroupBy::All;
            }
            items.push(self.group_item(part));
        }
        let plain = |item: &GroupItem| matches!(item, GroupItem::Keys(keys) if keys.len() == 1);
        if !items.iter().all(plain) {
            return GroupBy::Sets(items);
        }
        let keys = items.into_iter().flat_map(|item| match item {
            GroupItem::Keys(keys) => keys,
            _ => Vec::new(),
        });
        GroupBy::Items(keys.collect())
    }

    fn group_item(&mut self, node: Node<'_>) -> GroupItem {
        match node.as_rule() {
            Rule::group_empty => GroupItem::Keys(Vec::new()),
            Rule::group_rollup => GroupItem::Rollup(self.group_lists(node)),
            Rule::group_cube => GroupItem::Cube(self.group_lists(node)),
            Rule::group_sets => {
                let sets = parts(node).filter(|part| part.as_rule() == Rule::group_set);
                GroupItem::Sets(
                    sets.filter_map(|set| parts(set).next())
                        .map(|part| self.group_item(part))
                        .collect(),
                )
            }
            Rule::group_list => GroupItem::Keys(self.group_list(node)),
            _ => GroupItem::Keys(self.keys_of(node)),
        }
    }

    fn group_lists(&mut self, node: Node<'_>) -> Vec<Vec<Expr>> {
        let lists = parts(node).filter(|part| part.as_rule() == Rule::group_list);
        lists.map(|list| self.group_list(list)).collect()
    }

    /// `a`, or `(a, b)`, which is an expression too as far as the grammar is concerned.
    fn group_list(&mut self, node: Node<'_>) -> Vec<Expr> {
        let Some(expr) = parts(node).next() else {
            return Vec::new();
        };
        self.keys_of(expr)
    }

    fn keys_of(&mut self, expr: Node<'_>) -> Vec<Expr> {
        let Some(row) = row_of(&expr) else {
            return vec![self.expr(expr)];
        };
        let mut keys = Vec::new();
        for part in parts(row) {
            if part.as_rule() == Rule::row_rest {
                keys.extend(parts(part).map(|expr| self.expr(expr)));
            } else {
                keys.push(self.expr(part));
            }
        }
        keys
    }
}

/// The parentheses of `(a, b)`, if the expression is nothing else.
fn row_of<'i>(expr: &Node<'i>) -> Option<Node<'i>> {
    let mut inner = expr.clone().into_inner();
    let operand = inner.next().filter(|only| only.as_rule() == Rule::operand)?;
    let mut parts_of = operand.into_inner();
    let primary = parts_of
        .next()
        .filter(|primary| primary.as_rule() == Rule::paren_expr)?;
    let alone = inner.next().is_none() && parts_of.next().is_none();
    (alone && has(&primary, Rule::row_rest)).then_some(primary)
}

fn is_unbounded(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Name(parts) if matches!(parts.as_slice(), [name] if name.text.eq_ignore_ascii_case("unbounded")))
}
