//! Statements that change rows, as a session hands them to the binder, and what the bound query gives.
//!
//! `UPDATE t SET b = b + 1 WHERE a < 10 RETURNING b` has the source `From` with that filter, one arm that updates, and one
//! returned item; the query that it is bound to gives the row's address, the new `a` and `b`, and what is returned.
//!
//! Invariants: a [`Layout`] tells the columns of the bound query, in this order: address, action, old values, new values, broken
//! rules, returned items.
//!
//! Does not: change anything; the session does, with the rows of that query.

use std::sync::OnceLock;

use arrow::datatypes::SchemaRef;
use gobi_grammar::Dialect;
use gobi_grammar::ast::{self, Span};

use crate::types::Field;
use crate::types::arrow::arrow_schema;

/// What a table asks of its rows.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The table's name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<ShapeColumn>,
    /// Conditions; each row satisfies them, or they are NULL for it.
    pub checks: Vec<Rule>,
    /// See [`Shape::unchecked`].
    pub unchecked: OnceLock<Unchecked>,
}

/// The columns of rows that nobody has looked at yet, so that any value may be missing.
#[derive(Clone, Debug)]
pub struct Unchecked {
    /// The columns.
    pub fields: Vec<Field>,
    /// The same for Arrow.
    pub schema: SchemaRef,
}

impl Shape {
    /// The table's columns in rows that are not checked yet.
    pub fn unchecked(&self) -> &Unchecked {
        self.unchecked.get_or_init(|| {
            let nullable = |column: &ShapeColumn| Field {
                nullable: true,
                ..column.field.clone()
            };
            let fields: Vec<Field> = self.columns.iter().map(nullable).collect();
            let schema = arrow_schema(&fields);
            Unchecked { fields, schema }
        })
    }
}

/// A column that is written.
#[derive(Clone, Debug)]
pub struct ShapeColumn {
    /// Name and type.
    pub field: Field,
    /// What it is where no value is given; none: NULL.
    pub default: Option<Rule>,
    /// What it always is.
    pub generated: Option<Rule>,
}

/// An expression of a table's definition.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The constraint's name, or the column's.
    pub name: String,
    /// The expression.
    pub expr: ast::Expr,
    /// How its text was read.
    pub dialect: Dialect,
}

/// A statement that changes rows of one table.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// What the table asks.
    pub shape: &'a Shape,
    /// The table, and the name that it goes by.
    pub target: &'a ast::Target,
    /// WITH.
    pub with: Option<&'a ast::With>,
    /// The rows in flight.
    pub source: Source<'a>,
    /// What is done with each; the first arm that holds is taken.
    pub arms: Vec<Arm<'a>>,
    /// Columns whose values before the change are wanted too.
    pub old: Vec<usize>,
    /// RETURNING.
    pub returning: &'a [ast::SelectItem],
    /// Where the statement stands.
    pub span: Span,
}

/// Where the rows come from.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// New rows.
    Proposed(Proposed<'a>),
    /// New rows, each with the row of the table that has its key, if there is one.
    Conflicting {
        /// The rows.
        proposed: Proposed<'a>,
        /// Columns of the keys. Several: a row that conflicts with any is left out.
        keys: Vec<Vec<usize>>,
        /// Whether the row in conflict is wanted; else rows in conflict are left out.
        update: bool,
    },
    /// Rows of the table, beside others.
    From {
        /// FROM or USING.
        others: &'a [ast::TableRef],
        /// WHERE.
        filter: Option<&'a ast::Expr>,
    },
    /// Pairs of the table's rows and others, and what has no partner as far as an arm wants it.
    Merge {
        /// USING.
        source: &'a ast::TableRef,
        /// ON.
        on: &'a ast::Expr,
    },
}

/// Rows that are to be added.
#[derive(Clone, Copy, Debug)]
pub struct Proposed<'a> {
    /// The columns that values are given for, in the order of the values.
    pub places: &'a [usize],
    /// The values.
    pub rows: &'a ast::InsertSource,
    /// Values are converted by any cast that there is, not only by those that go without saying.
    pub loose: bool,
}

impl Proposed<'_> {
    /// Whether they are those of a query.
    pub fn is_query(&self) -> bool {
        matches!(self.rows, ast::InsertSource::Query(_))
    }
}

/// One thing that is done with rows.
#[derive(Clone, Copy, Debug)]
pub struct Arm<'a> {
    /// With which.
    pub rows: ArmRows,
    /// Of those, the ones that satisfy this.
    pub filter: Option<&'a ast::Expr>,
    /// What.
    pub action: Action<'a>,
}

/// The rows that an arm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArmRows {
    /// All that there are.
    All,
    /// A row of the table and one beside it.
    Matched,
    /// No row of the table.
    NotMatched,
    /// A row of the table alone.
    NotMatchedBySource,
}

/// What is done with a row.
#[derive(Clone, Copy, Debug)]
pub enum Action<'a> {
    /// SET.
    Update(&'a [ast::Assignment]),
    /// The columns at these places become those of the proposed row.
    Replace(&'a [usize]),
    /// It goes.
    Delete,
    /// The proposed row is added.
    Propose,
    /// A row is added: the places that values are given for, and the values.
    Insert(&'a [usize], &'a [ast::Assigned]),
    /// A row of defaults is added.
    InsertDefaults,
    /// Nothing.
    Nothing,
}

impl<'a> Change<'a> {
    /// Every proposed row is added.
    pub fn adding(shape: &'a Shape, target: &'a ast::Target, proposed: Proposed<'a>, span: Span) -> Self {
        Self {
            shape,
            target,
            with: None,
            source: Source::Proposed(proposed),
            arms: vec![Arm {
                rows: ArmRows::All,
                filter: None,
                action: Action::Propose,
            }],
            old: Vec::new(),
            returning: &[],
            span,
        }
    }
}

impl Action<'_> {
    /// Whether a row is there afterwards that was not there before.
    pub fn makes_a_row(&self) -> bool {
        !matches!(self, Action::Delete | Action::Nothing)
    }
}

/// Where the bound query has what.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// The address of the row that goes; NULL: none does.
    pub address: Option<usize>,
    /// The number of the arm; none: there is only one.
    pub action: Option<usize>,
    /// The first of the old values that were asked for.
    pub old: usize,
    /// The first of the new row's columns, and how many there are: all or none.
    pub new: (usize, usize),
    /// For each check, whether the row breaks it.
    pub checks: usize,
    /// The first of the returned items.
    pub returning: usize,
    /// Names and types of what is returned.
    pub returned: Vec<Field>,
    /// Where values that go into columns stand, and the columns' places.
    pub assigned: Vec<(Span, usize)>,
}
