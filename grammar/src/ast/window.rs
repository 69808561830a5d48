//! Windows: `OVER (PARTITION BY … ORDER BY … ROWS …)`.
//!
//! `sum(x) OVER (PARTITION BY k ORDER BY d ROWS 2 PRECEDING)` has one partition key, one sort key, and a frame that starts two rows
//! before the current one.
//!
//! Invariants: a window that was named (`OVER w`, `OVER (w ORDER BY x)`) is written out.
//!
//! Does not: know functions.

use super::{Expr, OrderItem, Span};

/// Which rows a window function sees, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// PARTITION BY.
    pub partition_by: Vec<Expr>,
    /// ORDER BY.
    pub order_by: Vec<OrderItem>,
    /// ROWS, RANGE or GROUPS.
    pub frame: Option<Frame>,
    /// Where.
    pub span: Span,
}

/// The rows around the current one that an aggregate takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What its bounds count.
    pub unit: FrameUnit,
    /// From, included.
    pub start: FrameBound,
    /// To, included; left out it is the current row.
    pub end: Option<FrameBound>,
    /// What is taken out again.
    pub exclude: FrameExclude,
}

/// What the bounds of a frame count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameUnit {
    /// Rows.
    Rows,
    /// Distance of the sort key.
    Range,
    /// Groups of rows that are equal in the order.
    Groups,
}

/// An end of a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum FrameBound {
    /// The partition's first row.
    UnboundedPreceding,
    /// So far before.
    Preceding(Box<Expr>),
    /// The current row; in RANGE and GROUPS with those equal to it.
    CurrentRow,
    /// So far behind.
    Following(Box<Expr>),
    /// The partition's last row.
    UnboundedFollowing,
}

/// What a frame leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrameExclude {
    /// Nothing.
    #[default]
    NoOthers,
    /// The current row.
    CurrentRow,
    /// The current row and those equal to it in the order.
    Group,
    /// Those equal to the current row, but not the row itself.
    Ties,
}
