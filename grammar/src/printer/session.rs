//! Statements about the session and the database as a whole, in canonical form.
//!
//! `list tables` is written `SHOW tables`, `execute p(1)` is written `EXECUTE p(1)`.
//!
//! Invariants: LIST is written SHOW; a name behind SHOW follows IN.
//!
//! Does not: break lines.

use super::Printer;
use crate::ast::{
    Analyze, Argument, Attach, AttachSource, Cache, Execute, Explain, Maintain, MaintainTask, Prepare, Set, Show,
    StatementKind,
};

impl Printer {
    /// Whether the statement is one of these.
    pub(super) fn session(&mut self, kind: &StatementKind) -> bool {
        match kind {
            StatementKind::Explain(explain) => self.explain(explain),
            StatementKind::Set(set) => self.setting(set),
            StatementKind::Show(show) => self.show(show),
            StatementKind::Describe(query) => {
                self.word("DESCRIBE ");
                self.query(query);
            }
            StatementKind::DescribeObject(describe) => {
                self.word("DESCRIBE ");
                self.word(describe.kind.words());
                self.optional_path(Some(&describe.name));
            }
            StatementKind::Prepare(prepare) => self.prepare(prepare),
            StatementKind::Execute(execute) => self.execute(execute),
            StatementKind::Deallocate(deallocate) => match &deallocate.name {
                Some(name) => {
                    self.word("DEALLOCATE ");
                    self.ident(name);
                }
                None => self.word("DEALLOCATE ALL"),
            },
            StatementKind::Attach(attach) => self.attach(attach),
            StatementKind::Detach(detach) => {
                self.word("DETACH ");
                self.when_set(detach.if_exists, "IF EXISTS ");
                self.ident(&detach.name);
            }
            StatementKind::Use(path) => {
                self.word("USE ");
                self.path(path);
            }
            StatementKind::Analyze(analyze) => self.analyze(analyze),
            StatementKind::Maintain(maintain) => self.maintain(maintain),
            StatementKind::Cache(Cache::Stats) => self.word("CACHE STATS"),
            StatementKind::Cache(Cache::Clear) => self.word("CACHE CLEAR"),
            _ => return false,
        }
        true
    }

    fn explain(&mut self, explain: &Explain) {
        self.word("EXPLAIN ");
        self.when_set(explain.analyze, "ANALYZE ");
        self.when_set(explain.jit, "JIT ");
        self.when_set(explain.json, "(FORMAT json) ");
        self.statement(&explain.statement);
    }

    fn setting(&mut self, set: &Set) {
        self.word("SET ");
        self.ident(&set.name);
        self.word(" = ");
        self.expr(&set.value);
    }

    fn show(&mut self, show: &Show) {
        self.word("SHOW ");
        self.ident(&show.what);
        if !show.of.is_empty() {
            self.word(" IN ");
            self.path(&show.of);
        }
        if let Some(pattern) = &show.like {
            self.word(" LIKE ");
            self.string(pattern);
        }
    }

    fn prepare(&mut self, prepare: &Prepare) {
        self.word("PREPARE ");
        self.ident(&prepare.name);
        if !prepare.types.is_empty() {
            self.word(" (");
            self.list(&prepare.types, Self::type_name);
            self.word(")");
        }
        self.word(" AS ");
        self.statement(&prepare.statement);
    }

    pub(super) fn argument(&mut self, argument: &Argument) {
        if let Some(name) = &argument.name {
            self.ident(name);
            self.word(": ");
        }
        self.expr(&argument.value);
    }

    fn execute(&mut self, execute: &Execute) {
        self.word("EXECUTE ");
        self.path(&execute.name);
        if execute.args.is_empty() {
            return;
        }
        self.word("(");
        self.list(&execute.args, Self::argument);
        self.word(")");
    }

    fn attach(&mut self, attach: &Attach) {
        self.word("ATTACH ");
        match &attach.source {
            AttachSource::Path(path, _) => self.string(path),
            AttachSource::Name(name) => self.ident(name),
        }
        if let Some(alias) = &attach.alias {
            self.word(" AS ");
            self.ident(alias);
        }
        self.when_set(attach.read_only, " READ ONLY");
    }

    fn analyze(&mut self, analyze: &Analyze) {
        self.word("ANALYZE");
        self.optional_path(analyze.table.as_ref());
        self.columns(&analyze.columns);
    }

    fn maintain(&mut self, maintain: &Maintain) {
        self.word(match maintain.task {
            MaintainTask::Vacuum => "VACUUM",
            MaintainTask::Checkpoint => "CHECKPOINT",
            MaintainTask::Compact => "COMPACT",
        });
        self.optional_path(maintain.table.as_ref());
    }
}
