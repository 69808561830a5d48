//! Finds the entry that a call means.
//!
//! `Round(x)` with an integer `x` means `round(integer)`; `@StartsWith(a, b)` means `starts_with(string, string)`.
//!
//! Invariants: of the entries of a name the one whose parameters are nearest to the arguments wins, an earlier entry
//! over a later one.
//!
//! Does not: know user-defined functions, aggregates or special forms such as `coalesce`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::params::common_type;
use super::{Function, FunctionId, Param, Stability, all};
use crate::types::LogicalType;

/// A call with its types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The entry.
    pub function: FunctionId,
    /// What each argument must be converted to.
    pub arg_types: Vec<LogicalType>,
    /// Type of the result.
    pub result: LogicalType,
}

/// Why a call means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveFailure {
    /// No function has the name.
    UnknownName {
        /// One that has nearly the name.
        nearest: Option<&'static str>,
    },
    /// The function does not take such arguments.
    NoOverload {
        /// What it takes: `round(decimal, bigint)`.
        candidates: Vec<String>,
    },
}

/// The entry for a name (of any case, with or without a leading `@`, where underscores may be left out) and argument
/// types.
pub fn resolve(name: &str, args: &[LogicalType]) -> Result<Resolved, ResolveFailure> {
    let key = name.to_ascii_lowercase();
    let found = match key.strip_prefix('@') {
        Some(bare) => NAMES.get(bare).or_else(|| SQUASHED.get(bare.replace('_', "").as_str())),
        None => NAMES.get(key.as_str()),
    };
    let Some(ids) = found else {
        let nearest = nearest(key.trim_start_matches('@'));
        return Err(ResolveFailure::UnknownName { nearest });
    };
    let fits = ids.iter().filter_map(|id| {
        let (arg_types, cost) = fit(&all()[*id as usize], args)?;
        Some((cost, *id, arg_types))
    });
    let Some((_, id, arg_types)) = fits.min_by_key(|(cost, ..)| *cost) else {
        let candidates = ids.iter().map(|id| all()[*id as usize].signature()).collect();
        return Err(ResolveFailure::NoOverload { candidates });
    };
    Ok(Resolved {
        function: FunctionId(id),
        result: (all()[id as usize].result)(&arg_types),
        arg_types,
    })
}

/// Whether a function of this name gives another value with each call.
pub fn is_volatile(name: &str) -> bool {
    let key = name.to_ascii_lowercase();
    let found = NAMES.get(key.trim_start_matches('@')).into_iter().flatten();
    found
        .into_iter()
        .any(|id| all()[*id as usize].stability == Stability::Volatile)
}

type Names = HashMap<String, Vec<u32>>;

/// Entries by each of their names.
static NAMES: LazyLock<Names> = LazyLock::new(|| by_name(str::to_owned));

/// Entries by their names without underscores.
static SQUASHED: LazyLock<Names> = LazyLock::new(|| by_name(|name| name.replace('_', "")));

fn by_name(key: impl Fn(&str) -> String) -> Names {
    let mut names = Names::new();
    for (id, function) in (0..).zip(all()) {
        for name in [function.name].iter().chain(function.aliases) {
            let ids = names.entry(key(name)).or_default();
            if ids.last() != Some(&id) {
                ids.push(id);
            }
        }
    }
    names
}

/// The types that the arguments are converted to, and how far they are from theirs.
fn fit(function: &Function, args: &[LogicalType]) -> Option<(Vec<LogicalType>, u32)> {
    let params = params_for(function, args.len())?;
    let mut cost = 0;
    let mut types = Vec::with_capacity(args.len());
    for (param, arg) in params.iter().zip(args) {
        let (ty, distance) = param.accept(arg)?;
        types.push(ty);
        cost += distance;
    }
    Some((unify(&params, types)?, cost))
}

/// One parameter per argument.
fn params_for(function: &Function, args: usize) -> Option<Vec<Param>> {
    let mut params = function.params.to_vec();
    if function.variadic && args > params.len() {
        params.resize(args, *params.last()?);
    }
    (params.len() == args).then_some(params)
}

/// Gives all arguments of common parameters the same type.
fn unify(params: &[Param], mut types: Vec<LogicalType>) -> Option<Vec<LogicalType>> {
    let mut common: Option<LogicalType> = None;
    for (_, ty) in params
        .iter()
        .zip(&types)
        .filter(|(param, _)| matches!(param, Param::Common(_)))
    {
        common = Some(match &common {
            Some(so_far) => common_type(so_far, ty)?,
            None => ty.clone(),
        });
    }
    for (param, ty) in params.iter().zip(&mut types) {
        if let (Param::Common(class), Some(common)) = (param, &common) {
            let all_null = *common == LogicalType::Null;
            *ty = if all_null { class.for_null() } else { common.clone() };
        }
    }
    unify_items(params, types)
}

/// Gives all arrays, and all values that are to be elements, the same element type; a map and its keys the same type of keys, a map
/// and its values that of values.
fn unify_items(params: &[Param], mut types: Vec<LogicalType>) -> Option<Vec<LogicalType>> {
    let (mut common, mut held) = (LogicalType::Null, LogicalType::Null);
    for (param, ty) in params.iter().zip(&types) {
        match (param, ty) {
            (Param::List, LogicalType::Array(item)) => common = common_type(&common, item)?,
            (Param::Item | Param::Key, ty) => common = common_type(&common, ty)?,
            (Param::Map, LogicalType::Map(of)) => {
                common = common_type(&common, &of.0)?;
                held = common_type(&held, &of.1)?;
            }
            (Param::Held, ty) => held = common_type(&held, ty)?,
            _ => {}
        }
    }
    for (param, ty) in params.iter().zip(&mut types) {
        match param {
            Param::List => *ty = LogicalType::Array(Box::new(common.clone())),
            Param::Item | Param::Key => *ty = common.clone(),
            Param::Map => *ty = LogicalType::Map(Box::new((common.clone(), held.clone()))),
            Param::Held => *ty = held.clone(),
            _ => {}
        }
    }
    Some(types)
}

/// The name with the fewest edits, if they are few.
fn nearest(name: &str) -> Option<&'static str> {
    let names = all()
        .iter()
        .flat_map(|f| [f.name].into_iter().chain(f.aliases.iter().copied()));
    let (edits, best) = names.map(|known| (edit_distance(name, known), known)).min()?;
    (edits <= (name.len() / 3).max(1)).then_some(best)
}

/// Insertions, deletions, replacements and exchanges of neighbours that turn one word into the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
