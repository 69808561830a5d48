//! The body of a procedure as what a trigger does with each row.
//!
//! `NEW.total = NEW.price * NEW.amount` before an insert into `orders` becomes a body whose inputs are the columns `price` and `amount` of
//! the new row, and whose outputs are its column `total` and what was done with the row.
//!
//! Invariants: a body is checked for the columns of one table; what it assigns to `NEW` has the column's type; only columns
//! that it mentions are inputs.
//!
//! Does not: fire.

use std::collections::BTreeSet;

use gobi_grammar::ast::{self, RoutineBody, Span, StatementKind as K, Value as Written};
use gobi_grammar::{Diagnostic, Dialect};

use super::{Assumed, Checked, Checker, settle};
use crate::plan::logical::{ColumnId, CompareOp, Expr, ExprKind};
use crate::plan::routine::{RowShape, Statement};
use crate::plan::{BodyName, ROWS_OF_TRIGGERS, TableResolver};
use crate::procedure::{Definition, Instances};
use crate::types::{Field, LogicalType, Value};

/// What a trigger is checked for.
#[derive(Clone, Debug)]
pub struct TriggerOf<'t> {
    /// The trigger's name.
    pub name: &'t str,
    /// The table's.
    pub table: &'t str,
    /// The columns of its rows; none for a trigger of statements.
    pub columns: &'t [Field],
    /// It fires before rows change: it may change or skip them.
    pub before: bool,
    /// WHEN, and how its text is to be read.
    pub when: Option<(&'t ast::Expr, Dialect)>,
    /// What its procedure is called with.
    pub args: &'t [ast::Argument],
    /// Where it is made.
    pub span: Span,
}

/// What goes into a body for each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowInput {
    /// A column of the row before the change.
    Old(usize),
    /// A column of the row after it.
    New(usize),
    /// 1: it is inserted, 2: updated, 3: deleted; 0: the trigger is not about it.
    Event,
}

impl RowInput {
    /// Its type, in rows of these columns.
    pub fn ty(self, columns: &[Field]) -> LogicalType {
        match self {
            RowInput::Old(at) | RowInput::New(at) => {
                columns.get(at).map_or(LogicalType::Null, |field| field.ty.clone())
            }
            RowInput::Event => LogicalType::BigInt,
        }
    }
}

/// What comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutput {
    /// 0: the body was not called, 1: it was, 2: it has skipped the row.
    State,
    /// A column of the new row.
    New(usize),
}

/// State of a row that the body was called for.
pub const CALLED: i128 = 1;
/// State of a row that it skipped.
pub const SKIPPED: i128 = 2;

/// A checked trigger.
#[derive(Debug)]
pub struct CheckedTrigger {
    /// The body; its parameters are the inputs.
    pub checked: Checked,
    /// Columns in and out.
    pub shape: RowShape,
    /// What the inputs are.
    pub inputs: Vec<RowInput>,
    /// What the outputs are; the first is the state.
    pub outputs: Vec<RowOutput>,
}

/// The numbers of a trigger's variables.
#[derive(Clone, Debug)]
pub(super) struct TriggerNames {
    before: bool,
    columns: usize,
    event: ColumnId,
    state: ColumnId,
    operation: ColumnId,
}

/// Checks the body of a procedure for the rows of a table.
pub fn check_trigger(
    definition: &Definition,
    of: &TriggerOf<'_>,
    instances: &mut Instances,
    tables: &mut dyn TableResolver,
) -> Result<CheckedTrigger, Vec<Diagnostic>> {
    let mut assumed = Assumed::default();
    let mut names = None;
    let routine = settle(&mut assumed, instances, Some(tables), |mut checker| {
        checker.dialect = definition.dialect;
        let known = checker.begin_trigger(of);
        let body = checker.trigger_body(definition, of, &known);
        names = Some(known);
        checker.finish(&definition.name, 0, body)
    })?;
    let Some(names) = names else {
        return Err(vec![Diagnostic::new("XX000", of.span, "a trigger was not checked")]);
    };
    let (inputs, outputs) = names.columns_of(&routine.body, of.before);
    let shape = RowShape {
        inputs: inputs.iter().map(|input| names.input(*input)).collect(),
        outputs: outputs.iter().map(|output| names.output(*output)).collect(),
    };
    let body = instances.add(routine);
    Ok(CheckedTrigger {
        checked: Checked {
            program: instances.program(),
            body,
            questions: instances.questions.clone(),
            known: Vec::new(),
            warnings: std::mem::take(&mut instances.warnings),
            told: std::mem::take(&mut instances.told),
            made_of: instances.made_of().cloned().collect(),
        },
        shape,
        inputs,
        outputs,
    })
}

/// The error of a call of a procedure that `returns trigger`.
pub(super) fn called_by_triggers(definition: &Definition) -> Diagnostic {
    let name = definition.shown_name();
    let place = definition.routine.name.last();
    let span = place.map_or_else(Span::default, |name| name.span);
    let message = format!("`{name}` returns trigger: triggers run it, and nobody calls it");
    let help = format!(
        "make a trigger: `upsert trigger as {name} (event: 'insert', target: 'orders')`; or leave out `returns trigger`"
    );
    Diagnostic::new("42809", span, message).with_help(help)
}

impl TriggerNames {
    fn input(&self, input: RowInput) -> ColumnId {
        match input {
            RowInput::Old(at) => ColumnId(super::number(at)),
            RowInput::New(at) => ColumnId(super::number(self.columns + at)),
            RowInput::Event => self.event,
        }
    }

    fn output(&self, output: RowOutput) -> ColumnId {
        match output {
            RowOutput::State => self.state,
            RowOutput::New(at) => self.input(RowInput::New(at)),
        }
    }

    /// The columns that a body reads, and those that it assigns, which it reads too: a row that it leaves alone keeps them.
    fn columns_of(&self, body: &[Statement], before: bool) -> (Vec<RowInput>, Vec<RowOutput>) {
        let (mut read, mut set) = (BTreeSet::new(), BTreeSet::new());
        Statement::mentions(body, &mut |id, assigned| {
            match assigned {
                true => set.insert(id),
                false => read.insert(id),
            };
        });
        let mut outputs = vec![RowOutput::State];
        if before {
            let new = (0..self.columns).map(RowOutput::New);
            outputs.extend(new.filter(|output| set.contains(&self.output(*output))));
        }
        let columns = (0..self.columns).flat_map(|at| [RowInput::Old(at), RowInput::New(at)]);
        let wanted = |input: &RowInput| {
            let id = self.input(*input);
            read.contains(&id) || outputs.iter().any(|output| self.output(*output) == id)
        };
        let inputs = columns.filter(wanted).chain([RowInput::Event]).collect();
        (inputs, outputs)
    }

    /// Whether a column of `NEW` may be assigned.
    pub(super) fn is_new(&self, id: ColumnId) -> bool {
        let at = id.0 as usize;
        (self.columns..2 * self.columns).contains(&at)
    }
}

impl Checker<'_> {
    /// Declares `OLD`, `NEW`, and what is known of the trigger.
    fn begin_trigger(&mut self, of: &TriggerOf<'_>) -> TriggerNames {
        for row in ["OLD", "NEW"] {
            for column in of.columns {
                let id = self.new_variable(&format!("{row}.{}", column.name), Some(column.ty.clone()), true);
                self.flow.assign(id);
                self.names.push(BodyName {
                    of: Some(row.to_owned()),
                    name: column.name.clone(),
                    id,
                });
            }
        }
        let event = self.temporary(LogicalType::BigInt, true);
        let state = self.temporary(LogicalType::BigInt, false);
        let [operation, name, table] = ["TG_OP", "TG_NAME", "TG_TABLE_NAME"].map(|word| {
            let id = self.temporary(LogicalType::String, false);
            self.name(word, id);
            id
        });
        let _ = (name, table);
        let names = TriggerNames {
            before: of.before && !of.columns.is_empty(),
            columns: of.columns.len(),
            event,
            state,
            operation,
        };
        self.trigger = Some(names.clone());
        names
    }

    /// What is done for a row, or for a statement.
    fn trigger_body(&mut self, definition: &Definition, of: &TriggerOf<'_>, names: &TriggerNames) -> Vec<Statement> {
        let mut called = Vec::new();
        let when = of.when.and_then(|(when, dialect)| {
            self.dialect = dialect;
            self.condition(when, "WHEN", &mut called)
        });
        self.dialect = definition.dialect;
        let mut body = vec![Statement::Set(names.state, literal(CALLED, of.span))];
        self.trigger_params(definition, of, &mut body);
        // What WHEN and the arguments throw is nothing that the procedure declares.
        let raised = self.raised_so_far();
        match &definition.routine.body {
            RoutineBody::Block(block) => {
                let block = self.with_whole_rows(block);
                body.extend(self.statements(&block.statements));
            }
            RoutineBody::Value(value) => body.extend(self.statements(&[ast::Statement {
                kind: match value {
                    Written::Expr(value) => K::Eval(Box::new(value.clone())),
                    Written::Query(query) => K::Query((**query).clone()),
                    Written::Then(then) => K::Then(then.clone()),
                },
                span: of.span,
            }])),
        }
        let declared = self.declared_names(&definition.routine.raises);
        self.check_raises(raised, &declared);
        match when {
            Some(when) => called.push(Statement::If {
                arms: vec![(when, body)],
                otherwise: Vec::new(),
            }),
            None => called.append(&mut body),
        }
        let mut out = vec![Statement::Set(names.state, literal(0, of.span))];
        let mut read = BTreeSet::new();
        Statement::mentions(&called, &mut |id, assigned| _ = !assigned && read.insert(id));
        out.extend(
            self.about_the_trigger(of, names)
                .into_iter()
                .filter(|statement| match statement {
                    Statement::Set(id, _) => read.contains(id),
                    _ => true,
                }),
        );
        let event = Expr::column(names.event, LogicalType::BigInt, of.span);
        out.push(Statement::If {
            arms: vec![(Expr::compare(CompareOp::Gt, event, literal(0, of.span)), called)],
            otherwise: Vec::new(),
        });
        out
    }

    /// Says of errors about `NEW` and `OLD` where there are rows of these names.
    pub(super) fn tell_of_rows(&mut self) {
        let has_rows = self.trigger.as_ref().is_some_and(|names| names.columns > 0);
        let is_about_row = |error: &&mut Diagnostic| {
            let rows = ["new", "old"];
            let word = error.message.split('`').nth(1).map(str::to_lowercase);
            error.code == "42703" && word.is_some_and(|word| rows.contains(&word.as_str()))
        };
        if has_rows {
            return;
        }
        for error in self.errors.iter_mut().filter(is_about_row) {
            error.help = Some(ROWS_OF_TRIGGERS.to_owned());
        }
    }

    /// TG_OP, TG_NAME, TG_TABLE_NAME.
    fn about_the_trigger(&self, of: &TriggerOf<'_>, names: &TriggerNames) -> Vec<Statement> {
        let text = |text: &str| Expr::literal(Value::String(text.into()), LogicalType::String, of.span);
        let is = |event: i128| {
            let column = Expr::column(names.event, LogicalType::BigInt, of.span);
            Expr::compare(CompareOp::Eq, column, literal(event, of.span))
        };
        let operation = Expr {
            kind: ExprKind::Case {
                arms: vec![(is(1), text("INSERT")), (is(2), text("UPDATE"))],
                otherwise: Box::new(text("DELETE")),
            },
            ty: LogicalType::String,
            span: of.span,
        };
        let after = |places: u32| ColumnId(names.operation.0 + places);
        vec![
            Statement::Set(names.operation, operation),
            Statement::Set(after(1), text(of.name)),
            Statement::Set(after(2), text(of.table)),
        ]
    }

    /// The procedure's parameters: what the trigger gives, or their defaults.
    fn trigger_params(&mut self, definition: &Definition, of: &TriggerOf<'_>, out: &mut Vec<Statement>) {
        let params = &definition.routine.params;
        let mut used = 0;
        for (at, param) in params.iter().enumerate() {
            let named = |arg: &&ast::Argument| {
                let name = arg.name.as_ref();
                name.is_some_and(|name| name.text.eq_ignore_ascii_case(&param.name.text))
            };
            let by_place = of.args.get(at).filter(|arg| arg.name.is_none());
            let given = by_place.or_else(|| of.args.iter().find(named));
            used += usize::from(given.is_some());
            let Some(value) = given.map(|arg| &arg.value).or(param.default.as_ref()) else {
                let message = format!(
                    "the trigger gives `{}` no value for its parameter `{}`",
                    definition.name, param.name.text
                );
                let help = "a trigger's procedure has no parameters, or the trigger gives them in `args`";
                self.error(Diagnostic::new("42883", of.span, message).with_help(help));
                continue;
            };
            let name = param.name.clone();
            let ty = param.ty.clone();
            let value = Written::Expr(value.clone());
            let kind = K::Let(Box::new(ast::Let { name, ty, value }));
            out.extend(self.statements(&[ast::Statement { kind, span: of.span }]));
        }
        if used < of.args.len() {
            let message = format!("`{}` has no parameter for an argument of the trigger", definition.name);
            self.error(Diagnostic::new("42883", of.span, message));
        }
    }

    /// RETURN in the body of a trigger; `false` if this is none.
    pub(super) fn leave_trigger(&mut self, value: Option<&Written>, span: Span, out: &mut Vec<Statement>) -> bool {
        let Some(names) = self.trigger.clone() else {
            return false;
        };
        let word = match value {
            None => "",
            Some(Written::Expr(value)) => match &value.kind {
                ast::ExprKind::Name(path) if path.len() == 1 => path[0].text.as_str(),
                _ => "?",
            },
            Some(Written::Query(_) | Written::Then(_)) => "?",
        };
        match word.to_ascii_lowercase().as_str() {
            "" | "new" | "old" => {}
            "skip" if names.before => out.push(Statement::Set(names.state, literal(SKIPPED, span))),
            "skip" => {
                let message = "only a trigger before rows can skip one";
                self.error(Diagnostic::new("42601", span, message).with_help("make it with `timing: 'before'`"));
            }
            _ => {
                let message = "the body of a trigger gives no value";
                let help = "`return` ends it, `return skip` leaves the row out";
                self.error(Diagnostic::new("42804", span, message).with_help(help));
            }
        }
        self.flush_in_try(span, out);
        out.push(Statement::Return(None));
        self.flow.end();
        true
    }

    /// The column that `NEW.x = …` assigns; `None` if the name is no row of the trigger.
    pub(super) fn new_column(&mut self, assign: &ast::Assign) -> Option<Option<ColumnId>> {
        let names = self.trigger.clone()?;
        let row = &assign.name;
        let Some(ast::Step::Field(field)) = assign.path.first() else {
            return None;
        };
        let of_row = |known: &&BodyName| known.of.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(&row.text));
        if !["old", "new"].contains(&row.text.to_ascii_lowercase().as_str()) || !self.names.iter().any(|n| of_row(&n)) {
            return None;
        }
        let found = self.names.iter().filter(of_row);
        let found = found
            .into_iter()
            .find(|known| known.name.eq_ignore_ascii_case(&field.text))
            .map(|n| n.id);
        let Some(id) = found else {
            let message = format!("column `{}` of `{}` does not exist", field.text, row.text);
            let mut error = Diagnostic::new("42703", field.span, message);
            let known = self.names.iter().filter(of_row).map(|known| known.name.as_str());
            error.help =
                gobi_grammar::similar::nearest(&field.text, known).map(|near| format!("did you mean `{near}`?"));
            self.error(error);
            return Some(None);
        };
        if !names.before || !names.is_new(id) {
            let message = match names.is_new(id) {
                true => "only a trigger before rows can change `NEW`",
                false => "`OLD` cannot be changed",
            };
            self.error(Diagnostic::new("42601", row.span, message));
            return Some(None);
        }
        Some(Some(id))
    }
}

fn literal(value: i128, span: Span) -> Expr {
    Expr::literal(Value::Int(value), LogicalType::BigInt, span)
}
