//! Assigning a part of a variable: an element, a field, or the value of a key.
//!
//! `orders[2].total = 5` is a path of the element at 2 and the field `total`, and a value for what is there; to another variable that
//! has the same orders nothing happens.
//!
//! Invariants: a part has the type that it had; the value is evaluated before the positions, and each of these once, in the order of
//! the text.
//!
//! Does not: say when a value may be changed in its place; the lowering does.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, Ident, Span, Step};
use gobi_grammar::similar::nearest;

use super::Checker;
use super::value::natural;
use crate::plan::logical::{ColumnId, Expr};
use crate::plan::routine::{Part, Statement};
use crate::plan::{call_of, common_type, converted};
use crate::types::{Field, LogicalType};

impl Checker<'_> {
    /// Assigns the part of a variable that a path leads to.
    pub(super) fn assign_part(
        &mut self,
        id: ColumnId,
        path: &[Step],
        value: Expr,
        span: Span,
        out: &mut Vec<Statement>,
    ) {
        self.read(id, span);
        if let ([Step::Index(key)], LogicalType::Map(_)) = (path, &self.variables[id.0 as usize].ty) {
            return self.put(id, key, value, span, out);
        }
        let value = {
            let held = self.inferred("", &value);
            self.set(held, value, out);
            self.held(held, span)
        };
        let mut ty = self.variables[id.0 as usize].ty.clone();
        let mut parts = Vec::with_capacity(path.len());
        for step in path {
            let Some((part, inner)) = self.step(step, ty, span, out) else {
                return;
            };
            parts.push(part);
            ty = inner;
        }
        let found = value.ty.clone();
        if !self.declared[id.0 as usize]
            && let Some(wider) = wider_whole(&self.variables[id.0 as usize].ty, &parts, &found)
        {
            // The next round knows the wider type.
            self.next[id.0 as usize].ty = Some(wider);
            return;
        }
        match converted(value, &ty) {
            Some(value) => {
                self.next[id.0 as usize].gaps |= parts.len() == 1 && self.may_be_null(&value);
                out.push(Statement::Store {
                    variable: id,
                    path: parts,
                    value,
                    span,
                });
            }
            None if found == LogicalType::Null => {}
            None => {
                let message = format!("this part is {ty}, and cannot be given a value of type {found}");
                self.error(Diagnostic::new("42804", span, message).with_help(format!("cast it: `… :: {ty}`")));
            }
        }
    }

    /// `m[k] = v`: the map with another entry.
    fn put(&mut self, id: ColumnId, key: &ast::Expr, value: Expr, span: Span, out: &mut Vec<Statement>) {
        let held = self.inferred("", &value);
        self.set(held, value, out);
        let ty = self.variables[id.0 as usize].ty.clone();
        let (LogicalType::Map(of), Some(key)) = (&ty, self.expr(key, out)) else {
            return;
        };
        let value = self.held(held, span);
        if let Some(wider) = wider_map(of, &key.ty, &value.ty).filter(|_| !self.declared[id.0 as usize]) {
            // The next round knows the wider type.
            self.next[id.0 as usize].ty = Some(wider);
            return;
        }
        let parts = [(key, &of.0, "key"), (value, &of.1, "value")];
        let mut args = vec![self.held(id, span)];
        for (part, wanted, what) in parts {
            let place = part.span;
            let Some(part) = self.part_of_map(part, wanted, what, place) else {
                return;
            };
            args.push(part);
        }
        let changed = call_of("map_put", args, ty.clone(), span);
        self.set(id, changed, out);
    }

    /// A step of a path, and the type of what it leads to; `None` after an error, or if that is not known yet.
    fn step(
        &mut self,
        step: &Step,
        ty: LogicalType,
        span: Span,
        out: &mut Vec<Statement>,
    ) -> Option<(Part, LogicalType)> {
        match (step, ty) {
            (_, LogicalType::Null) => self.no_type(span),
            (Step::Field(name), LogicalType::Struct(mut fields)) => {
                let found = fields
                    .iter()
                    .position(|field| field.name.eq_ignore_ascii_case(&name.text));
                match found {
                    Some(at) => Some((Part::Field(at), fields.swap_remove(at).ty)),
                    None => {
                        self.no_field(name, &fields);
                        None
                    }
                }
            }
            (Step::Index(index), LogicalType::Array(item)) => {
                let at = self.place_of_element(index, out)?;
                Some((Part::Element(at), *item))
            }
            (Step::Index(_), LogicalType::Map(of)) if of.0 == LogicalType::Null => self.no_type(span),
            (Step::Index(key), LogicalType::Map(of)) => {
                let key = self.key(key, &of.0, out)?;
                Some((Part::Key(key), of.1))
            }
            (step, ty) => {
                let what = match step {
                    Step::Field(name) => format!("field `{}`", name.text),
                    Step::Index(_) => "elements".to_owned(),
                };
                let message = format!("a value of type {ty} has no {what}");
                self.error(Diagnostic::new("42804", span, message));
                None
            }
        }
    }

    /// The error for a part of a value whose type is not known; it may be in the next round.
    fn no_type<T>(&mut self, span: Span) -> Option<T> {
        let message = "a part of what has no type yet cannot be assigned";
        let help = "write the type of the variable: `let m: map<string, map<string, int>> = map {}`";
        self.error(Diagnostic::new("42P18", span, message).with_help(help));
        None
    }

    /// A variable that holds a key.
    fn key(&mut self, key: &ast::Expr, ty: &LogicalType, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let place = key.span;
        let key = self.expr(key, out)?;
        let key = self.part_of_map(key, ty, "key", place)?;
        let held = self.temporary(ty.clone(), self.may_be_null(&key));
        out.push(Statement::Set(held, key));
        Some(held)
    }

    /// A key or a value as the type of a map says.
    fn part_of_map(&mut self, part: Expr, wanted: &LogicalType, what: &str, place: Span) -> Option<Expr> {
        let found = part.ty.clone();
        let part = converted(part, wanted);
        if part.is_none() {
            let message = format!("a {what} of the map is {wanted}, not {found}");
            self.error(Diagnostic::new("42804", place, message).with_help(format!("cast it: `… :: {wanted}`")));
        }
        part
    }

    /// A variable that holds a position.
    fn place_of_element(&mut self, index: &ast::Expr, out: &mut Vec<Statement>) -> Option<ColumnId> {
        let place = index.span;
        let index = self.expr(index, out)?;
        let from = index.ty.clone();
        let Some(index) = converted(index, &LogicalType::BigInt).filter(|_| from.is_integer()) else {
            let message = format!("a position is a whole number, not {from}");
            self.error(Diagnostic::new("42804", place, message));
            return None;
        };
        let at = self.temporary(LogicalType::BigInt, self.may_be_null(&index));
        out.push(Statement::Set(at, index));
        Some(at)
    }

    fn no_field(&mut self, name: &Ident, fields: &[Field]) {
        let message = format!("there is no field `{}`", name.text);
        let mut error = Diagnostic::new("42703", name.span, message);
        let near = nearest(&name.text, fields.iter().map(|field| field.name.as_str()));
        error.help = near.map(|near| format!("did you mean `{near}`?"));
        self.error(error);
    }
}

/// The type of a map whose types nobody wrote, with another entry; `None` if it is the same, or there is none.
fn wider_map(of: &(LogicalType, LogicalType), key: &LogicalType, value: &LogicalType) -> Option<LogicalType> {
    let wider = |ty: &LogicalType, other: &LogicalType| match converts(other, ty) {
        true => Some(ty.clone()),
        false => common_type(ty, other).map(|common| natural(&common)),
    };
    let made = (wider(&of.0, key)?, wider(&of.1, value)?);
    (made != *of).then(|| LogicalType::Map(Box::new(made)))
}

/// The type of a variable a part of which gets a value of another type; `None` if it has room for that, or no type has.
fn wider_whole(ty: &LogicalType, path: &[Part], found: &LogicalType) -> Option<LogicalType> {
    let Some((part, rest)) = path.split_first() else {
        return match converts(found, ty) {
            true => None,
            false => common_type(ty, found).map(|common| natural(&common)),
        }
        .filter(|wider| wider != ty);
    };
    let inner = |ty: &LogicalType| wider_whole(ty, rest, found);
    match (part, ty) {
        (Part::Field(at), LogicalType::Struct(fields)) => {
            let mut fields = fields.clone();
            let field = fields.get_mut(*at)?;
            field.ty = inner(&field.ty)?;
            Some(LogicalType::Struct(fields))
        }
        (Part::Element(_), LogicalType::Array(item)) => inner(item).map(|item| LogicalType::Array(Box::new(item))),
        (Part::Key(_), LogicalType::Map(of)) => {
            inner(&of.1).map(|value| LogicalType::Map(Box::new((of.0.clone(), value))))
        }
        _ => None,
    }
}

/// Whether values of a type are ones of another without loss.
fn converts(from: &LogicalType, to: &LogicalType) -> bool {
    from == to || *from == LogicalType::Null || from.is_integer() && to.is_integer() || natural(from) == *to
}
