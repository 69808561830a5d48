//! Macros that hold queries.
//!
//! After `macro most(x) => (select max(b) from t where a <= x)`, `most(n + 1)` is that query with a name for `n + 1` in the place of `x`. Other macros put
//! the argument itself there; in a query, its names would be taken for columns of `t`.
//!
//! Invariants: in the query a parameter hides a column of its name; nothing there is called like one.
//!
//! Does not: decorrelate; a call is bound as that of a function that asks.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::visit::{self, VisitMut};
use gobi_grammar::ast::{
    ArmBody, Call, DefineMacro, Expr, ExprKind as K, Ident, Query, Select, SelectItem, TableRef, TableRefKind,
};

use super::macros;
use super::scope::{Scope, same};
use super::select::{Block, Place};
use super::{Binder, Bound, Relation};
use crate::plan::{Passed, QueryFunction, logical};

/// Whether a macro holds a query.
pub(in crate::plan) fn holds_query(made: &DefineMacro) -> bool {
    struct Walk(bool);
    impl VisitMut for Walk {
        fn query(&mut self, _: &mut Query) {
            self.0 = true;
        }
    }
    let mut walk = Walk(false);
    walk.expr(&mut made.body.clone());
    walk.0
}

/// What a call of such a macro stands for: its body, with names of the arguments in the places of the parameters.
pub(in crate::plan) fn named(made: &DefineMacro, names: &[Ident]) -> Expr {
    let mut body = made.body.clone();
    Renaming { made, names }.expr(&mut body);
    body
}

/// What is wrong with such a macro: something in its query is called like a parameter.
pub(super) fn check(made: &DefineMacro) -> Result<(), Diagnostic> {
    let mut walk = Called { made, error: None };
    walk.expr(&mut made.body.clone());
    walk.error.map_or(Ok(()), Err)
}

/// Puts names in the places of parameters.
struct Renaming<'r> {
    made: &'r DefineMacro,
    names: &'r [Ident],
}

impl Renaming<'_> {
    fn name_of(&self, name: &Ident) -> Option<&Ident> {
        let params = &self.made.params;
        let at = params.iter().position(|param| same(&param.name.text, &name.text))?;
        self.names.get(at)
    }
}

impl VisitMut for Renaming<'_> {
    fn expr(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            K::Name(path) => {
                if let Some(first) = path.first_mut()
                    && let Some(name) = self.name_of(first)
                {
                    *first = Ident {
                        span: first.span,
                        ..name.clone()
                    };
                }
            }
            K::Braced(name) => {
                if let Some(hidden) = self.name_of(name) {
                    *name = Ident {
                        span: name.span,
                        ..hidden.clone()
                    };
                }
            }
            _ => visit::walk_expr(self, expr),
        }
    }

    fn select(&mut self, select: &mut Select) {
        for item in &mut select.items {
            if let SelectItem::Expr { expr, alias } = item
                && let K::Name(path) = &expr.kind
                && let [name] = path.as_slice()
                && self.name_of(name).is_some()
            {
                alias.get_or_insert_with(|| name.clone());
            }
        }
        visit::walk_select(self, select);
    }

    fn relation(&mut self, relation: &mut TableRef) {
        let name = match &mut relation.kind {
            TableRefKind::Name(path) => match path.as_mut_slice() {
                [name] => Some(name),
                _ => None,
            },
            TableRefKind::Braced(name) => Some(name),
            _ => None,
        };
        if let Some(name) = name
            && let Some(hidden) = self.name_of(name)
        {
            *name = Ident {
                span: name.span,
                ..hidden.clone()
            };
        }
        visit::walk_relation(self, relation);
    }
}

/// Looks for what is called like a parameter.
struct Called<'c> {
    made: &'c DefineMacro,
    error: Option<Diagnostic>,
}

impl Called<'_> {
    fn name(&mut self, name: &Ident) {
        if self.made.params.iter().any(|param| same(&param.name.text, &name.text)) {
            let message = format!(
                "`{}` is a parameter of the macro, and cannot be something else",
                name.text
            );
            let error = Diagnostic::new("42712", name.span, message).with_help("give one of them another name");
            self.error.get_or_insert(error);
        }
    }
}

impl VisitMut for Called<'_> {
    fn query(&mut self, query: &mut Query) {
        query.ctes.iter().for_each(|cte| self.name(&cte.name));
        visit::walk_query(self, query);
    }

    fn select(&mut self, select: &mut Select) {
        for item in &select.items {
            if let SelectItem::Expr { alias: Some(alias), .. } = item {
                self.name(alias);
            }
        }
        visit::walk_select(self, select);
    }

    fn relation(&mut self, relation: &mut TableRef) {
        relation.alias.iter().for_each(|alias| self.name(alias));
        if let (None, TableRefKind::Name(path)) = (&relation.alias, &relation.kind)
            && let [_, .., name] = path.as_slice()
        {
            self.name(name);
        }
        visit::walk_relation(self, relation);
    }
}

impl<'a> Binder<'a> {
    /// The value of a call of such a macro.
    pub(super) fn macro_query(
        &mut self,
        block: &mut Block<'a>,
        call: &Call,
        made: &DefineMacro,
    ) -> Bound<logical::Expr> {
        let (args, body) = self.opened(call, made)?;
        let bound: Vec<Bound<logical::Expr>> = args.into_iter().map(|arg| self.expr(block, arg)).collect();
        let args: Vec<logical::Expr> = bound.into_iter().collect::<Bound<_>>()?;
        let function = self.function_of(made, body, &args);
        self.inlined(block, function, args, call.name.span)
    }

    /// The rows of such a macro, which is a query as a whole.
    pub(super) fn macro_rows(&mut self, call: &Call, made: &DefineMacro) -> Bound<Relation> {
        let (args, body) = self.opened(call, made)?;
        let mut block = Block::new(Scope::default(), Place::Other);
        let bound: Vec<Bound<logical::Expr>> = args
            .into_iter()
            .map(|arg| self.table_argument(&mut block, arg))
            .collect();
        let args: Vec<logical::Expr> = bound.into_iter().collect::<Bound<_>>()?;
        if !block.joins_below.is_empty() {
            let message = "an argument of a macro in FROM that is a subquery over the rows before it is";
            return self.unsupported(message, call.name.span);
        }
        let function = self.function_of(made, body, &args);
        self.inlined_rows(function, args, call.name.span)
    }

    /// The arguments of a call, and what it stands for.
    fn opened(&mut self, call: &Call, made: &DefineMacro) -> Bound<(Vec<&'a Expr>, Expr)> {
        let names: Vec<Ident> = made.params.iter().map(|param| hidden(&param.name)).collect();
        match macros::given(call, made) {
            Ok(args) => Ok((args.iter().map(|arg| self.kept(arg)).collect(), named(made, &names))),
            Err(error) => self.fail(error),
        }
    }

    fn function_of(&self, made: &DefineMacro, body: Expr, args: &[logical::Expr]) -> QueryFunction {
        let params = made.params.iter().zip(args).enumerate();
        let params = params.map(|(at, (param, arg))| (hidden(&param.name).text, arg.ty.clone(), Passed::Argument(at)));
        QueryFunction {
            name: made.name.text.clone(),
            params: params.collect(),
            constants: Vec::new(),
            body: ArmBody::Expr(body),
            returns: None,
            dialect: self.dialect,
            is_async: false,
            stored: false,
            is_part: true,
            gathers: false,
        }
    }
}

/// A name that nobody else can write.
fn hidden(name: &Ident) -> Ident {
    Ident {
        text: format!("{}\u{1}", name.text),
        quoted: true,
        span: name.span,
    }
}
