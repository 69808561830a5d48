//! Calls of functions and macros of modules.
//!
//! `geo.area(2)` reads as `area(geo, 2)`; where `geo` is neither a column nor a variable, and there is a function `geo.area`, it
//! is a call of that function with 2.
//!
//! Invariants: a column, a relation or a variable hides a module of its name.
//!
//! Does not: know what a module holds, but for names.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{self, ExprKind as K, Ident};

use super::column_names::column_name;
use super::names::suggestion;
use super::scope::{Found, same};
use super::select::Block;
use super::{Binder, Bound};
use crate::plan::logical::Expr;

/// See [`crate::plan::of_module`].
pub(in crate::plan) fn of_module(
    call: &ast::Call,
    members: &mut dyn FnMut(&str) -> Option<Vec<String>>,
    is_value: &dyn Fn(&Ident) -> bool,
) -> Option<Result<ast::Call, Diagnostic>> {
    let (first, rest) = call.args.split_first()?;
    let K::Name(path) = &first.kind else { return None };
    let [module] = path.as_slice() else { return None };
    let members = members(&module.text)?;
    if is_value(module) {
        return None;
    }
    // In another module that has an `f` of its own, `m.f` was read as its `f` of `m`.
    let member = call
        .name
        .text
        .split_once('.')
        .map_or(&*call.name.text, |(_, short)| short);
    let wanted = format!("{}.{member}", module.text);
    let Some(name) = members.iter().find(|member| same(member, &wanted)) else {
        let message = format!("the module `{}` has no `{member}`", module.text);
        let short = |member: &String| {
            member
                .split_once('.')
                .map_or_else(|| member.clone(), |(_, short)| short.to_owned())
        };
        let all: Vec<String> = members.iter().map(short).collect();
        let mut error = Diagnostic::new("42883", call.name.span, message);
        error.help = match suggestion(member, all.iter().cloned()) {
            None if all.is_empty() => None,
            None => Some(format!("it has {}", all.join(", "))),
            near => near,
        };
        return Some(Err(error));
    };
    Some(Ok(ast::Call {
        name: Ident {
            text: name.clone(),
            quoted: true,
            span: module.span.to(call.name.span),
        },
        args: rest.to_vec(),
        ..call.clone()
    }))
}

impl<'a> Binder<'a> {
    /// A call of a function or macro of a module; `None` if it is another one.
    pub(super) fn module_call(&mut self, block: &mut Block<'a>, e: &'a ast::Expr) -> Option<Bound<Expr>> {
        let K::Call(call) = &e.kind else { return None };
        let call = match self.member_call(block, call)? {
            Ok(call) => call,
            Err(error) => return Some(self.fail(error)),
        };
        let kind = K::Call(call);
        let kept = self.kept(&ast::Expr { kind, span: e.span });
        Some(self.expr(block, kept))
    }

    /// `m.f(x)` as a call of what a module has; `None` if it is another one.
    pub(super) fn member_call(&mut self, block: &Block<'a>, call: &ast::Call) -> Option<Result<ast::Call, Diagnostic>> {
        let K::Name(path) = &call.args.first()?.kind else {
            return None;
        };
        let members = self.tables.module(&path.first()?.text)?;
        let is_value = |name: &Ident| {
            let mut scopes = std::iter::once(&block.scope).chain(&self.outer);
            scopes
                .any(|scope| scope.find(std::slice::from_ref(name)) != Found::Nothing || scope.has_relation(&name.text))
                || self.tables.variable(&name.text).is_some()
        };
        of_module(call, &mut |_| Some(members.clone()), &is_value)
    }

    /// The name of a column without an alias: `m.f(1)` is called so if `m` is a module.
    pub(super) fn name_of_column(&mut self, e: &ast::Expr) -> String {
        if let K::Call(call) = &e.kind
            && let Some(Ok(call)) = of_module(call, &mut |name| self.tables.module(name), &|_| false)
        {
            let kind = K::Call(call);
            return column_name(&ast::Expr { kind, span: e.span }, self.dialect);
        }
        column_name(e, self.dialect)
    }
}
