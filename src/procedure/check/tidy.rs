//! Where a body gives back memory: at the beginning of each round of a loop that makes texts, arrays or structs, or takes them from its
//! session.
//!
//! `for i in range(20000) { s = f'<{s}>' }` makes a text in each round; without this all of them would be there until the body has
//! ended. `s = f'{s},'` makes none: it is written as `s = s || concat(',')`, which goes behind what `s` has.
//!
//! Invariants: all variables that may hold something which was made since the routine began are named; an array that is being
//! written, whose elements nobody knows yet, is never moved.
//!
//! Does not: find out which memory that is.

use std::collections::HashSet;

use gobi_grammar::ast::Span;

use super::Checker;
use crate::functions;
use crate::plan::logical::{ArithOp, ChainStep, ColumnId, Expr, ExprKind};
use crate::plan::routine::Statement;
use crate::types::{LogicalType, Physical, Value};

impl Checker<'_> {
    /// The statements of a whole routine with what gives back memory.
    pub(super) fn tidied(&mut self, mut body: Vec<Statement>) -> Vec<Statement> {
        self.extend_texts(&mut body);
        if !self.any_loop_makes(&body) {
            return body;
        }
        let mut assigned = HashSet::new();
        Statement::mentions(&body, &mut |id, assigns| {
            if assigns {
                assigned.insert(id);
            }
        });
        let is_kept = |id: &ColumnId| assigned.contains(id) && self.takes_memory(*id);
        let all = (0..self.variables.len()).map(|at| ColumnId(super::number(at)));
        let variables: Vec<ColumnId> = all.filter(is_kept).collect();
        self.tidy_loops(&mut body, &Statement::Tidy { variables });
        body
    }

    /// `s = f'{s}…'` adds something to `s`, or to the empty text if that is NULL.
    fn extend_texts(&self, statements: &mut Vec<Statement>) {
        let mut at = 0;
        while let Some(statement) = statements.get_mut(at) {
            for block in statement.blocks_mut() {
                self.extend_texts(block);
            }
            if let Statement::Set(id, value) = statement
                && let Some(longer) = extended(*id, value)
            {
                let (id, span) = (*id, value.span);
                *value = longer;
                if self.variables[id.0 as usize].nullable {
                    statements.insert(at, begun(id, span));
                    at += 1;
                }
            }
            at += 1;
        }
    }

    fn takes_memory(&self, id: ColumnId) -> bool {
        is_made(&self.variables[id.0 as usize].ty)
    }

    fn any_loop_makes(&self, statements: &[Statement]) -> bool {
        statements.iter().any(|statement| match statement.is_loop() {
            true => self.makes(statement),
            false => statement.blocks().into_iter().any(|block| self.any_loop_makes(block)),
        })
    }

    /// Whether a statement, or one inside of it, makes something that takes memory, is given it by the session, or gives it to that.
    fn makes(&self, statement: &Statement) -> bool {
        let own = match statement {
            Statement::Ask { taken, .. } | Statement::Rows { taken, .. } => {
                taken.iter().any(|id| self.takes_memory(*id))
            }
            // A row of texts is made for being handed over.
            Statement::Collect { given, .. } => given.iter().any(|id| self.takes_memory(*id)),
            Statement::Begin { .. } | Statement::Try { .. } => true,
            Statement::Set(id, value) => {
                added(*id, value).map_or_else(|| makes(value), |parts| parts.into_iter().any(makes))
            }
            _ => false,
        };
        let mut by_exprs = false;
        if !matches!(statement, Statement::Set(..)) {
            statement.exprs(&mut |expr| by_exprs |= makes(expr));
        }
        own || by_exprs || statement.blocks().into_iter().flatten().any(|inner| self.makes(inner))
    }

    fn tidy_loops(&self, statements: &mut [Statement], tidy: &Statement) {
        // Arrays that are written here.
        let mut begun = 0usize;
        for statement in statements {
            match statement {
                Statement::Begin { .. } => begun += 1,
                Statement::Complete { .. } => begun = begun.saturating_sub(1),
                _ if begun > 0 => {}
                _ if statement.is_loop() && !self.makes(statement) => {}
                _ => {
                    for block in statement.blocks_mut() {
                        self.tidy_loops(block, tidy);
                    }
                    if let Statement::Rows { body, .. }
                    | Statement::While { body, .. }
                    | Statement::Range { body, .. } = statement
                    {
                        body.insert(0, tidy.clone());
                    }
                }
            }
        }
    }
}

fn is_made(ty: &LogicalType) -> bool {
    ty.is_nested() || *ty != LogicalType::Null && ty.physical() == Physical::Str
}

/// Whether an expression makes a text, an array or a struct.
fn makes(expr: &Expr) -> bool {
    let mut found = false;
    expr.visit(&mut |part| {
        found |= is_made(&part.ty)
            && match &part.kind {
                ExprKind::Call { function, .. } => !gives_a_part(functions::function(*function).name),
                ExprKind::Routine { .. } | ExprKind::Chain { .. } | ExprKind::Cast { .. } => true,
                _ => false,
            };
        // What is passed to a function of the user's may be made there.
        found |= matches!(part.kind, ExprKind::Routine { .. });
    });
    found
}

/// Functions that give what they are given, or a part of it.
fn gives_a_part(name: &str) -> bool {
    matches!(
        name,
        "array_get" | "array_extract" | "struct_extract" | "map_extract_value"
    )
}

/// What is added behind a variable's own text or array, if that is all that its new value is.
fn added(id: ColumnId, value: &Expr) -> Option<Vec<&Expr>> {
    let is_own = |expr: &Expr| matches!(expr.kind, ExprKind::Column(of) if of == id);
    match &value.kind {
        ExprKind::Chain { first, rest } if is_own(first) && value.ty == LogicalType::String => {
            let pieces = rest.iter().flat_map(|step| pieces(&step.operand));
            Some(pieces.collect())
        }
        ExprKind::Call { function, args } => match (functions::function(*function).name, args.as_slice()) {
            ("array_append", [own, element]) if is_own(own) => Some(vec![element]),
            ("array_concat", [own, more]) if is_own(own) => match &more.kind {
                ExprKind::Call { function, args } if functions::function(*function).name == "list_value" => {
                    Some(args.iter().collect())
                }
                ExprKind::Literal(_) => Some(Vec::new()),
                _ => None,
            },
            ("map_put", [own, key, element]) if is_own(own) => Some(vec![key, element]),
            _ => None,
        },
        _ => None,
    }
}

/// What is put behind a text, without the digits of numbers, which are written there.
fn pieces(piece: &Expr) -> Vec<&Expr> {
    match &piece.kind {
        ExprKind::Call { function, args } if functions::function(*function).name == "concat" => {
            args.iter().flat_map(pieces).collect()
        }
        ExprKind::Cast { expr, .. } if expr.ty.is_integer() => vec![expr],
        _ => vec![piece],
    }
}

/// A text that is NULL becomes the empty one.
fn begun(id: ColumnId, span: Span) -> Statement {
    let text = LogicalType::String;
    let own = Box::new(Expr::column(id, text.clone(), span));
    let is_null = ExprKind::IsNull {
        expr: own,
        negated: false,
    };
    let empty = Expr::literal(Value::String("".into()), text, span);
    Statement::If {
        arms: vec![(Expr::boolean(is_null, span), vec![Statement::Set(id, empty)])],
        otherwise: Vec::new(),
    }
}

/// `concat(s, a, b)` as `s || concat(a, b)`, where neither mentions `s`.
fn extended(id: ColumnId, value: &Expr) -> Option<Expr> {
    let ExprKind::Call { function, args } = &value.kind else {
        return None;
    };
    let (own, rest) = args.split_first()?;
    let is_own = matches!(own.kind, ExprKind::Column(of) if of == id);
    let is_text = functions::function(*function).name == "concat" && own.ty == LogicalType::String;
    if !is_own || !is_text || rest.is_empty() || rest.iter().any(|arg| arg.columns().contains(&id)) {
        return None;
    }
    let text = LogicalType::String;
    let operand = Expr {
        kind: ExprKind::Call {
            function: *function,
            args: rest.to_vec(),
        },
        ..value.clone()
    };
    let step = ChainStep {
        op: ArithOp::Concat,
        left_ty: text.clone(),
        operand,
        ty: text,
        span: value.span,
    };
    Some(Expr {
        kind: ExprKind::Chain {
            first: Box::new(own.clone()),
            rest: vec![step],
        },
        ..value.clone()
    })
}
