//! Blocks, control flow, functions and procedures.
//!
//! `while x < 3 { x = x + 1 }` becomes a [`While`] around a block of one assignment.
//!
//! Invariants: the statements of a block are read like those of a script, each with its own span.
//!
//! Does not: know which names are variables, or what a function does.

use super::Builder;
use super::expr::missing;
use super::operand::unquote;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{
    ArmBody, Assert, Assign, Block, CallRoutine, Catch, CatchArm, DefineException, DefineMacro, Expr, ExprKind, For,
    Ident, If, Let, Match, MatchArm, Mode, Module, Param, Path, Pattern, Restate, Returns, Rights, Routine,
    RoutineBody, RoutineForm, Span, Statement, StatementKind, Step, Test, Then, Try, Value, While,
};

impl Builder<'_> {
    pub(super) fn procedural(&mut self, node: Node<'_>) -> Option<StatementKind> {
        Some(match node.as_rule() {
            Rule::assignment => StatementKind::Assign(Box::new(self.assign(node)?)),
            Rule::let_stmt => StatementKind::Let(Box::new(self.let_stmt(node)?)),
            Rule::if_stmt => StatementKind::If(self.if_stmt(node)?),
            Rule::while_stmt => {
                let mut inner = operands(node);
                let condition = self.expr(inner.next()?);
                let body = self.block(inner.next()?);
                StatementKind::While(Box::new(While { condition, body }))
            }
            Rule::for_stmt => {
                let mut inner = operands(node);
                let name = self.ident(&inner.next()?);
                let values = self.value(inner.next()?);
                let body = self.block(inner.next()?);
                StatementKind::For(Box::new(For { name, values, body }))
            }
            Rule::return_stmt => StatementKind::Return(self.row_value(operands(node)).map(Box::new)),
            Rule::break_stmt => StatementKind::Break,
            Rule::continue_stmt => StatementKind::Continue,
            Rule::throw_stmt => StatementKind::Throw(operands(node).next().map(|value| Box::new(self.expr(value)))),
            Rule::yield_stmt => StatementKind::Yield(operands(node).next().map(|value| Box::new(self.value(value)))),
            Rule::assert_stmt => {
                let mut inner = operands(node);
                let condition = self.expr(inner.next()?);
                let message = inner.next().map(|message| self.expr(message));
                StatementKind::Assert(Box::new(Assert { condition, message }))
            }
            Rule::call_stmt => self.call_stmt(node)?,
            Rule::test_stmt => {
                let mut inner = operands(node);
                let name = self.ident(&inner.next()?);
                let body = self.block(inner.next()?);
                StatementKind::Test(Box::new(Test { name, body }))
            }
            Rule::value_stmt | Rule::bare_expr => StatementKind::Eval(Box::new(self.expr(parts(node).next()?))),
            Rule::exception_stmt => self.exception(node)?,
            Rule::macro_stmt => self.define_macro(node)?,
            Rule::module_stmt => {
                let mut inner = operands(node);
                let name = self.ident(&inner.next()?);
                let body = self.block(inner.next()?);
                StatementKind::Module(Box::new(Module { name, body }))
            }
            Rule::import_stmt => StatementKind::Import(operands(node).map(|name| self.ident(&name)).collect()),
            Rule::type_stmt => self.declare_type(node)?,
            _ => StatementKind::Routine(Box::new(self.routine(node)?)),
        })
    }

    /// The statements in braces, or between THEN and END.
    pub(super) fn block(&mut self, node: Node<'_>) -> Block {
        let span = self.span(&node);
        // A statement of the block leaves its own marks on the builder.
        let outer = (
            self.unsupported.take(),
            std::mem::take(&mut self.extra),
            self.cut.take(),
        );
        self.open_end = None;
        self.blocks += 1;
        let mut statements: Vec<Statement> = Vec::new();
        for part in node.into_inner() {
            if !super::is_end(part.as_rule()) {
                self.statement(part, &mut statements);
            }
        }
        self.blocks -= 1;
        (self.unsupported, self.extra, self.cut) = outer;
        Block { statements, span }
    }

    fn value(&mut self, node: Node<'_>) -> Value {
        match node.as_rule() {
            Rule::query => Value::Query(Box::new(self.open_query(node, false))),
            _ => Value::Expr(self.expr(node)),
        }
    }

    /// A value, or a query and the block behind it.
    fn row_value<'i>(&mut self, mut nodes: impl Iterator<Item = Node<'i>>) -> Option<Value> {
        let value = self.value(nodes.next()?);
        let Some(block) = nodes.next() else { return Some(value) };
        let place = self.span(&block);
        let body = parts(block).next().map(|block| self.block(block))?;
        Some(match value {
            Value::Query(query) => Value::Then(Box::new(Then { query: *query, body })),
            value => {
                self.error("42601", place, "a `then` block stands behind a query");
                value
            }
        })
    }

    fn let_stmt(&mut self, node: Node<'_>) -> Option<Let> {
        let mut inner = operands(node).peekable();
        let name = self.ident(&inner.next()?);
        let ty = inner.next_if(|part| part.as_rule() == Rule::let_type);
        let ty = ty.and_then(|ty| parts(ty).next()).map(|ty| self.type_name(ty));
        let value = self.row_value(inner)?;
        Some(Let { name, ty, value })
    }

    fn assign(&mut self, node: Node<'_>) -> Option<Assign> {
        let mut inner = operands(node);
        let mut target = parts(inner.next()?);
        let name = self.ident(&target.next()?);
        let mut path = Vec::new();
        for step in target {
            let is_field = step.as_rule() == Rule::target_field;
            let inside = parts(step).next()?;
            path.push(match is_field {
                true => Step::Field(self.ident(&inside)),
                false => Step::Index(self.expr(inside)),
            });
        }
        let value = self.row_value(inner)?;
        Some(Assign { name, path, value })
    }

    fn if_stmt(&mut self, node: Node<'_>) -> Option<If> {
        let (mut arms, mut otherwise) = (Vec::new(), None);
        let mut inner = operands(node);
        let condition = self.expr(inner.next()?);
        arms.push((condition, self.block(inner.next()?)));
        for part in inner {
            match part.as_rule() {
                Rule::else_block | Rule::else_then => otherwise = Some(self.block(operands(part).next()?)),
                _ => {
                    let mut arm = operands(part);
                    let condition = self.expr(arm.next()?);
                    arms.push((condition, self.block(arm.next()?)));
                }
            }
        }
        Some(If { arms, otherwise })
    }

    fn call_stmt(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut inner = operands(node);
        let name = self.idents(inner.next()?);
        let (mut args, mut as_of, mut restate) = (Vec::new(), None, None);
        for part in inner {
            if part.as_rule() == Rule::call_restate {
                let mut ends = operands(part).map(|end| self.expr(end));
                let (from, to) = (ends.next()?, ends.next()?);
                restate = Some(Box::new(Restate { from, to }));
                continue;
            }
            if part.as_rule() == Rule::call_as_of {
                as_of = parts(part).next().and_then(|when| self.when(when));
                continue;
            }
            for arg in parts(part) {
                args.push(self.argument(arg)?);
            }
        }
        Some(StatementKind::CallRoutine(CallRoutine {
            name,
            args,
            as_of,
            restate,
        }))
    }

    /// `… then {…}` behind the last query.
    pub(super) fn then(&mut self, node: Node<'_>, statements: &mut Vec<Statement>) {
        let place = self.span(&node);
        let Some(body) = parts(node).next().map(|block| self.block(block)) else {
            return;
        };
        let last = statements.pop();
        statements.extend(last.map(|last| match last.kind {
            StatementKind::Query(query) => Statement {
                kind: StatementKind::Then(Box::new(Then { query, body })),
                span: last.span.to(place),
            },
            kind => Statement { kind, span: last.span },
        }));
    }

    fn define_macro(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut inner = operands(node);
        let name = self.ident(&inner.next()?);
        let mut params = Vec::new();
        for param in parts(inner.next()?) {
            params.push(self.param(param)?);
        }
        let body = match self.value(inner.next()?) {
            Value::Query(query) => Expr {
                span: query.span,
                kind: ExprKind::Subquery(query),
            },
            Value::Expr(value) => value,
            Value::Then(_) => return None,
        };
        Some(StatementKind::DefineMacro(Box::new(DefineMacro { name, params, body })))
    }

    fn exception(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut inner = operands(node);
        let name = self.ident(&inner.next()?);
        let message = inner.next().map(|text| unquote(text.as_str()));
        Some(StatementKind::DefineException(DefineException { name, message }))
    }

    fn routine(&mut self, node: Node<'_>) -> Option<Routine> {
        let head = node.clone().into_inner().next()?;
        let words = head.as_str().to_ascii_lowercase();
        let form = match node.as_rule() {
            Rule::function_stmt => RoutineForm::Local,
            Rule::upsert_routine_stmt => RoutineForm::Upsert,
            _ => RoutineForm::Create {
                or_replace: words.contains("replace"),
                if_not_exists: has(&node, Rule::if_not_exists),
            },
        };
        let mut routine = Routine {
            form,
            is_procedure: words.ends_with("procedure"),
            name: Vec::new(),
            metadata: Vec::new(),
            receiver: None,
            type_params: Vec::new(),
            params: Vec::new(),
            raises: Vec::new(),
            returns: Returns::Inferred,
            mode: None,
            rights: None,
            body: RoutineBody::Block(Block {
                statements: Vec::new(),
                span: self.span(&node),
            }),
        };
        for part in operands(node) {
            self.routine_part(&mut routine, part);
        }
        Some(routine)
    }

    fn routine_part(&mut self, routine: &mut Routine, part: Node<'_>) -> Option<()> {
        match part.as_rule() {
            Rule::if_not_exists => {}
            Rule::table_path => routine.name = self.idents(part),
            Rule::metadata => match self.brace(parts(part).next()?) {
                ExprKind::Struct(fields) => routine.metadata = fields,
                _ => self.odd("metadata of this form"),
            },
            Rule::generic_params => routine.type_params = self.idents(part),
            Rule::receiver => {
                // Before a receiver stands what it is made of: `<T> <array<T>>`.
                if let Some(before) = routine.receiver.take() {
                    if !before.args.is_empty() || !before.fields.is_empty() || !before.params.is_empty() {
                        self.error(
                            "42601",
                            before.span,
                            "a name that stands for types is wanted before a receiver",
                        );
                        self.help("write `<T> <array<T>>`");
                    }
                    routine.type_params = vec![Ident {
                        text: before.name,
                        quoted: false,
                        span: before.span,
                    }];
                }
                routine.receiver = parts(part).next().map(|ty| self.type_name(ty));
            }
            Rule::routine_params => {
                for param in parts(part) {
                    let param = self.param(param)?;
                    routine.params.push(param);
                }
            }
            Rule::raises_clause => {
                routine.raises = operands(part).filter_map(|name| self.exception_name(name)).collect()
            }
            Rule::returns_clause => {
                routine.returns = match operands(part).next() {
                    Some(rows) if rows.as_rule() == Rule::returns_rows => {
                        let fields = operands(rows).find(|part| part.as_rule() == Rule::type_fields);
                        Returns::Rows(fields.map(|fields| self.type_fields(fields)).unwrap_or_default())
                    }
                    Some(ty) => Returns::Type(self.type_name(ty)),
                    None => Returns::Void,
                }
            }
            Rule::mode_clause => {
                routine.mode = Some(match has(&part, Rule::async_word) {
                    true => Mode::Async,
                    false => Mode::Sync,
                })
            }
            Rule::rights_clause => {
                routine.rights = Some(match has(&part, Rule::definer_word) {
                    true => Rights::Definer,
                    false => Rights::Invoker,
                })
            }
            Rule::routine_body => {
                let body = operands(part).next()?;
                routine.body = match body.as_rule() {
                    Rule::block => RoutineBody::Block(self.block(body)),
                    _ => RoutineBody::Value(self.value(body)),
                };
            }
            _ => routine.name = Path::from([self.ident(&part)]),
        }
        Some(())
    }

    fn param(&mut self, node: Node<'_>) -> Option<Param> {
        let mut inner = parts(node);
        let name = self.ident(&inner.next()?);
        let (mut ty, mut default) = (None, None);
        for part in inner {
            let is_type = part.as_rule() == Rule::param_type;
            let inside = parts(part).next()?;
            match is_type {
                true => ty = Some(self.type_name(inside)),
                false => default = Some(self.expr(inside)),
            }
        }
        Some(Param { name, ty, default })
    }

    /// `… match {…}` behind an operand.
    pub(super) fn match_expr(&mut self, subject: Expr, node: Node<'_>) -> ExprKind {
        let mut arms = Vec::new();
        for arm in operands(node) {
            match self.match_arm(arm) {
                Some(arm) => arms.push(arm),
                None => return missing(),
            }
        }
        let matching = Match { subject, arms };
        self.warnings.extend(super::covered::warnings(&matching));
        ExprKind::Match(Box::new(matching))
    }

    /// `match e {…}`, which is the same.
    pub(super) fn match_value(&mut self, node: Node<'_>) -> ExprKind {
        let mut inner = operands(node);
        let (Some(subject), Some(arms)) = (inner.next(), inner.next()) else {
            return missing();
        };
        let span = self.span(&subject);
        let subject = self.flat(subject.into_inner().collect(), span);
        self.match_expr(subject, arms)
    }

    fn match_arm(&mut self, node: Node<'_>) -> Option<MatchArm> {
        let (mut patterns, mut guard, mut body) = (Vec::new(), None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::pattern => patterns.push(self.pattern(part)?),
                Rule::guard => {
                    let span = self.span(&part);
                    let items: Vec<Node<'_>> = part.into_inner().skip(1).collect();
                    guard = Some(self.flat(items, span));
                }
                _ => body = Some(self.arm_body(part)),
            }
        }
        Some(MatchArm {
            patterns,
            guard,
            body: body?,
        })
    }

    fn arm_body(&mut self, node: Node<'_>) -> ArmBody {
        match node.as_rule() {
            Rule::block => ArmBody::Block(self.block(node)),
            _ => ArmBody::Expr(self.expr(node)),
        }
    }

    fn pattern(&mut self, node: Node<'_>) -> Option<Pattern> {
        let span = self.span(&node);
        if let Some(fields) = node
            .clone()
            .into_inner()
            .find(|part| part.as_rule() == Rule::fields_pattern)
        {
            let fields = parts(fields).filter(|part| part.as_rule() == Rule::field_pattern);
            let fields = fields.map(|field| self.field_pattern(field)).collect::<Option<_>>()?;
            return Some(Pattern::Fields(fields, span));
        }
        let mut values = node.into_inner().filter(|part| part.as_rule() == Rule::pattern_value);
        let low = self.pattern_value(values.next()?)?;
        if let Some(high) = values.next() {
            return Some(Pattern::Range(low, self.pattern_value(high)?));
        }
        Some(match low.kind {
            ExprKind::Name(path) if path.len() == 1 => {
                let name = path.into_iter().next()?;
                match name.text == "_" && !name.quoted {
                    true => Pattern::Any(name.span),
                    false => Pattern::Bind(name),
                }
            }
            _ => Pattern::Value(low),
        })
    }

    fn field_pattern(&mut self, node: Node<'_>) -> Option<(Ident, Pattern)> {
        let mut inner = node.into_inner();
        let name = self.ident(&inner.next()?);
        let patterns = inner.filter(|part| part.as_rule() == Rule::pattern);
        let mut patterns = patterns.map(|part| self.pattern(part)).collect::<Option<Vec<_>>>()?;
        let pattern = match patterns.len() {
            0 => Pattern::Bind(name.clone()),
            1 => patterns.remove(0),
            _ => Pattern::OneOf(patterns),
        };
        Some((name, pattern))
    }

    fn pattern_value(&mut self, node: Node<'_>) -> Option<Expr> {
        let span = self.span(&node);
        let negative = has(&node, Rule::op_neg);
        let primary = node.into_inner().find(|part| part.as_rule() != Rule::op_neg)?;
        let value = self.primary(primary);
        Some(match negative {
            true => Expr {
                kind: ExprKind::Neg(Box::new(value)),
                span,
            },
            false => value,
        })
    }

    /// `try … catch …`.
    pub(super) fn try_expr(&mut self, node: Node<'_>) -> ExprKind {
        let span = self.span(&node);
        let (mut items, mut block, mut catches) = (Vec::new(), None, Vec::new());
        for part in node.into_inner() {
            match part.as_rule() {
                Rule::try_head => {}
                Rule::block => block = Some(self.block(part)),
                Rule::catch_clause => catches.extend(self.catch(part)),
                _ => items.push(part),
            }
        }
        let body = match block {
            Some(block) => ArmBody::Block(block),
            None => ArmBody::Expr(self.flat(items, span)),
        };
        let catch = one_catch(catches, span);
        ExprKind::Try(Box::new(Try { body, catch }))
    }

    /// `spawn f(x)`, `await x`.
    pub(super) fn effect(&mut self, node: Node<'_>) -> ExprKind {
        let span = self.span(&node);
        let mut parts = node.into_inner();
        let spawns = parts
            .next()
            .is_some_and(|head| head.as_str().eq_ignore_ascii_case("spawn"));
        let value = Box::new(self.flat(parts.collect(), span));
        match spawns {
            true => ExprKind::Spawn(value),
            false => ExprKind::Await(value),
        }
    }

    /// `NoStock`, or `shop.NoStock` as one name.
    fn exception_name(&mut self, node: Node<'_>) -> Option<Ident> {
        let span = self.span(&node);
        let names: Vec<Ident> = parts(node).map(|part| self.ident(&part)).collect();
        match names.as_slice() {
            [] | [_] => names.into_iter().next(),
            [module, name, ..] => Some(Ident {
                text: format!("{}.{}", module.text, name.text),
                quoted: true,
                span,
            }),
        }
    }

    fn catch(&mut self, node: Node<'_>) -> Option<Catch> {
        let mut names: Vec<Ident> = Vec::new();
        for part in parts(node) {
            match part.as_rule() {
                Rule::catch_word => {}
                Rule::block => {
                    let body = self.block(part);
                    let name = names.pop();
                    return Some(match names.pop() {
                        None if name.as_ref().is_some_and(|name| name.text.contains('.')) => {
                            Catch::Arms(vec![CatchArm {
                                exception: name?,
                                name: None,
                                body: ArmBody::Block(body),
                            }])
                        }
                        None => Catch::Block { name, body },
                        Some(exception) => Catch::Arms(vec![CatchArm {
                            exception,
                            name,
                            body: ArmBody::Block(body),
                        }]),
                    });
                }
                Rule::catch_arms => {
                    let mut arms = Vec::new();
                    for arm in parts(part) {
                        let mut inner = parts(arm);
                        arms.push(CatchArm {
                            exception: self.exception_name(inner.next()?)?,
                            name: None,
                            body: self.arm_body(inner.next()?),
                        });
                    }
                    return Some(Catch::Arms(arms));
                }
                Rule::exception_name => names.extend(self.exception_name(part)),
                _ => names.push(self.ident(&part)),
            }
        }
        None
    }
}

/// Several CATCHes behind each other as one.
fn one_catch(mut catches: Vec<Catch>, span: Span) -> Option<Catch> {
    if catches.len() < 2 {
        return catches.pop();
    }
    let any = || Ident {
        text: "_".to_owned(),
        quoted: false,
        span,
    };
    let arms = catches.into_iter().flat_map(|catch| match catch {
        Catch::Arms(arms) => arms,
        Catch::Block { name, body } => vec![CatchArm {
            exception: any(),
            name,
            body: ArmBody::Block(body),
        }],
    });
    Some(Catch::Arms(arms.collect()))
}

/// The parts of a node that are neither keywords nor the words that it begins with.
fn operands(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    parts(node).filter(|part| {
        !matches!(
            part.as_rule(),
            Rule::let_head
                | Rule::if_head
                | Rule::elif_word
                | Rule::while_head
                | Rule::for_head
                | Rule::return_head
                | Rule::throw_head
                | Rule::yield_head
                | Rule::assert_head
                | Rule::call_head
                | Rule::restate_word
                | Rule::test_head
                | Rule::exception_head
                | Rule::macro_head
                | Rule::module_head
                | Rule::import_head
                | Rule::function_head
                | Rule::upsert_routine_head
                | Rule::create_routine_head
                | Rule::raises_word
                | Rule::returns_word
                | Rule::void_word
                | Rule::match_word
                | Rule::match_head
        )
    })
}
