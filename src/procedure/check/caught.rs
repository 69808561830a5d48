//! A caught error as a value of the type `exception`.
//!
//! In `try {…} catch e { note(e) }` with `function note(x exception) => x.code`, `e` is given as the struct of its code, message and line.
//!
//! Invariants: where no exception is wanted, `e` by itself is its message.
//!
//! Does not: catch anything.

use gobi_grammar::ast::{self, Expr, ExprKind, Ident, Value};

use super::{Checker, Returned};

impl Checker<'_> {
    /// The struct that a name stands for, if it is that of a caught error.
    fn caught_as_struct(&self, expr: &Expr) -> Option<Expr> {
        let ExprKind::Name(path) = &expr.kind else { return None };
        let [name] = path.as_slice() else { return None };
        let message = self.find(&name.text)?;
        let is_of_it = self.names.iter().any(|known| {
            let of = known.of.as_deref();
            known.id == message && known.name == "message" && of.is_some_and(|of| of.eq_ignore_ascii_case(&name.text))
        });
        let field = |field: &str| Ident {
            text: field.to_owned(),
            quoted: true,
            span: expr.span,
        };
        let value = |field: Ident| {
            let kind = ExprKind::Name(vec![name.clone(), field.clone()]);
            (field, Expr { kind, span: expr.span })
        };
        let fields = ["code", "message", "line"].map(field).map(value).to_vec();
        is_of_it.then_some(Expr {
            kind: ExprKind::Struct(fields),
            span: expr.span,
        })
    }

    /// What LET gives a variable: without a type, or with that one, an exception.
    pub(super) fn let_value(&self, variable: &ast::Let) -> Option<Value> {
        let is_wanted = variable.ty.as_ref().is_none_or(is_exception);
        self.caught_value(&variable.value).filter(|_| is_wanted)
    }

    /// What an assignment gives a variable that is an exception.
    pub(super) fn assigned_value(&self, assign: &ast::Assign) -> Option<Value> {
        let variable = self.variables.get(self.find(&assign.name.text)?.0 as usize)?;
        let is_wanted = assign.path.is_empty() && variable.ty.is_exception();
        self.caught_value(&assign.value).filter(|_| is_wanted)
    }

    /// What RETURN gives where an exception is returned.
    pub(super) fn returned_value(&self, value: &Value) -> Option<Value> {
        let is_wanted = matches!(&self.wanted, Returned::Type(ty) if ty.is_exception());
        self.caught_value(value).filter(|_| is_wanted)
    }

    fn caught_value(&self, value: &Value) -> Option<Value> {
        let Value::Expr(expr) = value else { return None };
        self.caught_as_struct(expr).map(Value::Expr)
    }

    /// Gives caught errors to the parameters of one's own functions as what they are, unless a text is wanted.
    pub(super) fn give_caught(&self, expr: &mut Expr) {
        let ExprKind::Call(call) = &mut expr.kind else { return };
        if !call.args.iter().any(|arg| self.caught_arg(arg).is_some()) {
            return;
        }
        let Some(definition) = self.instances.definitions.find_at(&call.name) else {
            return;
        };
        let params = &definition.routine.params;
        for (at, arg) in call.args.iter_mut().enumerate() {
            let param = match &arg.kind {
                ExprKind::Named { name, .. } => params.iter().find(|p| p.name.text.eq_ignore_ascii_case(&name.text)),
                _ => params.get(at),
            };
            let is_wanted = param.is_some_and(|param| param.ty.as_ref().is_none_or(is_exception));
            let Some(given) = self.caught_arg(arg).filter(|_| is_wanted) else {
                continue;
            };
            match &mut arg.kind {
                ExprKind::Named { value, .. } => **value = given,
                _ => *arg = given,
            }
        }
    }

    fn caught_arg(&self, arg: &Expr) -> Option<Expr> {
        match &arg.kind {
            ExprKind::Named { value, .. } => self.caught_as_struct(value),
            _ => self.caught_as_struct(arg),
        }
    }

    /// The code and the message of a variable that is an exception, to be thrown.
    pub(super) fn thrown_again(&self, value: &Expr) -> Option<(Expr, Expr)> {
        let ExprKind::Name(path) = &value.kind else { return None };
        let [name] = path.as_slice() else { return None };
        let variable = self.variables.get(self.find(&name.text)?.0 as usize)?;
        let field = |field: &str| Expr {
            kind: ExprKind::Field {
                expr: Box::new(value.clone()),
                name: Ident {
                    text: field.to_owned(),
                    quoted: true,
                    span: value.span,
                },
            },
            span: value.span,
        };
        variable.ty.is_exception().then(|| (field("code"), field("message")))
    }
}

fn is_exception(ty: &ast::TypeName) -> bool {
    ty.name.eq_ignore_ascii_case("exception")
}
