//! Aggregates that are made of exact sums: variances, standard deviations, covariances, correlations and regressions.
//!
//! `stddev(x)` is `sqrt(variance_of(count(x), exact_sum(x), exact_sum(x * x), 1))`; what several of them need is summed once.
//!
//! Invariants: rows in which an argument is NULL do not count.
//!
//! Does not: DISTINCT, which needs all values (see `listed`).

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Span};

use super::coerce::cast;
use super::select::Block;
use super::window::PendingWindow;
use super::{Binder, Bound};
use crate::plan::logical::{
    Aggregate, AggregateFunction, ArithOp, ChainStep, Expr, ExprKind, WindowCall, WindowFunction,
};
use crate::types::{LogicalType, Value};

/// What is made of the sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Spread {
    /// The variance, divided by so many less than there are values; or its root.
    Variance {
        /// 1 for a sample.
        less: i128,
        /// The standard deviation.
        root: bool,
    },
    /// The covariance.
    Covariance {
        /// 1 for a sample.
        less: i128,
    },
    /// A figure of `regression_of`.
    Regression(i128),
    /// How many pairs there are.
    Pairs,
    /// The mean of the first or second argument.
    Mean(usize),
    /// The sum of squares, or of products, of distances from the means.
    Squares(usize, usize),
}

const NAMES: &[(&str, Spread)] = &[
    ("stddev", Spread::Variance { less: 1, root: true }),
    ("stdev", Spread::Variance { less: 1, root: true }),
    ("stddev_samp", Spread::Variance { less: 1, root: true }),
    ("stddev_pop", Spread::Variance { less: 0, root: true }),
    ("variance", Spread::Variance { less: 1, root: false }),
    ("var_samp", Spread::Variance { less: 1, root: false }),
    ("var_pop", Spread::Variance { less: 0, root: false }),
    ("covar_samp", Spread::Covariance { less: 1 }),
    ("covar_pop", Spread::Covariance { less: 0 }),
    ("corr", Spread::Regression(0)),
    ("regr_r2", Spread::Regression(1)),
    ("regr_slope", Spread::Regression(2)),
    ("regr_intercept", Spread::Regression(3)),
    ("regr_count", Spread::Pairs),
    ("regr_avgy", Spread::Mean(0)),
    ("regr_avgx", Spread::Mean(1)),
    ("regr_syy", Spread::Squares(0, 0)),
    ("regr_sxx", Spread::Squares(1, 1)),
    ("regr_sxy", Spread::Squares(0, 1)),
];

/// The names, for suggestions.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(name, _)| *name)
}

/// The aggregate of that name; over distinct values only where it has two arguments, whose error is told here.
pub(super) fn spread(name: &str, distinct: bool) -> Option<Spread> {
    let lower = name.to_lowercase();
    let plain = lower.strip_prefix('@').unwrap_or(&lower);
    let known = NAMES.iter().find(|(known, _)| *known == plain)?.1;
    (!distinct || known.arguments() == 2).then_some(known)
}

impl Spread {
    fn arguments(self) -> usize {
        if matches!(self, Self::Variance { .. }) { 1 } else { 2 }
    }
}

/// The sums of one call.
struct Sums<'b, 'a> {
    block: &'b mut Block<'a>,
    call: &'a ast::Call,
    args: Vec<Expr>,
    filter: Option<Expr>,
    /// The window that they are over; otherwise over groups.
    over: Option<PendingWindow>,
    span: Span,
}

impl<'a> Binder<'a> {
    /// The expression over sums of groups.
    pub(super) fn spread_call(
        &mut self,
        block: &mut Block<'a>,
        spread: Spread,
        call: &'a ast::Call,
        span: Span,
    ) -> Bound<Expr> {
        let (args, filter) = self.aggregate_parts(block, call, span)?;
        let args = self.spread_arguments(spread, call, args, span)?;
        let filter = with_pairs(filter, &args, span);
        let mut sums = Sums {
            block,
            call,
            args,
            filter,
            over: None,
            span,
        };
        self.of_sums(spread, &mut sums)
    }

    /// The same over sums of windows that are like the one given.
    pub(super) fn spread_over(
        &mut self,
        block: &mut Block<'a>,
        spread: Spread,
        (call, like): (&'a ast::Call, PendingWindow),
        span: Span,
    ) -> Bound<Expr> {
        let args = like.call.args.clone();
        let mut sums = Sums {
            block,
            call,
            filter: with_pairs(like.call.filter.clone(), &args, span),
            args,
            over: Some(like),
            span,
        };
        self.of_sums(spread, &mut sums)
    }

    /// The arguments as doubles.
    pub(super) fn spread_arguments(
        &mut self,
        spread: Spread,
        call: &ast::Call,
        args: Vec<Expr>,
        span: Span,
    ) -> Bound<Vec<Expr>> {
        let name = &call.name.text;
        if call.star || args.len() != spread.arguments() {
            let wanted = if spread.arguments() == 1 {
                "one argument"
            } else {
                "two arguments"
            };
            let message = format!("`{name}` takes {wanted}");
            return self.fail(Diagnostic::new("42883", span, message));
        }
        if call.distinct {
            return self.unsupported(&format!("DISTINCT in `{name}` is"), span);
        }
        if let Some(arg) = args
            .iter()
            .find(|arg| !arg.ty.is_numeric() && arg.ty != LogicalType::Null)
        {
            let message = format!("`{name}` has no meaning for {}", arg.ty);
            let mut error = Diagnostic::new("42883", arg.span, message);
            error.help = super::elements::instead_of(&call.name.text, &arg.ty);
            return self.fail(error);
        }
        Ok(args.into_iter().map(|arg| cast(arg, &LogicalType::Double)).collect())
    }

    fn of_sums(&mut self, spread: Spread, sums: &mut Sums<'_, 'a>) -> Bound<Expr> {
        let span = sums.span;
        let number = |value: i128| Expr::literal(Value::Int(value), LogicalType::BigInt, span);
        let count = self.count_of(sums);
        match spread {
            Spread::Variance { less, root } => {
                let parts = vec![count, self.sum_of(sums, 0), self.product_of(sums, 0, 0), number(less)];
                let variance = self.named_function("variance_of", parts, span)?;
                match root {
                    true => self.named_function("sqrt", vec![variance], span),
                    false => Ok(variance),
                }
            }
            Spread::Covariance { less } => self.covariance(sums, (0, 1), less),
            Spread::Regression(figure) => {
                let parts = vec![
                    count,
                    self.sum_of(sums, 0),
                    self.sum_of(sums, 1),
                    self.product_of(sums, 0, 0),
                    self.product_of(sums, 1, 1),
                    self.product_of(sums, 0, 1),
                    number(figure),
                ];
                self.named_function("regression_of", parts, span)
            }
            Spread::Pairs => Ok(count),
            Spread::Mean(arg) => {
                let arg = vec![sums.args[arg].clone()];
                Ok(self.over_rows(sums, AggregateFunction::Avg, arg, LogicalType::Double))
            }
            Spread::Squares(left, right) => {
                let covariance = self.covariance(sums, (left, right), 0)?;
                Ok(times(covariance, cast(count, &LogicalType::Double), span))
            }
        }
    }

    fn covariance(&mut self, sums: &mut Sums<'_, 'a>, (left, right): (usize, usize), less: i128) -> Bound<Expr> {
        let span = sums.span;
        let parts = vec![
            self.count_of(sums),
            self.sum_of(sums, left),
            self.sum_of(sums, right),
            self.product_of(sums, left, right),
            Expr::literal(Value::Int(less), LogicalType::BigInt, span),
        ];
        self.named_function("covariance_of", parts, span)
    }

    fn count_of(&mut self, sums: &mut Sums<'_, 'a>) -> Expr {
        let arg = vec![sums.args[0].clone()];
        self.over_rows(sums, AggregateFunction::Count, arg, LogicalType::BigInt)
    }

    fn sum_of(&mut self, sums: &mut Sums<'_, 'a>, arg: usize) -> Expr {
        let arg = vec![sums.args[arg].clone()];
        self.over_rows(sums, AggregateFunction::ExactSum, arg, LogicalType::HugeInt)
    }

    fn product_of(&mut self, sums: &mut Sums<'_, 'a>, left: usize, right: usize) -> Expr {
        let factors = vec![sums.args[left].clone(), sums.args[right].clone()];
        self.over_rows(sums, AggregateFunction::ExactSum, factors, LogicalType::HugeInt)
    }

    /// An aggregate of one argument, or of the product of two, over the groups or windows of the call.
    fn over_rows(
        &mut self,
        sums: &mut Sums<'_, 'a>,
        function: AggregateFunction,
        mut factors: Vec<Expr>,
        ty: LogicalType,
    ) -> Expr {
        let filter = sums.filter.clone();
        if let Some(like) = &sums.over {
            let window = PendingWindow {
                id: self.new_column("sum", ty.clone(), true),
                call: WindowCall {
                    function: WindowFunction::Aggregate(function),
                    args: factors,
                    filter,
                    ty,
                    ..like.call.clone()
                },
                ..like.clone()
            };
            return self.register_window(sums.block, window, sums.span);
        }
        let last = factors.pop();
        let arg = match (factors.pop(), last) {
            (Some(first), Some(last)) => Some(times(first, last, sums.span)),
            (_, last) => last,
        };
        let aggregate = Aggregate {
            function,
            arg,
            distinct: false,
            filter,
            ty,
        };
        self.register_aggregate(sums.block, aggregate, sums.call, sums.span)
    }
}

/// The filter, and that neither side of a pair is NULL: what counts in one sum counts in all.
fn with_pairs(filter: Option<Expr>, args: &[Expr], span: Span) -> Option<Expr> {
    if args.len() < 2 {
        return filter;
    }
    let known = args.iter().map(|arg| {
        let expr = Box::new(arg.clone());
        Expr::boolean(ExprKind::IsNull { expr, negated: true }, span)
    });
    Some(Expr::and(filter.into_iter().chain(known).collect(), span))
}

/// A product of doubles.
fn times(left: Expr, right: Expr, span: Span) -> Expr {
    let ty = LogicalType::Double;
    let step = ChainStep {
        op: ArithOp::Mul,
        left_ty: ty.clone(),
        operand: right,
        ty: ty.clone(),
        span,
    };
    let kind = ExprKind::Chain {
        first: Box::new(left),
        rest: vec![step],
    };
    Expr { kind, ty, span }
}
