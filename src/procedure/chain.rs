//! What a chain of calls over an array is: where its elements come from, what is done with each, and what comes of them.
//!
//! `xs |> filter(x => x > 0) |> map(x => x * 2) |> sum()` is the call `sum(map(filter(xs, …), …))`: the source `xs`, the stages
//! `filter` and `map`, and the end `sum`.
//!
//! Invariants: a name that the user has given to a function is that function; stages stand in the order in which elements pass
//! them.
//!
//! Does not: look at types.

use gobi_grammar::ast::{ArmBody, Call, Expr, ExprKind, Ident, IsTest, Lambda, Literal, Span};

/// Something that is done with each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Goes on with those that the function is true for.
    Filter,
    /// Goes on with what the function makes of it.
    Map,
    /// Goes on with each element of the array that the function makes of it.
    FlatMap,
    /// Goes on until the function is not true.
    TakeWhile,
    /// Goes on from where the function is not true.
    SkipWhile,
    /// Goes on with so many.
    Take,
    /// Goes on behind so many.
    Skip,
}

/// What comes of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// An array of them.
    Array,
    /// Their sum, without NULLs.
    Sum,
    /// How many there are.
    Count,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Their mean, without NULLs.
    Avg,
    /// Whether the function is true for one.
    Any,
    /// Whether it is true for all.
    All,
    /// The first one that it is true for.
    Find,
    /// The first.
    First,
    /// The last.
    Last,
    /// What a function of two makes of them, one after the other.
    Reduce,
    /// Nothing: the function is called for each.
    Each,
}

/// A stage: what is done, and by which function or number.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) step: Step,
    pub(super) by: Expr,
    pub(super) name: String,
    pub(super) span: Span,
}

/// The whole chain.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) source: Expr,
    pub(super) stages: Vec<Stage>,
    pub(super) end: End,
    /// What the end is given besides the elements.
    pub(super) args: Vec<Expr>,
    /// The name of the last call.
    pub(super) name: String,
}

impl Chain {
    /// The name of the call that the elements come to first.
    pub(super) fn first_name(&self) -> &str {
        self.stages.first().map_or(&self.name, |stage| &stage.name)
    }

    /// Whether it is a call that would be an aggregate in a query, and nothing more.
    pub(super) fn is_bare_aggregate(&self) -> bool {
        let aggregates = matches!(self.end, End::Sum | End::Count | End::Min | End::Max | End::Avg);
        aggregates && self.stages.is_empty()
    }

    /// The chain without its first stages.
    pub(super) fn rest(&self, done: usize) -> Self {
        Self {
            stages: self.stages.iter().skip(done).cloned().collect(),
            source: self.source.clone(),
            end: self.end,
            args: self.args.clone(),
            name: self.name.clone(),
        }
    }
}

fn step(name: &str) -> Option<Step> {
    Some(match name {
        "filter" | "list_filter" | "array_filter" => Step::Filter,
        "map" | "list_transform" | "array_transform" | "list_apply" | "array_apply" => Step::Map,
        "flat_map" => Step::FlatMap,
        "take_while" => Step::TakeWhile,
        "skip_while" => Step::SkipWhile,
        "take" => Step::Take,
        "skip" => Step::Skip,
        _ => return None,
    })
}

fn end(name: &str) -> Option<End> {
    Some(match name {
        "sum" => End::Sum,
        "count" => End::Count,
        "min" => End::Min,
        "max" => End::Max,
        "avg" | "mean" => End::Avg,
        "any" => End::Any,
        "all" => End::All,
        "find" => End::Find,
        "first" => End::First,
        "last" => End::Last,
        "reduce" | "fold" | "list_reduce" | "array_reduce" => End::Reduce,
        "each" | "for_each" => End::Each,
        _ => return None,
    })
}

/// Whether a function of that name takes another one: where there is none, that is what is missing.
pub(super) fn takes_function(name: &str) -> bool {
    let name = name.to_lowercase();
    matches!(step(&name), Some(step) if !matches!(step, Step::Take | Step::Skip))
        || matches!(
            end(&name),
            Some(End::Any | End::All | End::Find | End::Reduce | End::Each)
        )
        || name == "sort_by"
}

/// The call that a pipe is.
pub(super) fn unpiped(expr: &Expr) -> Expr {
    let ExprKind::Pipe { source, stages } = &expr.kind else {
        return expr.clone();
    };
    let source = unpiped(source);
    stages.iter().fold(source, |before, stage| {
        let span = stage
            .args
            .iter()
            .fold(before.span.to(stage.name.span), |span, arg| span.to(arg.span));
        let mut call = stage.clone();
        call.args.insert(0, before);
        Expr {
            kind: ExprKind::Call(call),
            span,
        }
    })
}

/// What an expression goes over if it is a chain.
pub(super) fn source_of(expr: &Expr) -> Option<Expr> {
    let expr = unpiped(expr);
    let ExprKind::Call(call) = &expr.kind else {
        return None;
    };
    let is_lambda = |arg: &Expr| matches!(arg.kind, ExprKind::Lambda(_));
    let is_function = |arg: &Expr| is_lambda(arg) || matches!(arg.kind, ExprKind::Name(_));
    let goes = |is_function: &dyn Fn(&Expr) -> bool| {
        let chain = of(call, expr.span, &|_| false, is_function);
        chain
            .map(|chain| chain.source)
            .filter(|source| matches!(source.kind, ExprKind::Subquery(_) | ExprKind::Call(_)))
    };
    // A name may be that of a function, or of a number.
    goes(&is_function).or_else(|| goes(&is_lambda))
}

/// The chain that a call ends; `None` if it is another kind of call. `is_function` says which expressions are functions, and `is_own`
/// which names the user has given to one.
pub(super) fn of(
    call: &Call,
    span: Span,
    is_own: &dyn Fn(&str) -> bool,
    is_function: &dyn Fn(&Expr) -> bool,
) -> Option<Chain> {
    let plain = |call: &Call| !call.star && !call.distinct && call.filter.is_none() && !is_own(&call.name.text);
    if !plain(call) {
        return None;
    }
    let name = call.name.text.trim_start_matches('@').to_lowercase();
    let (first, rest) = call.args.split_first()?;
    let functions = rest.iter().filter(|arg| is_function(arg)).count();
    let known = match end(&name) {
        Some(End::Sum | End::Count | End::Min | End::Max | End::Avg | End::Any | End::All) => {
            rest.len() == functions && functions <= 1
        }
        Some(End::First | End::Last) => rest.is_empty(),
        Some(End::Find | End::Each) => rest.len() == 1 && functions == 1,
        Some(End::Reduce) => functions == 1 && rest.len() <= 2,
        Some(End::Array) | None => false,
    };
    let mut chain = Chain {
        source: unpiped(first),
        stages: Vec::new(),
        end: End::Array,
        args: Vec::new(),
        name: call.name.text.clone(),
    };
    if known {
        chain.end = end(&name)?;
        chain.args = rest.to_vec();
    } else {
        chain.stages.push(stage(call, span, is_function)?);
    }
    while let ExprKind::Call(call) = &chain.source.kind
        && plain(call)
        && let Some(stage) = stage(call, chain.source.span, is_function)
    {
        let Some(source) = call.args.first().map(unpiped) else {
            break;
        };
        chain.stages.push(stage);
        chain.source = source;
    }
    chain.stages.reverse();
    Some(chain)
}

/// `sort_by(xs, x => k)`: the elements sorted by what the function makes of them, those of the same in the order in which they came.
/// It is `xs |> map((x, i) => {k: k, i: i, v: x}) |> array_sort() |> map(r => r.v)`; downwards, where NULLs come last, too, another field says
/// before the others whether there is a key.
pub(super) fn sorted(call: &Call, span: Span, is_function: &dyn Fn(&Expr) -> bool) -> Option<Expr> {
    let [source, function, order @ ..] = call.args.as_slice() else {
        return None;
    };
    if !call.name.text.eq_ignore_ascii_case("sort_by") || order.len() > 1 || !is_function(function) {
        return None;
    }
    let upwards = |order: &Expr| matches!(&order.kind, ExprKind::Literal(Literal::String(text)) if text.eq_ignore_ascii_case("asc"));
    let order = if order.iter().any(upwards) { &[] } else { order };
    let ident = |text: &str| Ident {
        text: text.to_owned(),
        quoted: true,
        span,
    };
    let of = |kind: ExprKind| Expr { kind, span };
    let name = |name: &Ident| of(ExprKind::Name(vec![name.clone()]));
    let call_of = |name: Ident, args: Vec<Expr>| plain_call(name, args, span);
    let lambda = |params: Vec<Ident>, body: Expr| {
        let body = ArmBody::Expr(body);
        of(ExprKind::Lambda(Box::new(Lambda { params, body })))
    };
    let (element, key) = match &function.kind {
        ExprKind::Lambda(lambda) => match (lambda.params.as_slice(), &lambda.body) {
            ([param], ArmBody::Expr(body)) => (param.clone(), body.clone()),
            _ => return None,
        },
        ExprKind::Name(path) => (ident("$x"), call_of(path.first()?.clone(), vec![name(&ident("$x"))])),
        _ => return None,
    };
    let position = ident("$i");
    // What sorts downwards sorts the positions so, too.
    let place = match order.first() {
        None => name(&position),
        Some(order) => by_order(order, name(&position), of(ExprKind::Neg(Box::new(name(&position))))),
    };
    let fields = vec![(ident("k"), key), (ident("i"), place), (ident("v"), name(&element))];
    let keyed = lambda(vec![element, position], of(ExprKind::Struct(fields)));
    let mut keyed = call_of(ident("map"), vec![unpiped(source), keyed]);
    let row = ident("$r");
    let field = |text: &str| of(ExprKind::Name(vec![row.clone(), ident(text)]));
    if let Some(order) = order.first() {
        let is_key = |negated| {
            of(ExprKind::Is {
                expr: Box::new(field("k")),
                negated,
                test: IsTest::Null,
            })
        };
        let mut fields = vec![(ident("n"), by_order(order, is_key(false), is_key(true)))];
        fields.extend(["k", "i", "v"].map(|name| (ident(name), field(name))));
        let marked = lambda(vec![row.clone()], of(ExprKind::Struct(fields)));
        keyed = call_of(ident("map"), vec![keyed, marked]);
    }
    let sorted = call_of(
        ident("array_sort"),
        std::iter::once(keyed).chain(order.iter().cloned()).collect(),
    );
    let value = field("v");
    Some(call_of(ident("map"), vec![sorted, lambda(vec![row], value)]))
}

/// A call with nothing but its arguments.
fn plain_call(name: Ident, args: Vec<Expr>, span: Span) -> Expr {
    let call = Call {
        name,
        args,
        distinct: false,
        star: false,
        filter: None,
    };
    let kind = ExprKind::Call(call);
    Expr { kind, span }
}

/// One of two values, by the order that something is sorted in: `asc`, if it is only known then, or another one.
fn by_order(order: &Expr, upwards: Expr, downwards: Expr) -> Expr {
    let text = |text: &str| ExprKind::Literal(Literal::String(text.to_owned()));
    if matches!(order.kind, ExprKind::Literal(_)) {
        return downwards;
    }
    let span = order.span;
    let of = |kind: ExprKind| Expr { kind, span };
    let name = Ident {
        text: "lower".to_owned(),
        quoted: true,
        span,
    };
    let lower = plain_call(name, vec![order.clone()], span);
    of(ExprKind::Case {
        operand: Some(Box::new(lower)),
        arms: vec![(of(text("asc")), upwards)],
        otherwise: Some(Box::new(downwards)),
    })
}

fn stage(call: &Call, span: Span, is_function: &dyn Fn(&Expr) -> bool) -> Option<Stage> {
    let step = step(&call.name.text.to_lowercase())?;
    let [_, by] = call.args.as_slice() else { return None };
    let counts = matches!(step, Step::Take | Step::Skip);
    (counts != is_function(by)).then(|| Stage {
        step,
        by: by.clone(),
        name: call.name.text.clone(),
        span,
    })
}
