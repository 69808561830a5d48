//! The search behind join ordering: every connected split of every set of relations, or greedily beyond that.
//!
//! For `customer ⋈ orders ⋈ lineitem` the sets `{c, o}` and `{o, l}` get a best tree each, `{c, l}` none (nothing links them), and
//! the whole is the cheaper of `{c, o} ⋈ l` and `c ⋈ {o, l}`, each in both orientations.
//!
//! After Moerkotte and Neumann, "Analysis of Two Existing and One New Dynamic Programming Algorithm" (DPsub), 2006,
//! and Fegaras, "A New Heuristic for Optimizing Large Queries" (greedy operator ordering), 1998.
//!
//! Invariants: the tree has every member exactly once; a semi join's right side stands directly to the right of a tree
//! that has all it needs. Does not: know plans, only numbers.

use super::join_order::{Group, Set};

/// More members than this are ordered greedily.
const MAX_EXHAUSTIVE: usize = 11;
/// Cost of putting a row into a table, relative to looking one up.
const BUILD: f64 = 2.5;
/// Cost of comparing one pair where there is no key.
const PAIR: f64 = 0.5;

/// An order of joins; the right side builds.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    /// A member.
    Leaf(usize),
    /// Left and right.
    Join(Box<Tree>, Box<Tree>),
}

/// The cheapest way found to join a set.
#[derive(Clone, Debug)]
struct Best {
    set: Set,
    rows: f64,
    cost: f64,
    tree: Tree,
}

/// The cheapest tree of a group.
pub(super) fn search(group: &Group) -> Tree {
    let parts = components(group);
    let mut whole: Vec<Best> = parts.into_iter().map(|part| best_of(group, part)).collect();
    // What nothing links is multiplied at the end, the smallest relations building.
    whole.sort_by(|a, b| b.rows.total_cmp(&a.rows));
    let mut whole = whole.into_iter();
    let Some(first) = whole.next() else {
        return Tree::Leaf(0);
    };
    whole.fold(first, |left, right| joined(group, &left, &right)).tree
}

fn best_of(group: &Group, part: Set) -> Best {
    let found = match part.count_ones() as usize {
        n if n <= MAX_EXHAUSTIVE => exhaustive(group, part),
        _ => None,
    };
    found.unwrap_or_else(|| greedy(group, part))
}

fn leaf(group: &Group, at: usize) -> Best {
    Best {
        set: 1 << at,
        rows: group.members[at].rows,
        cost: 0.0,
        tree: Tree::Leaf(at),
    }
}

/// What joining two results costs: looking up the left rows, building from the right ones, and what comes out.
fn join_cost(group: &Group, left: (Set, f64), right: (Set, f64), rows: f64) -> f64 {
    let keyed = semi_of(group, right.0).is_some() || group.has_keys(left.0, right.0);
    let pairs = if keyed { 0.0 } else { left.1 * right.1 * PAIR };
    left.1 + BUILD * right.1 + rows + pairs
}

/// The set is nothing but the right side of a semi join: what that needs.
fn semi_of(group: &Group, set: Set) -> Option<Set> {
    if set.count_ones() != 1 {
        return None;
    }
    let member = group.members.get(set.trailing_zeros() as usize)?;
    member.semi.as_ref().map(|semi| semi.needs)
}

/// The two can be joined in this orientation.
fn joinable(group: &Group, left: Set, right: Set) -> bool {
    match (semi_of(group, left), semi_of(group, right)) {
        (Some(_), _) => false,
        (None, Some(needs)) => left & needs == needs,
        (None, None) => group.connected(left, right),
    }
}

fn joined(group: &Group, left: &Best, right: &Best) -> Best {
    let set = left.set | right.set;
    let rows = group.rows(set);
    Best {
        set,
        rows,
        cost: left.cost + right.cost + join_cost(group, (left.set, left.rows), (right.set, right.rows), rows),
        tree: Tree::Join(Box::new(left.tree.clone()), Box::new(right.tree.clone())),
    }
}

/// Sets of members that predicates link, directly or through others.
fn components(group: &Group) -> Vec<Set> {
    let mut parts: Vec<Set> = (0..group.members.len()).map(|at| 1 << at).collect();
    let needs = group.members.iter().enumerate();
    let semis = needs.filter_map(|(at, member)| member.semi.as_ref().map(|semi| semi.needs | 1 << at));
    let links = group.classes.iter().map(|class| class.members);
    for link in links.chain(group.others.iter().map(|other| other.members)).chain(semis) {
        let (touched, rest): (Vec<Set>, Vec<Set>) = parts.into_iter().partition(|part| part & link != 0);
        parts = rest;
        parts.push(touched.into_iter().fold(0, |a, b| a | b));
    }
    parts
}

/// The choice made for one set: its two halves, or a member.
#[derive(Clone, Copy)]
struct Choice {
    cost: f64,
    rows: f64,
    left: usize,
}

/// Dynamic programming over all subsets of `part`; `None` if no order avoids cross products.
fn exhaustive(group: &Group, part: Set) -> Option<Best> {
    let members: Vec<usize> = (0..group.members.len()).filter(|at| part & 1 << at != 0).collect();
    let global = |local: usize| -> Set {
        let own = members.iter().enumerate().filter(|(bit, _)| local & 1 << bit != 0);
        own.fold(0, |set, (_, at)| set | 1 << at)
    };
    let count = 1usize << members.len();
    let sets: Vec<Set> = (0..count).map(global).collect();
    let mut table: Vec<Option<Choice>> = vec![None; count];
    for local in 1..count {
        if local.count_ones() == 1 {
            let rows = group.members[members[local.trailing_zeros() as usize]].rows;
            table[local] = Some(Choice {
                cost: 0.0,
                rows,
                left: 0,
            });
            continue;
        }
        table[local] = best_split(group, local, &sets, &table);
    }
    let whole = table[count - 1]?;
    Some(Best {
        set: part,
        rows: whole.rows,
        cost: whole.cost,
        tree: tree(count - 1, &table, &members)?,
    })
}

fn best_split(group: &Group, local: usize, sets: &[Set], table: &[Option<Choice>]) -> Option<Choice> {
    let rows = group.rows(sets[local]);
    let mut best: Option<Choice> = None;
    let mut left = (local - 1) & local;
    while left > 0 {
        let right = local ^ left;
        if let (Some(l), Some(r)) = (table[left], table[right]) {
            let before = l.cost + r.cost;
            let hopeless = best.is_some_and(|best| before >= best.cost);
            if !hopeless && joinable(group, sets[left], sets[right]) {
                let cost = before + join_cost(group, (sets[left], l.rows), (sets[right], r.rows), rows);
                if best.is_none_or(|best| cost < best.cost) {
                    best = Some(Choice { cost, rows, left });
                }
            }
        }
        left = (left - 1) & local;
    }
    best
}

fn tree(local: usize, table: &[Option<Choice>], members: &[usize]) -> Option<Tree> {
    if local.count_ones() == 1 {
        return members.get(local.trailing_zeros() as usize).map(|at| Tree::Leaf(*at));
    }
    let choice = (*table.get(local)?)?;
    let left = tree(choice.left, table, members)?;
    let right = tree(local ^ choice.left, table, members)?;
    Some(Tree::Join(Box::new(left), Box::new(right)))
}

/// Joins the pair with the fewest rows until one tree is left.
fn greedy(group: &Group, part: Set) -> Best {
    let mut trees: Vec<Best> =
        (0..group.members.len()).filter(|at| part & 1 << at != 0).map(|at| leaf(group, at)).collect();
    while trees.len() > 1 {
        let (left, right) = cheapest_pair(group, &trees);
        let next = joined(group, &trees[left], &trees[right]);
        trees.swap_remove(left.max(right));
        trees.swap_remove(left.min(right));
        trees.push(next);
    }
    trees.pop().unwrap_or_else(|| leaf(group, part.trailing_zeros() as usize))
}

fn cheapest_pair(group: &Group, trees: &[Best]) -> (usize, usize) {
    let mut best: Option<(f64, usize, usize)> = None;
    for linked in [true, false] {
        for (l, left) in trees.iter().enumerate() {
            for (r, right) in trees.iter().enumerate() {
                let semi = semi_of(group, left.set).is_some() || semi_of(group, right.set).is_some();
                let allowed = match linked || semi {
                    true => joinable(group, left.set, right.set),
                    false => true,
                };
                if l == r || !allowed {
                    continue;
                }
                let rows = group.rows(left.set | right.set);
                let cost = rows + join_cost(group, (left.set, left.rows), (right.set, right.rows), rows);
                if best.is_none_or(|(known, ..)| cost < known) {
                    best = Some((cost, l, r));
                }
            }
        }
        if best.is_some() {
            break;
        }
    }
    best.map_or((0, 1), |(_, l, r)| (l, r))
}
