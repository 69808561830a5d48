//! Join ordering: inner joins, with the semi and anti joins above them, in the cheapest order by estimate.
//!
//! ```text
//! Semi on o_orderkey (Join (Join customer orders) lineitem) (Aggregate lineitem)     -- as written, TPC-H 18
//! Join (Join lineitem (Semi on o_orderkey orders (Aggregate lineitem))) customer     -- 57 orders reach the joins
//! ```
//!
//! Why it is right: inner joins are associative and commutative, and a semi join whose condition mentions only some
//! relations commutes with joins of the others. Columns that are equal form a class; joining two sets that both have
//! members of a class needs one equality of that class, since within each set its members are equal already.
//!
//! Invariants: the right side of every join is the one to build a table from. Does not: reorder outer joins.

use std::collections::HashSet;

use super::implied;
use super::join_search::{Tree, search};
use super::pushdown::as_key;
use crate::plan::estimate::Estimator;
use crate::plan::logical::{ColumnId, CompareOp, Expr, ExprKind, JoinKind, Plan};

/// Relations are numbered; a set of them is a bit mask.
pub(super) type Set = u128;

/// Groups with more members are left as they were written.
const MAX_MEMBERS: usize = 100;

/// A group of relations to be joined.
pub(super) struct Group {
    /// Relations and right sides of semi joins.
    pub(super) members: Vec<Member>,
    /// Columns that are equal to each other: member and column.
    pub(super) classes: Vec<Class>,
    /// All other predicates over more than one relation.
    pub(super) others: Vec<Other>,
    /// Corrections for pairs of members with several classes in common.
    pub(super) corrections: Vec<(Set, f64)>,
}

/// One input of the group.
pub(super) struct Member {
    plan: Plan,
    /// Rows expected.
    pub(super) rows: f64,
    /// For the right side of a semi join: how it is joined.
    pub(super) semi: Option<Semi>,
}

/// A semi or anti join.
pub(super) struct Semi {
    kind: JoinKind,
    keys: Vec<(Expr, Expr)>,
    residual: Vec<Expr>,
    /// Relations that must be joined before.
    pub(super) needs: Set,
    /// Share of rows that pass.
    pub(super) share: f64,
}

/// Equal columns.
pub(super) struct Class {
    /// Member, expression, number of values it is drawn from.
    pub(super) entries: Vec<(usize, Expr, f64)>,
    /// Members that take part.
    pub(super) members: Set,
}

/// A predicate over several relations.
pub(super) struct Other {
    expr: Expr,
    /// Relations that it mentions.
    pub(super) members: Set,
    /// Share of pairs for which it holds.
    pub(super) share: f64,
}

/// Orders all groups of joins of a plan.
pub(super) fn order_joins(plan: Plan, estimator: &Estimator) -> Plan {
    if !is_group(&plan) {
        let mut plan = plan;
        for child in plan.children_mut() {
            *child = order_joins(child.take(), estimator);
        }
        return plan;
    }
    let mut flat = Flat::default();
    flat.add(plan, estimator);
    flat.order(estimator)
}

/// An inner, semi or anti join, perhaps under filters.
fn is_group(plan: &Plan) -> bool {
    match plan {
        Plan::Join { kind, null_equal, .. } => (*kind == JoinKind::Inner || kind.is_semi()) && !null_equal,
        Plan::Filter { input, .. } => is_group(input),
        _ => false,
    }
}

/// Kind, right side, keys and residual of a semi or anti join.
type FlatSemi = (JoinKind, Plan, Vec<(Expr, Expr)>, Vec<Expr>);

/// A group taken apart.
#[derive(Default)]
struct Flat {
    relations: Vec<Plan>,
    predicates: Vec<Expr>,
    semis: Vec<FlatSemi>,
}

impl Flat {
    fn add(&mut self, plan: Plan, estimator: &Estimator) {
        if !is_group(&plan) {
            self.relations.push(order_joins(plan, estimator));
            return;
        }
        match plan {
            Plan::Filter { input, predicates } => {
                self.predicates.extend(predicates);
                self.add(*input, estimator);
            }
            Plan::Join {
                kind,
                left,
                right,
                keys,
                residual,
                ..
            } => {
                self.add(*left, estimator);
                if kind == JoinKind::Inner {
                    self.add(*right, estimator);
                    self.predicates.extend(residual);
                    let equal = keys.into_iter().map(|(l, r)| Expr::compare(CompareOp::Eq, l, r));
                    self.predicates.extend(equal);
                } else {
                    self.semis.push((kind, order_joins(*right, estimator), keys, residual));
                }
            }
            other => self.relations.push(other),
        }
    }

    fn order(self, estimator: &Estimator) -> Plan {
        if self.relations.len() + self.semis.len() > MAX_MEMBERS {
            return self.in_written_order();
        }
        let (group, above) = self.group(estimator);
        let tree = search(&group);
        let (plan, _) = Builder::new(group).build(&tree);
        plan.filtered(above)
    }

    /// A chain in the order of the text, for groups too large to search.
    fn in_written_order(self) -> Plan {
        let mut relations = self.relations.into_iter();
        let mut predicates = self.predicates;
        let mut whole = relations.next().unwrap_or_else(Plan::unit);
        for right in relations {
            let (left_set, right_set) = (whole.output_set(), right.output_set());
            let both: HashSet<ColumnId> = left_set.union(&right_set).copied().collect();
            let (now, later): (Vec<Expr>, Vec<Expr>) = predicates.into_iter().partition(|e| e.within(&both));
            predicates = later;
            let (mut keys, mut residual) = (Vec::new(), Vec::new());
            for predicate in now {
                match as_key(&predicate, &left_set, &right_set) {
                    Some(key) => keys.push(key),
                    None => residual.push(predicate),
                }
            }
            whole = join(JoinKind::Inner, whole, right, keys, residual);
        }
        let whole = whole.filtered(predicates);
        let semis = self.semis.into_iter();
        semis.fold(whole, |left, (kind, right, keys, residual)| {
            join(kind, left, right, keys, residual)
        })
    }

    /// Numbers the members and sorts the predicates; the second result is what mentions no relation at all.
    fn group(self, estimator: &Estimator) -> (Group, Vec<Expr>) {
        let sets: Vec<HashSet<ColumnId>> = self.relations.iter().map(Plan::output_set).collect();
        let members_of = |e: &Expr| mask(e, &sets);
        let mut single: Vec<Vec<Expr>> = sets.iter().map(|_| Vec::new()).collect();
        let (mut above, mut equalities, mut several) = (Vec::new(), Vec::new(), Vec::new());
        for predicate in self.predicates {
            let set = members_of(&predicate);
            match set.count_ones() {
                0 => above.push(predicate),
                1 => single[set.trailing_zeros() as usize].push(predicate),
                _ => match equality(&predicate, &members_of) {
                    Some(pair) => equalities.push(pair),
                    None => several.push((predicate, set)),
                },
            }
        }
        let classes = gather_classes(equalities);
        for class in &classes {
            equal_within(class, &mut single);
        }
        let mut members: Vec<Member> = Vec::new();
        for (plan, filters) in self.relations.into_iter().zip(single) {
            let plan = filtered(plan, filters);
            let rows = estimator.rows(&plan).max(1.0);
            members.push(Member { plan, rows, semi: None });
        }
        let classes: Vec<Class> = classes
            .into_iter()
            .map(|entries| class(entries, &members, estimator))
            .collect();
        let others = several.into_iter().map(|(expr, members)| Other {
            share: share_beyond_implied(&expr, &sets, estimator),
            expr,
            members,
        });
        let others = others.collect();
        let corrections = corrections(&members, &classes, estimator);
        for (kind, right, keys, residual) in self.semis {
            let needs = semi_needs(&keys, &residual, &sets);
            let left = members.get(needs.trailing_zeros() as usize).map_or(&right, |m| &m.plan);
            let found = estimator.semi_share(left, &right, &keys, &residual);
            let share = match kind {
                JoinKind::Semi => found.max(1e-6),
                _ => (1.0 - found).max(0.05),
            };
            let semi = Semi {
                kind,
                keys,
                residual,
                needs,
                share,
            };
            members.push(Member {
                rows: estimator.rows(&right).max(1.0),
                plan: right,
                semi: Some(semi),
            });
        }
        let group = Group {
            members,
            classes,
            others,
            corrections,
        };
        (group, above)
    }
}

fn join(kind: JoinKind, left: Plan, right: Plan, keys: Vec<(Expr, Expr)>, residual: Vec<Expr>) -> Plan {
    Plan::Join {
        kind,
        left: Box::new(left),
        right: Box::new(right),
        keys,
        null_equal: false,
        residual,
    }
}

fn filtered(plan: Plan, predicates: Vec<Expr>) -> Plan {
    match plan {
        Plan::Scan {
            table,
            name,
            columns,
            mut filters,
        } => {
            filters.extend(predicates);
            Plan::Scan {
                table,
                name,
                columns,
                filters,
            }
        }
        other => other.filtered(predicates),
    }
}

/// Share of pairs for which a predicate holds, given that the filters derived from it are applied already.
fn share_beyond_implied(expr: &Expr, sets: &[HashSet<ColumnId>], estimator: &Estimator) -> f64 {
    let whole = estimator.selectivity(expr);
    let ExprKind::Or(arms) = &expr.kind else {
        return whole;
    };
    let implied = sets.iter().filter_map(|set| implied::from_arms(arms, set, expr));
    let applied: f64 = implied.map(|e| estimator.selectivity(&e)).product();
    if applied > 0.0 {
        (whole / applied).min(1.0)
    } else {
        whole
    }
}

/// The relations that an expression mentions.
fn mask(expr: &Expr, sets: &[HashSet<ColumnId>]) -> Set {
    let columns = expr.columns();
    let hit = sets.iter().enumerate().filter(|(_, set)| !set.is_disjoint(&columns));
    hit.fold(0, |out, (at, _)| out | 1 << at)
}

/// Relations that a semi join's condition mentions; at least one.
fn semi_needs(keys: &[(Expr, Expr)], residual: &[Expr], sets: &[HashSet<ColumnId>]) -> Set {
    let outer = keys.iter().map(|(l, _)| l).chain(residual);
    let needs = outer.fold(0, |out, e| out | mask(e, sets));
    if needs == 0 { 1 } else { needs }
}

/// `a.x = b.y` with one relation on each side.
fn equality(predicate: &Expr, members_of: &dyn Fn(&Expr) -> Set) -> Option<((usize, Expr), (usize, Expr))> {
    let (left, right) = predicate.as_equality()?;
    let (l, r) = (members_of(left), members_of(right));
    let single = l.count_ones() == 1 && r.count_ones() == 1;
    let side = |set: Set, e: &Expr| (set.trailing_zeros() as usize, e.clone());
    single.then(|| (side(l, left), side(r, right)))
}

type Entry = (usize, Expr);

fn gather_classes(equalities: Vec<(Entry, Entry)>) -> Vec<Vec<Entry>> {
    let mut names: Vec<Entry> = Vec::new();
    let mut number = |entry: Entry| -> ColumnId {
        let at = names.iter().position(|known| *known == entry).unwrap_or_else(|| {
            names.push(entry);
            names.len() - 1
        });
        ColumnId(at as u32)
    };
    let pairs: Vec<(ColumnId, ColumnId)> = equalities.into_iter().map(|(l, r)| (number(l), number(r))).collect();
    let classes = implied::classes(&pairs).into_iter();
    classes
        .map(|class| class.into_iter().map(|id| names[id.0 as usize].clone()).collect())
        .collect()
}

/// Two columns of one relation that are equal by way of another: an ordinary filter.
fn equal_within(class: &[Entry], single: &mut [Vec<Expr>]) {
    for (at, (member, expr)) in class.iter().enumerate() {
        let before = class[..at].iter().find(|(other, _)| other == member);
        if let Some((_, other)) = before {
            single[*member].push(Expr::compare(CompareOp::Eq, other.clone(), expr.clone()));
        }
    }
}

fn class(entries: Vec<Entry>, members: &[Member], estimator: &Estimator) -> Class {
    let set = entries.iter().fold(0, |out, (member, _)| out | 1 << member);
    let sized = entries.into_iter().map(|(member, expr)| {
        let values = estimator.domain(&expr);
        let values = values.unwrap_or_else(|| estimator.distinct(&members[member].plan, &expr));
        (member, expr, values.max(1.0))
    });
    Class {
        entries: sized.collect(),
        members: set,
    }
}

/// Pairs joined on several columns at once: there are no more combinations than rows where they are a key.
fn corrections(members: &[Member], classes: &[Class], estimator: &Estimator) -> Vec<(Set, f64)> {
    let mut out = Vec::new();
    for a in 0..members.len() {
        for b in a + 1..members.len() {
            let pair: Set = 1 << a | 1 << b;
            let shared: Vec<&Class> = classes.iter().filter(|c| c.members & pair == pair).collect();
            if shared.len() < 2 {
                continue;
            }
            let product: f64 = shared.iter().map(|c| c.values(pair)).product();
            let mut combinations = product;
            for member in [a, b] {
                let own: f64 = shared.iter().map(|c| c.values(1 << member)).product();
                let column = shared
                    .iter()
                    .find_map(|c| c.expr_of(1 << member)?.columns().into_iter().next());
                let rows = column
                    .and_then(|id| estimator.table_rows_of(id))
                    .unwrap_or(members[member].rows);
                if own >= rows {
                    combinations = combinations.min(rows.max(1.0));
                }
            }
            out.push((pair, product / combinations));
        }
    }
    out
}

impl Class {
    /// Number of values among some members.
    pub(super) fn values(&self, set: Set) -> f64 {
        let own = self.entries.iter().filter(|(member, ..)| set & 1 << member != 0);
        own.map(|(.., values)| *values).fold(1.0, f64::max)
    }

    fn expr_of(&self, set: Set) -> Option<&Expr> {
        let own = self.entries.iter().find(|(member, ..)| set & 1 << member != 0);
        own.map(|(_, expr, _)| expr)
    }

    /// Has members in both sets.
    pub(super) fn links(&self, a: Set, b: Set) -> bool {
        self.members & a != 0 && self.members & b != 0
    }
}

impl Group {
    /// Rows expected when a set of members is joined.
    pub(super) fn rows(&self, set: Set) -> f64 {
        let mut rows = 1.0;
        for (at, member) in self.members.iter().enumerate() {
            if set & 1 << at != 0 {
                rows *= member.semi.as_ref().map_or(member.rows, |semi| semi.share);
            }
        }
        for class in &self.classes {
            let inside = (class.members & set).count_ones();
            if inside > 1 {
                rows /= class.values(set).powi(inside as i32 - 1);
            }
        }
        for (pair, factor) in &self.corrections {
            if set & pair == *pair {
                rows *= factor;
            }
        }
        let held = self.others.iter().filter(|other| other.members & set == other.members);
        rows * held.map(|other| other.share).product::<f64>()
    }

    /// Joining the two needs no cross product.
    pub(super) fn connected(&self, a: Set, b: Set) -> bool {
        let whole = a | b;
        let straddles = |m: Set| m & whole == m && m & a != 0 && m & b != 0;
        self.has_keys(a, b) || self.others.iter().any(|other| straddles(other.members))
    }

    /// Some equality links the two.
    pub(super) fn has_keys(&self, a: Set, b: Set) -> bool {
        self.classes.iter().any(|class| class.links(a, b))
    }
}

/// Builds the plan of a tree.
struct Builder {
    plans: Vec<Option<Plan>>,
    semis: Vec<Option<Semi>>,
    classes: Vec<Class>,
    others: Vec<Other>,
}

impl Builder {
    fn new(group: Group) -> Builder {
        let (plans, semis) = group
            .members
            .into_iter()
            .map(|member| (Some(member.plan), member.semi))
            .unzip();
        Builder {
            plans,
            semis,
            classes: group.classes,
            others: group.others,
        }
    }

    fn build(&mut self, tree: &Tree) -> (Plan, Set) {
        match tree {
            Tree::Leaf(at) => {
                let plan = self.plans.get_mut(*at).and_then(Option::take);
                (plan.unwrap_or_else(Plan::unit), 1 << at)
            }
            Tree::Join(left, right) => {
                let (left, left_set) = self.build(left);
                if let Tree::Leaf(at) = **right
                    && let Some(semi) = self.semis.get_mut(at).and_then(Option::take)
                {
                    let (right, set) = self.build(&Tree::Leaf(at));
                    return (join(semi.kind, left, right, semi.keys, semi.residual), left_set | set);
                }
                let (right, right_set) = self.build(right);
                let whole = left_set | right_set;
                let mut keys: Vec<(Expr, Expr)> = Vec::new();
                for class in self.classes.iter().filter(|class| class.links(left_set, right_set)) {
                    if let (Some(l), Some(r)) = (class.expr_of(left_set), class.expr_of(right_set)) {
                        keys.push((l.clone(), r.clone()));
                    }
                }
                let residual = self.newly_whole(left_set, right_set);
                (join(JoinKind::Inner, left, right, keys, residual), whole)
            }
        }
    }

    /// Predicates that can be evaluated on the pair, but on neither side alone.
    fn newly_whole(&self, left: Set, right: Set) -> Vec<Expr> {
        let whole = left | right;
        let inside = |m: Set, set: Set| m & set == m;
        let new = self.others.iter().filter(|other| {
            inside(other.members, whole) && !inside(other.members, left) && !inside(other.members, right)
        });
        new.map(|other| other.expr.clone()).collect()
    }
}
