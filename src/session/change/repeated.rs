//! Rows that a statement would change twice, and rows that it would add twice.
//!
//! `INSERT … ON CONFLICT DO NOTHING` with the proposed keys 1, 2, 1 keeps the first two; with DO UPDATE the third is an error.
//!
//! Invariants: rows are looked at in the order in which they come.
//!
//! Does not: compare with what is in the table; the query did.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow::row::{RowConverter, SortField};
use gobi_grammar::ast::Span;
use roaring::RoaringTreemap;

use super::{Table, user};
use crate::session::Error;

/// What is done about them.
#[derive(Clone, Debug)]
pub enum Repeats {
    /// There are none.
    None,
    /// The first row of those that change the same row is taken.
    First,
    /// A second one is an error, and so is a second row with one of these keys.
    Refused(Vec<Vec<usize>>),
    /// A second row with one of these keys is left out.
    LeftOut(Vec<Vec<usize>>),
}

/// The rows so far.
#[derive(Debug)]
pub struct Seen {
    repeats: Repeats,
    addresses: RoaringTreemap,
    keys: Vec<(RowConverter, HashSet<Box<[u8]>>)>,
}

impl Seen {
    /// None.
    pub fn new(repeats: Repeats, table: &Table, span: Span) -> Result<Self, Error> {
        let keys = match &repeats {
            Repeats::Refused(keys) | Repeats::LeftOut(keys) => keys.as_slice(),
            _ => &[],
        };
        let mut converters = Vec::with_capacity(keys.len());
        for key in keys {
            let columns = key.iter().filter_map(|at| table.def.columns.get(*at));
            let fields = columns.map(|column| SortField::new(crate::types::arrow::to_arrow(&column.ty)));
            let converter = RowConverter::new(fields.collect());
            let converter = converter.map_err(|error| user("XX000", span, error.to_string()))?;
            converters.push((converter, HashSet::new()));
        }
        Ok(Self {
            repeats,
            addresses: RoaringTreemap::new(),
            keys: converters,
        })
    }

    /// The rows that stay, if not all do.
    pub fn keep(
        &mut self,
        addresses: Option<&Int64Array>,
        new: &[ArrayRef],
        table: &Table,
        span: Span,
    ) -> Result<Option<BooleanArray>, Error> {
        if matches!(self.repeats, Repeats::None) {
            return Ok(None);
        }
        let rows = addresses.map_or_else(|| new.first().map_or(0, |column| column.len()), |column| column.len());
        let mut keep = vec![true; rows];
        if let Some(addresses) = addresses {
            self.once(addresses, &mut keep, table, span)?;
        }
        let is_new = |row: usize| addresses.is_none_or(|addresses| addresses.is_null(row));
        self.keys_once(&is_new, new, &mut keep, table, span)?;
        let all = keep.iter().all(|keep| *keep);
        Ok((!all).then(|| BooleanArray::from(keep)))
    }

    /// Each address once.
    fn once(&mut self, addresses: &Int64Array, keep: &mut [bool], table: &Table, span: Span) -> Result<(), Error> {
        let refused = matches!(self.repeats, Repeats::Refused(_));
        for (address, keep) in addresses.iter().zip(keep) {
            let Some(address) = address else { continue };
            if self.addresses.insert(address.cast_unsigned()) {
                continue;
            }
            if refused {
                let message = format!("a row of `{}` would be changed twice by one statement", table.def.name);
                return Err(user("21000", span, message));
            }
            *keep = false;
        }
        Ok(())
    }

    /// Each key of the new rows once; NULLs differ.
    fn keys_once(
        &mut self,
        is_new: &dyn Fn(usize) -> bool,
        new: &[ArrayRef],
        keep: &mut [bool],
        table: &Table,
        span: Span,
    ) -> Result<(), Error> {
        let (keys, refused) = match &self.repeats {
            Repeats::Refused(keys) => (keys, true),
            Repeats::LeftOut(keys) => (keys, false),
            _ => return Ok(()),
        };
        let internal = |error: arrow::error::ArrowError| user("XX000", span, error.to_string());
        let mut encoded = Vec::with_capacity(keys.len());
        for (key, (converter, _)) in keys.iter().zip(&self.keys) {
            let columns: Vec<ArrayRef> = key.iter().filter_map(|at| new.get(*at)).cloned().collect();
            let rows = converter.convert_columns(&columns).map_err(internal)?;
            encoded.push((columns, rows));
        }
        for (row, keep) in keep.iter_mut().enumerate() {
            if !*keep || !is_new(row) {
                continue;
            }
            let whole = |columns: &[ArrayRef]| columns.iter().all(|column| !column.is_null(row));
            let known = encoded
                .iter()
                .zip(&self.keys)
                .position(|((columns, rows), (_, seen))| whole(columns) && seen.contains(rows.row(row).as_ref()));
            match known {
                None => {
                    for ((columns, rows), (_, seen)) in encoded.iter().zip(&mut self.keys) {
                        if whole(columns) {
                            seen.insert(rows.row(row).as_ref().into());
                        }
                    }
                }
                Some(_) if !refused => *keep = false,
                Some(at) => {
                    let key = keys.get(at).map_or(&[][..], Vec::as_slice);
                    return Err(proposed_twice(table, key, new, row, span));
                }
            }
        }
        Ok(())
    }
}

fn proposed_twice(table: &Table, key: &[usize], new: &[ArrayRef], row: usize, span: Span) -> Error {
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for at in key {
        if let (Some(column), Some(array)) = (table.def.columns.get(*at), new.get(*at)) {
            names.push(column.name.clone());
            values.push(crate::types::cell::value(array, row).display(&column.ty));
        }
    }
    let (names, values) = (names.join(", "), values.join(", "));
    let message = format!(
        "two of the new rows have the key ({names}) = ({values}) of `{}`",
        table.def.name
    );
    user("21000", span, message)
}
