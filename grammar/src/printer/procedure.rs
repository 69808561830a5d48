//! Blocks, control flow, functions and procedures in canonical form.
//!
//! `if a then b = 1 end` is written `if a { b = 1; }`.
//!
//! Invariants: every statement of a block ends with a semicolon.
//!
//! Does not: break lines.

use super::Printer;
use super::expr::Level;
use crate::ast::{
    ArmBody, Assign, Block, Catch, CatchArm, DefineMacro, Expr, ExprKind, If, Lambda, Match, Mode, Param, Pattern,
    Returns, Routine, RoutineBody, RoutineForm, StatementKind, Step, Then, Try, Value,
};

impl Printer {
    /// Whether the statement is one of these.
    pub(super) fn procedural(&mut self, kind: &StatementKind) -> bool {
        match kind {
            StatementKind::Let(variable) => {
                self.word("let ");
                self.ident(&variable.name);
                if let Some(ty) = &variable.ty {
                    self.word(": ");
                    self.type_name(ty);
                }
                self.word(" = ");
                self.value(&variable.value);
            }
            StatementKind::Assign(assign) => self.assign(assign),
            StatementKind::If(branches) => self.branches(branches),
            StatementKind::While(repeat) => {
                self.word("while ");
                self.expr(&repeat.condition);
                self.block(&repeat.body);
            }
            StatementKind::For(each) => {
                self.word("for ");
                self.ident(&each.name);
                self.word(" in ");
                self.value(&each.values);
                self.block(&each.body);
            }
            StatementKind::CallRoutine(call) => {
                self.word("call ");
                self.path(&call.name);
                self.word("(");
                self.list(&call.args, Self::argument);
                self.word(")");
                if let Some(when) = &call.as_of {
                    self.word(" AS OF ");
                    self.when(when);
                }
                if let Some(restate) = &call.restate {
                    self.word(" RESTATE FROM ");
                    self.expr(&restate.from);
                    self.word(" TO ");
                    self.expr(&restate.to);
                }
            }
            StatementKind::Eval(value) => self.expr(value),
            StatementKind::Then(then) => self.then(then),
            StatementKind::Routine(routine) => self.routine(routine),
            _ if self.definition(kind) => {}
            _ => return self.leaving(kind),
        }
        true
    }

    /// What gives a name to something.
    fn definition(&mut self, kind: &StatementKind) -> bool {
        match kind {
            StatementKind::Test(test) => {
                self.word("test ");
                self.ident(&test.name);
                self.block(&test.body);
            }
            StatementKind::DefineException(exception) => {
                self.word("type exception as ");
                self.ident(&exception.name);
                if let Some(message) = &exception.message {
                    self.word("(");
                    self.string(message);
                    self.word(")");
                }
            }
            StatementKind::DefineMacro(made) => self.define_macro(made),
            StatementKind::Module(module) => {
                self.word("module ");
                self.ident(&module.name);
                self.block(&module.body);
            }
            StatementKind::Import(names) => {
                self.word("import ");
                self.list(names, Self::ident);
            }
            _ => return false,
        }
        true
    }

    fn define_macro(&mut self, made: &DefineMacro) {
        self.word("macro ");
        self.ident(&made.name);
        self.word("(");
        self.list(&made.params, Self::param);
        self.word(") => ");
        self.expr(&made.body);
    }

    /// What leaves a block.
    fn leaving(&mut self, kind: &StatementKind) -> bool {
        match kind {
            StatementKind::Return(value) => {
                self.word("return");
                if let Some(value) = value {
                    self.word(" ");
                    self.value(value);
                }
            }
            StatementKind::Break => self.word("break"),
            StatementKind::Continue => self.word("continue"),
            StatementKind::Throw(value) => {
                self.word("throw");
                if let Some(value) = value {
                    self.word(" ");
                    self.expr(value);
                }
            }
            StatementKind::Yield(value) => {
                self.word("yield");
                if let Some(value) = value {
                    self.word(" ");
                    self.value(value);
                }
            }
            StatementKind::Assert(assert) => {
                self.word("assert ");
                self.expr(&assert.condition);
                if let Some(message) = &assert.message {
                    self.word(", ");
                    self.expr(message);
                }
            }
            _ => return false,
        }
        true
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Expr(expr) => self.expr(expr),
            Value::Query(query) => self.query(query),
            Value::Then(then) => self.then(then),
        }
    }

    fn then(&mut self, then: &Then) {
        self.query(&then.query);
        self.word(" then");
        self.block(&then.body);
    }

    fn block(&mut self, block: &Block) {
        self.word(" { ");
        for statement in &block.statements {
            self.statement(statement);
            self.word("; ");
        }
        self.word("}");
    }

    fn assign(&mut self, assign: &Assign) {
        self.ident(&assign.name);
        for step in &assign.path {
            match step {
                Step::Field(name) => {
                    self.word(".");
                    self.ident(name);
                }
                Step::Index(index) => {
                    self.word("[");
                    self.expr(index);
                    self.word("]");
                }
            }
        }
        self.word(" = ");
        self.value(&assign.value);
    }

    fn branches(&mut self, branches: &If) {
        for (at, (condition, block)) in branches.arms.iter().enumerate() {
            self.word(if at == 0 { "if " } else { " elif " });
            self.expr(condition);
            self.block(block);
        }
        if let Some(otherwise) = &branches.otherwise {
            self.word(" else");
            self.block(otherwise);
        }
    }

    fn routine(&mut self, routine: &Routine) {
        let kind = if routine.is_procedure {
            "procedure "
        } else {
            "function "
        };
        match routine.form {
            RoutineForm::Local => {}
            RoutineForm::Upsert => self.word("upsert "),
            RoutineForm::Create {
                or_replace,
                if_not_exists,
            } => {
                self.word(if or_replace { "create or replace " } else { "create " });
                self.word(kind);
                self.word(if if_not_exists { "if not exists " } else { "" });
            }
        }
        if !matches!(routine.form, RoutineForm::Create { .. }) {
            self.word(kind);
        }
        self.path(&routine.name);
        if !routine.metadata.is_empty() {
            self.word(" as <{");
            self.list(&routine.metadata, |printer, (name, value)| {
                printer.ident(name);
                printer.word(": ");
                printer.expr(value);
            });
            self.word("}>");
        }
        if !routine.type_params.is_empty() {
            self.word(" <");
            self.list(&routine.type_params, Self::ident);
            self.word(">");
        }
        if let Some(receiver) = &routine.receiver {
            self.word(" <");
            self.type_name(receiver);
            self.word(">");
        }
        self.word("(");
        self.list(&routine.params, Self::param);
        self.word(")");
        self.clauses(routine);
    }

    fn clauses(&mut self, routine: &Routine) {
        if !routine.raises.is_empty() {
            self.word(" raises ");
            self.list(&routine.raises, Self::ident);
        }
        match &routine.returns {
            Returns::Inferred => {}
            Returns::Void => self.word(" returns void"),
            Returns::Rows(columns) => {
                self.word(" returns relation");
                if !columns.is_empty() {
                    self.word("(");
                    self.list(columns, |printer, (name, ty)| {
                        printer.ident(name);
                        printer.word(" ");
                        printer.type_name(ty);
                    });
                    self.word(")");
                }
            }
            Returns::Type(ty) => {
                self.word(" returns ");
                self.type_name(ty);
            }
        }
        match routine.mode {
            Some(Mode::Sync) => self.word(" as sync"),
            Some(Mode::Async) => self.word(" as async"),
            None => {}
        }
        if let Some(rights) = routine.rights {
            self.word(" security ");
            self.word(rights.name());
        }
        match &routine.body {
            RoutineBody::Block(block) => self.block(block),
            RoutineBody::Value(value) => {
                self.word(" => ");
                self.value(value);
            }
        }
    }

    fn param(&mut self, param: &Param) {
        self.ident(&param.name);
        if let Some(ty) = &param.ty {
            self.word(": ");
            self.type_name(ty);
        }
        if let Some(default) = &param.default {
            self.word(" = ");
            self.expr(default);
        }
    }

    /// Expressions that may hold blocks: MATCH, TRY, lambdas, and pipes of them.
    pub(super) fn block_expr(&mut self, kind: &ExprKind) {
        match kind {
            ExprKind::Lambda(lambda) => self.lambda(lambda),
            ExprKind::Pipe { source, stages } => {
                self.at(source, Level::Coalesce);
                for stage in stages {
                    self.word(" |> ");
                    self.call(stage, &[]);
                }
            }
            ExprKind::Match(matching) => self.matching(matching),
            ExprKind::Try(attempt) => self.attempt(attempt),
            _ => {}
        }
    }

    fn lambda(&mut self, lambda: &Lambda) {
        match lambda.params.as_slice() {
            [param] => self.ident(param),
            params => {
                self.word("(");
                self.list(params, Self::ident);
                self.word(")");
            }
        }
        self.word(" =>");
        match &lambda.body {
            ArmBody::Block(block) => self.block(block),
            ArmBody::Expr(body) => {
                self.word(" ");
                // Behind an arrow, a brace would begin a block.
                match begins_with_brace(body) {
                    true => self.at(body, Level::Parenthesised),
                    false => self.expr(body),
                }
            }
        }
    }

    fn matching(&mut self, matching: &Match) {
        self.at(&matching.subject, Level::Primary);
        self.word(" match {");
        self.list(&matching.arms, |printer, arm| {
            for (at, pattern) in arm.patterns.iter().enumerate() {
                printer.word(if at == 0 { "" } else { " | " });
                printer.pattern(pattern);
            }
            if let Some(guard) = &arm.guard {
                printer.word(" if ");
                printer.expr(guard);
            }
            printer.word(" -> ");
            printer.arm_body(&arm.body);
        });
        self.word("}");
    }

    fn pattern(&mut self, pattern: &Pattern) {
        match pattern {
            Pattern::Any(_) => self.word("_"),
            Pattern::Bind(name) => self.ident(name),
            Pattern::Value(value) => self.expr(value),
            Pattern::Range(low, high) => {
                self.expr(low);
                self.word(" .. ");
                self.expr(high);
            }
            Pattern::Fields(fields, _) => {
                let alone = fields.len() > 1;
                self.word("{");
                self.list(fields, |printer, (name, pattern)| {
                    printer.ident(name);
                    if !alone || !matches!(pattern, Pattern::Bind(bound) if bound == name) {
                        printer.word(": ");
                        printer.pattern(pattern);
                    }
                });
                self.word("}");
            }
            Pattern::OneOf(patterns) => {
                for (at, pattern) in patterns.iter().enumerate() {
                    self.word(if at == 0 { "" } else { " | " });
                    self.pattern(pattern);
                }
            }
        }
    }

    fn arm_body(&mut self, body: &ArmBody) {
        match body {
            ArmBody::Expr(expr) => self.expr(expr),
            ArmBody::Block(block) => self.block(block),
        }
    }

    fn attempt(&mut self, attempt: &Try) {
        self.word("try ");
        match &attempt.body {
            // Another TRY would take the CATCH.
            ArmBody::Expr(expr) if matches!(expr.kind, ExprKind::Try(_)) => self.at(expr, Level::Unary),
            ArmBody::Expr(expr) => self.at(expr, Level::Or),
            ArmBody::Block(block) => self.block(block),
        }
        match &attempt.catch {
            None => {}
            Some(Catch::Block { name, body }) => {
                self.word(" catch ");
                name.iter().for_each(|name| self.ident(name));
                self.block(body);
            }
            Some(Catch::Arms(arms)) if arms.iter().any(|arm| arm.name.is_some()) => {
                arms.iter().for_each(|arm| self.catch_clause(arm));
            }
            Some(Catch::Arms(arms)) => self.catch_arms(arms),
        }
    }

    fn catch_arms(&mut self, arms: &[CatchArm]) {
        self.word(" catch {");
        self.list(arms, |printer, arm| {
            printer.ident(&arm.exception);
            printer.word(" => ");
            printer.arm_body(&arm.body);
        });
        self.word("}");
    }

    /// An arm among those that have names for their exceptions.
    fn catch_clause(&mut self, arm: &CatchArm) {
        match (&arm.name, &arm.body) {
            (None, ArmBody::Block(body)) if arm.exception.text == "_" => {
                self.word(" catch ");
                self.block(body);
            }
            (Some(name), ArmBody::Block(body)) => {
                self.word(" catch ");
                if arm.exception.text != "_" {
                    self.ident(&arm.exception);
                    self.word(" ");
                }
                self.ident(name);
                self.block(body);
            }
            _ => self.catch_arms(std::slice::from_ref(arm)),
        }
    }
}

/// Whether the text of an expression begins with a brace.
fn begins_with_brace(expr: &Expr) -> bool {
    let first = match &expr.kind {
        ExprKind::Braced(_) | ExprKind::Struct(_) => return true,
        ExprKind::And(items) | ExprKind::Or(items) | ExprKind::Coalesce(items) => items.first(),
        ExprKind::Chain { first: left, .. }
        | ExprKind::Compare { left, .. }
        | ExprKind::IsDistinct { left, .. }
        | ExprKind::Pipe { source: left, .. }
        | ExprKind::Between { expr: left, .. }
        | ExprKind::InList { expr: left, .. }
        | ExprKind::InQuery { expr: left, .. }
        | ExprKind::Like { expr: left, .. }
        | ExprKind::Is { expr: left, .. }
        | ExprKind::Field { expr: left, .. }
        | ExprKind::Index { expr: left, .. }
        | ExprKind::Access { expr: left, .. }
        | ExprKind::Slice { expr: left, .. } => Some(&**left),
        ExprKind::Match(matching) => Some(&matching.subject),
        _ => None,
    };
    first.is_some_and(begins_with_brace)
}
