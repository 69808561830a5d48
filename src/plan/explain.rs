//! Logical plans as text and JSON, and expressions as a user would write them.
//!
//! `Join inner on l_orderkey = o_orderkey  (~3,000 rows)` with its inputs indented below; the JSON has the same facts as
//! fields.
//!
//! Invariants: an expression prints with the least parentheses that keep its meaning.
//!
//! Does not: show physical operators or times.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::logical::ArithOp;
use super::logical::{
    Aggregate, AggregateFunction, Called, ColumnId, ColumnInfo, CompareOp, Expr, ExprKind, JoinKind, Plan, Query,
    SortKey, StageKind,
};
use crate::types::{LogicalType, Value};

/// How many rows an operator is expected to give, if an estimate is to be shown.
pub type Estimates<'e> = dyn Fn(&Plan) -> Option<f64> + 'e;

/// A whole query with its subqueries.
pub fn text(query: &Query, estimates: &Estimates<'_>) -> String {
    let mut out = String::new();
    for (i, subquery) in query.subqueries.iter().enumerate() {
        let _ = writeln!(out, "Subquery ${i}");
        Printer::new(&subquery.columns).plan(&subquery.root, 1, estimates, &mut out);
    }
    for (i, recursion) in query.recursions.iter().enumerate() {
        if recursion.is_kept_rows() {
            let _ = writeln!(out, "Rows kept {i}");
            Printer::new(&recursion.base.columns).plan(&recursion.base.root, 1, estimates, &mut out);
            continue;
        }
        let kind = if recursion.distinct {
            "Recursion"
        } else {
            "Recursion of all rows"
        };
        for (part, query) in [("base", &recursion.base), ("step", &recursion.step)] {
            let _ = writeln!(out, "{kind} {i}: {part}");
            Printer::new(&query.columns).plan(&query.root, 1, estimates, &mut out);
        }
    }
    for stage in &query.stages {
        let _ = match &stage.kind {
            StageKind::Call { function, .. } => writeln!(out, "Rows of {function}"),
            StageKind::Base { name, .. } => writeln!(out, "Rows that {name} begins with"),
            StageKind::Step { name, .. } => writeln!(out, "Rows of a step of {name}"),
        };
        Printer::new(&stage.input.columns).plan(&stage.input.root, 1, estimates, &mut out);
    }
    Printer::new(&query.columns).plan(&query.root, 0, estimates, &mut out);
    out
}

/// A whole query as JSON: `{"plan": …, "subqueries": […], "recursions": […], "calls": […], "output": […]}`.
pub fn json(query: &Query, estimates: &Estimates<'_>) -> Json {
    let output = query
        .output
        .iter()
        .map(|(_, field)| json!({"name": field.name, "type": field.ty.to_string()}));
    let subqueries = query
        .subqueries
        .iter()
        .map(|s| Printer::new(&s.columns).json(&s.root, estimates));
    let recursions = query.recursions.iter().map(|recursion| {
        let part = |query: &Query| Printer::new(&query.columns).json(&query.root, estimates);
        json!({
            "distinct": recursion.distinct,
            "base": part(&recursion.base),
            "step": part(&recursion.step),
        })
    });
    let calls = query.stages.iter().map(|stage| {
        let (key, name) = match &stage.kind {
            StageKind::Call {
                function: Called::Function(name),
                ..
            } => ("function", name.clone()),
            StageKind::Call {
                function: Called::Expression { .. },
                ..
            } => ("function", "lambda".to_owned()),
            StageKind::Base { name, .. } => ("base", name.clone()),
            StageKind::Step { name, .. } => ("step", name.clone()),
        };
        let rows = Printer::new(&stage.input.columns).json(&stage.input.root, estimates);
        json!({ key: name, "rows": rows })
    });
    json!({
        "plan": Printer::new(&query.columns).json(&query.root, estimates),
        "subqueries": subqueries.collect::<Vec<_>>(),
        "recursions": recursions.collect::<Vec<_>>(),
        "calls": calls.collect::<Vec<_>>(),
        "output": output.collect::<Vec<_>>(),
    })
}

/// An expression as text.
pub fn expr(expr: &Expr, columns: &[ColumnInfo]) -> String {
    Printer::new(columns).expr(expr)
}

/// One operator without its inputs.
pub fn operator(plan: &Plan, columns: &[ColumnInfo]) -> String {
    let (name, details) = Printer::new(columns).describe(plan);
    let mut line = name;
    for (what, text) in details {
        line.push_str(&detail(what, &text));
    }
    line
}

struct Printer<'c> {
    columns: &'c [ColumnInfo],
}

/// Binding strength, loosest first.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Strength {
    Or,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Unary,
    Atom,
}

fn detail(what: &str, text: &str) -> String {
    if what.is_empty() {
        format!(" {text}")
    } else {
        format!(" {what} {text}")
    }
}

impl<'c> Printer<'c> {
    fn new(columns: &'c [ColumnInfo]) -> Self {
        Printer { columns }
    }

    fn plan(&self, plan: &Plan, depth: usize, estimates: &Estimates<'_>, out: &mut String) {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&operator(plan, self.columns));
        if let Some(rows) = estimates(plan) {
            let _ = write!(out, "  (~{} rows)", thousands(rows));
        }
        out.push('\n');
        for child in plan.children() {
            self.plan(child, depth + 1, estimates, out);
        }
    }

    fn json(&self, plan: &Plan, estimates: &Estimates<'_>) -> Json {
        let (name, details) = self.describe(plan);
        let mut node = serde_json::Map::new();
        node.insert("operator".into(), json!(name));
        for (what, text) in details {
            let key = if what.is_empty() { "detail" } else { what };
            node.insert(key.into(), json!(text));
        }
        if let Some(rows) = estimates(plan) {
            node.insert("estimated_rows".into(), json!(rows.round()));
        }
        let inputs: Vec<Json> = plan
            .children()
            .into_iter()
            .map(|child| self.json(child, estimates))
            .collect();
        if !inputs.is_empty() {
            node.insert("inputs".into(), json!(inputs));
        }
        Json::Object(node)
    }

    /// The operator's name and what else is to be said of it.
    fn describe(&self, plan: &Plan) -> (String, Vec<(&'static str, String)>) {
        match plan {
            Plan::Scan {
                name, columns, filters, ..
            } => {
                let ids: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
                let mut details = vec![("", format!("{name} [{}]", self.names(&ids)))];
                if !filters.is_empty() {
                    details.push(("where", self.conjunction(filters)));
                }
                ("Scan".into(), details)
            }
            Plan::Values { columns, rows } => {
                let text = format!("[{}] {} rows", self.names(columns), rows.len());
                ("Values".into(), vec![("", text)])
            }
            Plan::Recursive {
                recursion,
                name,
                columns,
            } => {
                let ids: Vec<ColumnId> = columns.iter().map(|(id, _)| *id).collect();
                let text = format!("{name} [{}] of {}", self.names(&ids), recursion.0);
                ("Recursion".into(), vec![("", text)])
            }
            Plan::Range { start, stop, step, .. } => ("Range".into(), vec![("", format!("{start}..{stop} by {step}"))]),
            Plan::Filter { predicates, .. } => ("Filter".into(), vec![("", self.conjunction(predicates))]),
            Plan::Project { columns, .. } => {
                let items: Vec<String> = columns.iter().map(|(id, e)| self.named(*id, e)).collect();
                ("Project".into(), vec![("", items.join(", "))])
            }
            Plan::Join { .. } => self.describe_join(plan),
            Plan::Aggregate { keys, aggregates, .. } => {
                let keys: Vec<String> = keys.iter().map(|(id, e)| self.named(*id, e)).collect();
                let made: Vec<String> = aggregates.iter().map(|(_, a)| self.aggregate(a)).collect();
                let mut details = Vec::new();
                if !keys.is_empty() {
                    details.push(("by", keys.join(", ")));
                }
                if !made.is_empty() {
                    details.push(("computing", made.join(", ")));
                }
                ("Aggregate".into(), details)
            }
            Plan::Sort { keys, limit, .. } => {
                let by: Vec<String> = keys.iter().map(|key| self.sort_key(key)).collect();
                let mut details = vec![("by", by.join(", "))];
                details.extend(limit.map(|limit| ("limit", limit.to_string())));
                ("Sort".into(), details)
            }
            Plan::Limit { limit, offset, .. } => {
                let mut details = Vec::new();
                if let Some(limit) = limit {
                    details.push(("", limit.to_string()));
                }
                if *offset > 0 {
                    details.push(("offset", offset.to_string()));
                }
                ("Limit".into(), details)
            }
            Plan::Unnest { array, element, .. } => {
                let details = vec![("", format!("{} = each of {}", self.name(*element), self.expr(array)))];
                ("Unnest".into(), details)
            }
            Plan::Window { .. } => self.describe_window(plan),
            Plan::Called { .. } | Plan::ForEach { .. } => self.describe_bound(plan),
            Plan::UnionAll { columns, .. } => ("Union all".into(), vec![("", format!("[{}]", self.names(columns)))]),
        }
    }

    /// An operator that only plans have that are being bound.
    fn describe_bound(&self, plan: &Plan) -> (String, Vec<(&'static str, String)>) {
        match plan {
            Plan::Called { call, .. } => {
                let details = vec![("", format!("{} = {}", self.name(call.column), call.function))];
                ("Call".into(), details)
            }
            Plan::ForEach { each, .. } => {
                let values: Vec<String> = each.values.iter().map(|(_, value, _)| self.expr(value)).collect();
                ("For each".into(), vec![("", values.join(", "))])
            }
            _ => (String::new(), Vec::new()),
        }
    }

    fn describe_window(&self, plan: &Plan) -> (String, Vec<(&'static str, String)>) {
        let Plan::Window {
            partition,
            order,
            calls,
            ..
        } = plan
        else {
            return (String::new(), Vec::new());
        };
        let made: Vec<String> = calls.iter().map(|(id, _)| self.name(*id)).collect();
        let mut details = vec![("", made.join(", "))];
        if !partition.is_empty() {
            details.push(("by", self.names(partition)));
        }
        if !order.is_empty() {
            let keys: Vec<String> = order.iter().map(|key| self.sort_key(key)).collect();
            details.push(("in order of", keys.join(", ")));
        }
        ("Window".into(), details)
    }

    fn describe_join(&self, plan: &Plan) -> (String, Vec<(&'static str, String)>) {
        let Plan::Join {
            kind,
            keys,
            null_equal,
            residual,
            ..
        } = plan
        else {
            return (String::new(), Vec::new());
        };
        let kind = match kind {
            JoinKind::Inner if keys.is_empty() && residual.is_empty() => "cross",
            JoinKind::Inner => "inner",
            JoinKind::Left => "left",
            JoinKind::Semi => "semi",
            JoinKind::Anti => "anti",
            JoinKind::NullAwareAnti => "null-aware anti",
            JoinKind::Full => "full",
        };
        let mut details = vec![("", kind.to_string())];
        if !keys.is_empty() {
            let sign = if *null_equal { "is not distinct from" } else { "=" };
            let side = |e: &Expr| self.at(e, Strength::Sum);
            let pairs: Vec<String> = keys
                .iter()
                .map(|(l, r)| format!("{} {sign} {}", side(l), side(r)))
                .collect();
            details.push(("on", pairs.join(" and ")));
        }
        if !residual.is_empty() {
            details.push(("where", self.conjunction(residual)));
        }
        ("Join".into(), details)
    }

    fn name(&self, id: ColumnId) -> String {
        let info = self.columns.get(id.0 as usize);
        info.map_or_else(|| format!("#{}", id.0), |info| info.name.clone())
    }

    fn names(&self, ids: &[ColumnId]) -> String {
        let names: Vec<String> = ids.iter().map(|id| self.name(*id)).collect();
        names.join(", ")
    }

    /// `a + 1 as b`; a column that keeps its id is just named.
    fn named(&self, id: ColumnId, e: &Expr) -> String {
        let text = self.expr(e);
        let name = self.name(id);
        if e.as_column() == Some(id) || text == name {
            text
        } else {
            format!("{text} as {name}")
        }
    }

    fn sort_key(&self, key: &SortKey) -> String {
        let desc = if key.desc { " desc" } else { "" };
        let nulls = if key.nulls_first { " nulls first" } else { "" };
        format!("{}{desc}{nulls}", self.name(key.column))
    }

    fn aggregate(&self, aggregate: &Aggregate) -> String {
        let name = match aggregate.function {
            AggregateFunction::Count => "count",
            AggregateFunction::Sum => "sum",
            AggregateFunction::Avg => "avg",
            AggregateFunction::Min => "min",
            AggregateFunction::Max => "max",
            AggregateFunction::AnyValue => "any_value",
            AggregateFunction::List | AggregateFunction::Bag => "array_agg",
            AggregateFunction::ExactSum => "exact_sum",
            AggregateFunction::CountMerge => "count_merge",
        };
        let distinct = if aggregate.distinct { "distinct " } else { "" };
        let arg = aggregate.arg.as_ref().map_or_else(|| "*".into(), |e| self.expr(e));
        let filter = aggregate
            .filter
            .as_ref()
            .map(|e| format!(" filter (where {})", self.expr(e)));
        format!("{name}({distinct}{arg}){}", filter.unwrap_or_default())
    }

    fn conjunction(&self, predicates: &[Expr]) -> String {
        let texts: Vec<String> = predicates.iter().map(|e| self.at(e, Strength::And)).collect();
        texts.join(" and ")
    }

    fn expr(&self, e: &Expr) -> String {
        self.at(e, Strength::Or)
    }

    /// The text, in parentheses if it binds more loosely than its place needs.
    fn at(&self, e: &Expr, needed: Strength) -> String {
        let (text, strength) = self.write(e);
        if strength < needed { format!("({text})") } else { text }
    }

    fn list(&self, items: &[Expr], separator: &str, needed: Strength) -> String {
        let texts: Vec<String> = items.iter().map(|e| self.at(e, needed)).collect();
        texts.join(separator)
    }

    fn write(&self, e: &Expr) -> (String, Strength) {
        let atom = |text: String| (text, Strength::Atom);
        let test = |text: String| (text, Strength::Compare);
        match &e.kind {
            ExprKind::Column(id) => atom(self.name(*id)),
            ExprKind::Literal(value) => atom(literal(value, &e.ty)),
            ExprKind::Subquery(id) => atom(format!("${}", id.0)),
            ExprKind::Cast { expr, try_: false } => atom(format!("{}::{}", self.at(expr, Strength::Atom), e.ty)),
            ExprKind::Cast { expr, try_: true } => atom(format!("try_cast({} as {})", self.expr(expr), e.ty)),
            ExprKind::Chain { .. } => self.chain(e),
            ExprKind::Neg(inner) => (format!("-{}", self.at(inner, Strength::Unary)), Strength::Unary),
            ExprKind::Not(inner) => (format!("not {}", self.at(inner, Strength::Not)), Strength::Not),
            ExprKind::And(items) => (self.list(items, " and ", Strength::Not), Strength::And),
            ExprKind::Or(items) => (self.list(items, " or ", Strength::And), Strength::Or),
            ExprKind::Compare { op, left, right } => {
                let side = |e: &Expr| self.at(e, Strength::Sum);
                test(format!("{} {} {}", side(left), compare_symbol(*op), side(right)))
            }
            ExprKind::IsNull { expr, negated } => {
                let not = if *negated { "not " } else { "" };
                test(format!("{} is {not}null", self.at(expr, Strength::Sum)))
            }
            ExprKind::InList { expr, negated, list } => {
                let not = if *negated { "not " } else { "" };
                let shown: Vec<String> = list.iter().take(20).map(|v| literal(v, &expr.ty)).collect();
                let more = if list.len() > 20 { ", …" } else { "" };
                test(format!(
                    "{} {not}in ({}{more})",
                    self.at(expr, Strength::Sum),
                    shown.join(", ")
                ))
            }
            ExprKind::Like {
                expr,
                negated,
                case_insensitive,
                pattern,
                escape,
            } => {
                let not = if *negated { "not " } else { "" };
                let like = if *case_insensitive { "ilike" } else { "like" };
                let escape = escape.map(|c| format!(" escape '{c}'")).unwrap_or_default();
                let side = |e: &Expr| self.at(e, Strength::Sum);
                test(format!("{} {not}{like} {}{escape}", side(expr), side(pattern)))
            }
            ExprKind::Case { arms, otherwise } => {
                let arm = |(when, then): &(Expr, Expr)| format!("when {} then {}", self.expr(when), self.expr(then));
                let arms: Vec<String> = arms.iter().map(arm).collect();
                atom(format!("case {} else {} end", arms.join(" "), self.expr(otherwise)))
            }
            ExprKind::Coalesce(items) => atom(format!("coalesce({})", self.list(items, ", ", Strength::Or))),
            ExprKind::Call { function, args } => {
                let name = function_name(*function);
                atom(format!("{name}({})", self.list(args, ", ", Strength::Or)))
            }
            ExprKind::Routine { name, args, .. } => atom(format!("{name}({})", self.list(args, ", ", Strength::Or))),
        }
    }

    fn chain(&self, e: &Expr) -> (String, Strength) {
        let ExprKind::Chain { first, rest } = &e.kind else {
            return (String::new(), Strength::Atom);
        };
        let strength_of = |op| match op {
            ArithOp::Add | ArithOp::Sub | ArithOp::Concat => Strength::Sum,
            _ => Strength::Product,
        };
        let whole = rest.last().map_or(Strength::Atom, |step| strength_of(step.op));
        let start = rest.first().map_or(Strength::Atom, |step| strength_of(step.op));
        let mut text = self.at(first, start);
        let mut so_far = start;
        for step in rest {
            let strength = strength_of(step.op);
            if so_far < strength {
                text = format!("({text})");
            }
            so_far = strength;
            let tighter = if strength == Strength::Sum {
                Strength::Product
            } else {
                Strength::Unary
            };
            let _ = write!(text, " {} {}", arith_symbol(step.op), self.at(&step.operand, tighter));
        }
        (text, whole)
    }
}

fn function_name(function: crate::functions::FunctionId) -> String {
    crate::functions::function(function).name.to_string()
}

fn literal(value: &Value, ty: &LogicalType) -> String {
    let text = value.display(ty);
    match (value, ty) {
        (Value::Null, _) => "null".into(),
        (Value::String(_), _) => format!("'{}'", text.replace('\'', "''")),
        (_, LogicalType::Date | LogicalType::Time | LogicalType::Timestamp | LogicalType::TimestampTz) => {
            format!("{ty} '{text}'")
        }
        (_, LogicalType::Interval) => format!("interval '{text}'"),
        (_, LogicalType::Uuid) => format!("uuid '{text}'"),
        _ => text,
    }
}

fn compare_symbol(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::NotEq => "<>",
        CompareOp::Lt => "<",
        CompareOp::LtEq => "<=",
        CompareOp::Gt => ">",
        CompareOp::GtEq => ">=",
        CompareOp::Distinct => "is distinct from",
        CompareOp::NotDistinct => "is not distinct from",
    }
}

/// The operator as written.
pub fn arith_symbol(op: ArithOp) -> &'static str {
    match op {
        ArithOp::Add => "+",
        ArithOp::Sub => "-",
        ArithOp::Mul => "*",
        ArithOp::Div => "/",
        ArithOp::IntDiv => "div",
        ArithOp::Rem => "%",
        ArithOp::Concat => "||",
    }
}

/// `6,001,215`.
fn thousands(rows: f64) -> String {
    let digits = format!("{rows:.0}");
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(c);
    }
    out
}
