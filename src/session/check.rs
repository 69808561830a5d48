//! Looks for errors in a script without running it: what `gobi check` asks.
//!
//! `create table t (a int); select b from t` is checked against a table that is there only while the check lasts: the error is that it has
//! no column `b`.
//!
//! Invariants: all errors are found, not the first only; what a statement would define is there for those behind it, in a transaction that
//! is never committed, and in memory where there is no database; no row is read or changed, and no file is written.
//!
//! Does not: know values: a variable is NULL of its type.

pub mod blocks;
pub mod points;

use gobi_grammar::ast::{self, Ident, Literal, Span, Statement, StatementKind as K};
use gobi_grammar::{Diagnostic, Dialect};

use blocks::Unsure;
use points::Points;

use super::change::{self, Running};
use super::relations::StatementTables;
use super::store::{Store, View};
use super::{
    DatabaseFolder, Error, Phases, Session, databases, routines, script, statement, testing, text_of, transactions,
};

impl Session {
    /// Has a database in memory, where there is none on disk yet: it ends with the session.
    #[must_use]
    pub fn with_scratch(mut self) -> Self {
        let is_there = self
            .store
            .as_ref()
            .is_some_and(|store| store.is_there(Span::default()).unwrap_or(true));
        if !is_there {
            let machine = databases::memory_machine();
            let folder = DatabaseFolder::on(machine, crate::store::timeline::Options::default(), "/scratch".as_ref());
            self.store = folder.map(Store::new);
            // A timeline has a beginning, for what asks what has changed since.
            self.execute("CREATE SCHEMA scratch; DROP SCHEMA scratch")
                .for_each(drop);
        }
        self
    }

    /// The errors and warnings of a script, in the order of its text.
    pub fn check(&mut self, script: &str) -> Vec<Diagnostic> {
        self.script = script.into();
        self.relations.routines.sources.begin_script();
        let parsing = script::parse(script, self.settings.dialect);
        if !parsing.diagnostics.is_empty() {
            return parsing.diagnostics;
        }
        routines::declare(self, &parsing.statements);
        if self.store.is_some()
            && let Err(error) = self.begin(false, None, Span::default())
        {
            return error.diagnostics;
        }
        let mut found = testing::repeated(&parsing.statements);
        found.extend(parsing.warnings);
        // What the transaction of the script that is open began with.
        let mut begun = None;
        // What would be there, if the statement that makes it were not wrong itself.
        let mut wrong: Vec<String> = Vec::new();
        for (statement, dialect) in &parsing.statements {
            self.statement = text_of(script, statement.span).into();
            if !self.relations.points.are_dropped(&statement.kind) {
                let mut here = self.checked(statement, *dialect, &mut begun);
                let fails = here.iter().any(|diagnostic| !diagnostic.is_warning());
                here.retain(|diagnostic| !wrong.iter().any(|name| is_missing(diagnostic, name)));
                if fails {
                    wrong.extend(made(&statement.kind).map(|name| name.text.to_lowercase()));
                    wrong.extend(self.relations.routines.together.made_with(statement.span.start));
                }
                found.extend(here);
            }
            self.follow(&statement.kind);
            self.relations.points.note(&statement.kind);
        }
        self.relations.points = Points::default();
        self.relations.unsure = Unsure::default();
        if self.store.is_some()
            && let Err(error) = self.rollback(Span::default())
        {
            found.extend(error.diagnostics);
        }
        self.relations.routines.looked_at();
        found.sort_by_key(|diagnostic| (diagnostic.span().start, diagnostic.span().end));
        found.dedup();
        found
    }

    /// ROLLBACK of the script takes back what was defined behind its BEGIN.
    fn follow(&mut self, kind: &K) {
        let begin = Ident {
            text: "\0begin".to_owned(),
            quoted: true,
            span: Span::default(),
        };
        // A COMMIT or ROLLBACK without BEGIN has nothing to end.
        let _ = match kind {
            _ if self.store.is_none() => Ok(()),
            K::Begin(_) => self.savepoint(&begin),
            K::Rollback(ast::Rollback::Transaction) => {
                let undone = self.end_savepoint(&begin, true);
                undone.and_then(|()| self.end_savepoint(&begin, false))
            }
            K::Commit(_) => self.end_savepoint(&begin, false),
            _ => Ok(()),
        };
    }

    fn checked(&mut self, statement: &Statement, dialect: Dialect, begun: &mut Option<View>) -> Vec<Diagnostic> {
        let done = undone_if_it_fails(self, statement.span, |session| {
            // What is wrong with that is the statement's to say.
            let view = session
                .refresh_view(statement.span)
                .ok()
                .and_then(|()| session.relations.view.clone());
            look(session, statement, dialect)?;
            settled(session, statement, begun, view)
        });
        let sources = &self.relations.routines.sources;
        let errors = done
            .err()
            .map(|error| error.resolved(sources, statement.span).diagnostics);
        let warnings = std::mem::take(&mut self.relations.routines.warnings);
        let sources = &self.relations.routines.sources;
        let own = warnings.into_iter().filter_map(|warning| {
            let said = warning.message.clone();
            let resolved = sources.resolve(warning, statement.span);
            // What is worth a look in another text is not this script's.
            (resolved.message == said).then_some(resolved)
        });
        errors.into_iter().flatten().chain(own).collect()
    }
}

/// What a statement makes, by its name.
fn made(kind: &K) -> Option<&Ident> {
    match kind {
        K::Routine(routine) => routine.name.last(),
        K::CreateTable(create) => create.name.last(),
        K::CreateView(create) => create.name.last(),
        K::Let(variable) => Some(&variable.name),
        _ => None,
    }
}

/// Whether it is only about something of that name, in lower case, not being there.
fn is_missing(diagnostic: &Diagnostic, name: &str) -> bool {
    let said = diagnostic.message.to_lowercase();
    matches!(diagnostic.code, "42883" | "42703" | "42P01") && said.ends_with(&format!(" `{name}` does not exist"))
}

/// Does something of which nothing stays after an error.
fn undone_if_it_fails(
    session: &mut Session,
    span: Span,
    work: impl FnOnce(&mut Session) -> Result<(), Error>,
) -> Result<(), Error> {
    let before = Ident {
        text: "\0check".to_owned(),
        quoted: true,
        span,
    };
    let has_savepoint = session.store.is_some() && session.savepoint(&before).is_ok();
    let done = work(session);
    if has_savepoint {
        let back = done.is_err();
        // The transaction is not committed, whatever comes of this.
        let _ = session.end_savepoint(&before, back);
        if back {
            let _ = session.end_savepoint(&before, false);
        }
    }
    done
}

/// Whether what there was still checks, where a statement of the script ends a transaction.
fn settled(
    session: &mut Session,
    statement: &Statement,
    begun: &mut Option<View>,
    before: Option<View>,
) -> Result<(), Error> {
    let before = match &statement.kind {
        K::Begin(_) => {
            *begun = before;
            return Ok(());
        }
        K::Rollback(ast::Rollback::Transaction) => {
            *begun = None;
            return Ok(());
        }
        K::Commit(_) => begun.take(),
        _ if begun.is_some() => return Ok(()),
        _ => before,
    };
    session.refresh_view(statement.span)?;
    match (before, session.relations.view.clone()) {
        (Some(before), Some(after)) => {
            let running = looking(statement.span, session.settings.dialect);
            routines::settled::check(session, &before, &after, running)
        }
        _ => Ok(()),
    }
}

fn looking(span: Span, dialect: Dialect) -> Running {
    Running {
        dialect,
        phases: Phases::default(),
        span,
        only_bind: true,
    }
}

/// Looks at a statement; what it defines is defined.
fn look(session: &mut Session, statement: &Statement, dialect: Dialect) -> Result<(), Error> {
    let running = looking(statement.span, dialect);
    statement::begins(session, Some(&statement.kind));
    session.refresh_view(statement.span)?;
    match &statement.kind {
        K::Query(query) => bind(session, query.unstreamed(), dialect),
        K::Describe(query) | K::Prove(query) => bind(session, query, dialect),
        K::Copy(copy) => bind(session, &copy.source, dialect),
        K::UseBranch(_) | K::Rollback(ast::Rollback::To(_)) => {
            session.relations.unsure.all();
            Ok(())
        }
        // The file may come to be later.
        K::CopyFrom(copy) => match session.relations.view.as_ref() {
            Some(view) => change::target(view, &copy.table).map(drop),
            None => Ok(()),
        },
        K::Explain(explain) => look(session, &explain.statement, dialect),
        kind @ (K::Insert(_) | K::Upsert(_) | K::Update(_) | K::Delete(_) | K::Merge(_)) => {
            transactions::change(session, kind, running).map(drop)
        }
        K::CreateTable(create) if create.query.is_some() => {
            blocks::give_way(session, &statement.kind, dialect);
            let mut empty = create.clone();
            empty
                .query
                .iter_mut()
                .for_each(|query| query.limit = Some(zero(statement.span)));
            run(session, K::CreateTable(empty), statement.span, dialect)
        }
        kind if routines::is_ours(kind) && !matches!(kind, K::Routine(_) | K::Module(_)) => {
            let asked = routines::look(session, statement, running)?;
            blocks::make(session, &asked);
            Ok(())
        }
        kind if defines(kind) => {
            blocks::give_way(session, kind, dialect);
            run(session, kind.clone(), statement.span, dialect)
        }
        _ => Ok(()),
    }
}

/// Whether a statement makes or takes what those behind it may name, or cannot be run at all.
fn defines(kind: &K) -> bool {
    matches!(
        kind,
        K::CreateTable(_)
            | K::CreateView(_)
            | K::CreateIndex(_)
            | K::CreateSchema(_)
            | K::AlterTable(_)
            | K::Drop(_)
            | K::Truncate(_)
            | K::Set(_)
            | K::Prepare(_)
            | K::Deallocate(_)
            | K::Routine(_)
            | K::Module(_)
            | K::UpsertTrigger(_)
            | K::CreateTrigger(_)
            | K::ToggleTrigger(_)
            | K::DefineType(_)
            | K::DefineException(_)
            | K::AlterType(_)
            | K::Use(_)
            | K::Unsupported { .. }
    )
}

fn run(session: &mut Session, kind: K, span: Span, dialect: Dialect) -> Result<(), Error> {
    let statement = Statement { kind, span };
    statement::run(session, &statement, dialect, Phases::default()).map(drop)
}

fn bind(session: &mut Session, query: &ast::Query, dialect: Dialect) -> Result<(), Error> {
    let mut tables = StatementTables::new(&mut session.relations);
    statement::bind(query, dialect, &mut tables).map(drop)
}

fn zero(span: Span) -> ast::Expr {
    ast::Expr {
        kind: ast::ExprKind::Literal(Literal::Integer("0".to_owned())),
        span,
    }
}
