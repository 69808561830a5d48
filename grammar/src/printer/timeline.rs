//! Transactions and the timeline, in canonical form.
//!
//! `rollback to s` is written `ROLLBACK TO SAVEPOINT s`, `snapshot 's' from x` is written `CREATE SNAPSHOT 's' AS OF x`.
//!
//! Invariants: a name in a point of time stands in parentheses where it would be read as a savepoint or a call.
//!
//! Does not: break lines.

use super::Printer;
use super::expr::Level;
use crate::ast::{
    Begin, Blame, ChangesStart, CreateBranch, CreateWatermark, Diff, DiffRoutine, Expr, ExprKind, Ident, Isolation,
    Log, MergePick, Path, Rollback, StatementKind, TableTime, When, WhenKind,
};

impl Printer {
    /// Whether the statement is one of a transaction.
    pub(super) fn transaction(&mut self, kind: &StatementKind) -> bool {
        match kind {
            StatementKind::Begin(begin) => self.begin(begin),
            StatementKind::Commit(commit) => {
                self.word("COMMIT");
                if let Some(message) = &commit.message {
                    self.word(" MESSAGE ");
                    self.string(message);
                }
            }
            StatementKind::Rollback(rollback) => self.rollback(rollback),
            StatementKind::Savepoint(name) => self.named("SAVEPOINT ", name),
            StatementKind::Release(name) => self.named("RELEASE SAVEPOINT ", name),
            _ => return false,
        }
        true
    }

    /// Whether the statement is one of the timeline.
    pub(super) fn timeline(&mut self, kind: &StatementKind) -> bool {
        match kind {
            StatementKind::CreateSnapshot(snapshot) => {
                self.word("CREATE SNAPSHOT ");
                self.when_set(snapshot.if_not_exists, "IF NOT EXISTS ");
                self.label(&snapshot.name);
                self.after(" AS OF ", snapshot.at.as_ref());
            }
            StatementKind::CreateBranch(branch) => self.create_branch(branch),
            StatementKind::CreateWatermark(watermark) => self.create_watermark(watermark),
            StatementKind::UseBranch(name) => {
                self.word("USE BRANCH ");
                self.label(name);
            }
            StatementKind::MergeBranch(merge) => {
                self.word("MERGE BRANCH ");
                self.label(&merge.name);
                if let Some(into) = &merge.into {
                    self.word(" INTO ");
                    self.label(into);
                }
                match merge.pick {
                    Some(MergePick::Ours) => self.word(" USING OURS"),
                    Some(MergePick::Theirs) => self.word(" USING THEIRS"),
                    None => {}
                }
            }
            StatementKind::AdvanceWatermark(name) => {
                self.word("ADVANCE WATERMARK ");
                self.label(name);
            }
            StatementKind::Diff(diff) => self.diff(diff),
            StatementKind::DiffRoutine(diff) => self.diff_routine(diff),
            StatementKind::Log(log) => self.log(log),
            StatementKind::Blame(blame) => self.blame(blame),
            StatementKind::VerifyTable(table) => {
                self.word("VERIFY TABLE ");
                self.path(table);
            }
            StatementKind::Prove(query) => {
                self.word("PROVE ");
                self.query(query);
            }
            _ => return false,
        }
        true
    }

    fn named(&mut self, words: &str, name: &Ident) {
        self.word(words);
        self.ident(name);
    }

    /// A name that may be a string.
    pub(super) fn label(&mut self, name: &Ident) {
        if name.quoted {
            self.string(&name.text);
        } else {
            self.ident(name);
        }
    }

    fn begin(&mut self, begin: &Begin) {
        self.word("BEGIN");
        self.word(match begin.read_only {
            None => "",
            Some(true) => " READ ONLY",
            Some(false) => " READ WRITE",
        });
        self.word(match begin.isolation {
            None => "",
            Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
            Some(Isolation::Snapshot) => " ISOLATION LEVEL SNAPSHOT",
            Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
        });
    }

    fn rollback(&mut self, rollback: &Rollback) {
        match rollback {
            Rollback::Transaction => self.word("ROLLBACK"),
            Rollback::Savepoint(name) => self.named("ROLLBACK TO SAVEPOINT ", name),
            Rollback::To(when) => {
                self.word("ROLLBACK TO ");
                self.closed_when(when);
            }
        }
    }

    /// A point in time.
    pub(super) fn when(&mut self, when: &When) {
        let (word, text) = match &when.kind {
            WhenKind::At(expr) if begins_a_name(expr) => return self.closed_when(when),
            WhenKind::At(expr) => return self.at(expr, Level::Additive),
            WhenKind::Commit(text) => ("COMMIT ", text),
            WhenKind::Tag(text) => ("TAG ", text),
            WhenKind::Branch(text) => ("BRANCH ", text),
        };
        self.word(word);
        self.string(text);
    }

    /// A point in time before something that could go on with it.
    fn closed_when(&mut self, when: &When) {
        match &when.kind {
            WhenKind::At(expr) if !matches!(expr.kind, ExprKind::Literal(_)) => {
                self.word("(");
                self.expr(expr);
                self.word(")");
            }
            _ => self.when(when),
        }
    }

    /// `AS OF when` before a query.
    pub(super) fn as_of(&mut self, when: Option<&When>) {
        if let Some(when) = when {
            self.word("AS OF ");
            self.closed_when(when);
            self.word(" ");
        }
    }

    /// What stands behind a relation.
    pub(super) fn table_time(&mut self, time: &TableTime) {
        match time {
            TableTime::AsOf(when) => self.after(" AS OF ", Some(when)),
            TableTime::Since { since, until } => {
                self.after(" SINCE ", Some(since));
                self.after(" UNTIL ", until.as_ref());
            }
            TableTime::Changes { since, until } => {
                match since {
                    ChangesStart::When(when) => self.after(" CHANGES SINCE ", Some(when)),
                    ChangesStart::Watermark(name) => {
                        self.word(" CHANGES SINCE WATERMARK ");
                        self.label(name);
                    }
                }
                self.after(" UNTIL ", until.as_ref());
            }
        }
    }

    fn after(&mut self, words: &str, when: Option<&When>) {
        if let Some(when) = when {
            self.word(words);
            self.when(when);
        }
    }

    fn create_branch(&mut self, branch: &CreateBranch) {
        self.word("CREATE BRANCH ");
        self.when_set(branch.if_not_exists, "IF NOT EXISTS ");
        self.label(&branch.name);
        self.after(" FROM ", branch.from.as_ref());
    }

    fn create_watermark(&mut self, watermark: &CreateWatermark) {
        self.word("CREATE WATERMARK ");
        self.when_set(watermark.if_not_exists, "IF NOT EXISTS ");
        self.label(&watermark.name);
        self.word(" ON ");
        self.path(&watermark.table);
        self.after(" AT ", watermark.at.as_ref());
    }

    /// ` t`, or nothing.
    pub(super) fn optional_path(&mut self, path: Option<&Path>) {
        if let Some(path) = path {
            self.word(" ");
            self.path(path);
        }
    }

    fn diff(&mut self, diff: &Diff) {
        self.word("DIFF");
        self.optional_path(diff.table.as_ref());
        self.after(" BETWEEN ", Some(&diff.from));
        self.after(" AND ", Some(&diff.to));
    }

    fn diff_routine(&mut self, diff: &DiffRoutine) {
        self.word(&format!("DIFF {} ", diff.kind.words()));
        self.path(&diff.name);
        if let Some((from, to)) = &diff.between {
            self.after(" BETWEEN ", Some(from));
            self.after(" AND ", Some(to));
        }
    }

    fn log(&mut self, log: &Log) {
        self.word("LOG");
        self.optional_path(log.table.as_ref());
        self.clause(" LIMIT ", log.limit.as_ref());
    }

    fn blame(&mut self, blame: &Blame) {
        self.word("BLAME ");
        self.path(&blame.table);
        self.clause(" WHERE ", blame.filter.as_ref());
    }
}

/// Whether what stands behind it would be taken for the name of a snapshot or a branch.
fn begins_a_name(expr: &Expr) -> bool {
    let ExprKind::Name(path) = &expr.kind else { return false };
    let words = ["tag", "snapshot", "branch"];
    matches!(path.as_slice(), [name] if words.iter().any(|word| name.text.eq_ignore_ascii_case(word)))
}
