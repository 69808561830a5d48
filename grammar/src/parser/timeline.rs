//! Points in time, and the statements about snapshots, branches, watermarks and history.
//!
//! `DIFF t BETWEEN TAG 'a' AND now()` becomes [`Diff`] with two [`When`]s.
//!
//! Invariants: only a relation that has a name has a history.
//!
//! Does not: check that a tag or branch exists.

use super::Builder;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{
    Blame, ChangesStart, CreateBranch, CreateSnapshot, CreateWatermark, Diff, DiffRoutine, Log, MergeBranch, MergePick,
    ObjectKind, Span, StatementKind, TableRef, TableTime, When, WhenKind,
};

impl Builder<'_> {
    /// A pair of the rule `when`, or of one that holds nothing but a `when`.
    pub(super) fn when(&mut self, node: Node<'_>) -> Option<When> {
        if node.as_rule() != Rule::when {
            return self.when(parts(node).next()?);
        }
        let span = self.span(&node);
        let inner = parts(node).next()?;
        let rule = inner.as_rule();
        if rule == Rule::when_expr {
            let expr = Box::new(self.expr(inner));
            let kind = WhenKind::At(expr);
            return Some(When { kind, span });
        }
        let text = self.first_ident(inner)?.text;
        let kind = match rule {
            Rule::when_commit => WhenKind::Commit(text),
            Rule::when_tag => WhenKind::Tag(text),
            _ => WhenKind::Branch(text),
        };
        Some(When { kind, span })
    }

    /// `AS OF …`, `SINCE …`, `CHANGES SINCE …` behind a relation.
    pub(super) fn table_time(&mut self, node: Node<'_>) -> Option<TableTime> {
        let (as_of, changes) = (has(&node, Rule::kw_of), has(&node, Rule::kw_changes));
        let mut inner = parts(node);
        let first = inner.next()?;
        if first.as_rule() == Rule::changes_watermark {
            let since = ChangesStart::Watermark(self.first_ident(first)?);
            let until = inner.next().and_then(|until| self.when(until));
            return Some(TableTime::Changes { since, until });
        }
        let since = self.when(first)?;
        let until = inner.next().and_then(|until| self.when(until));
        Some(match (as_of, changes) {
            (true, _) => TableTime::AsOf(since),
            (false, true) => TableTime::Changes {
                since: ChangesStart::When(since),
                until,
            },
            (false, false) => TableTime::Since { since, until },
        })
    }

    /// Gives a relation its time, if it can have one.
    pub(super) fn set_time(&mut self, table: &mut TableRef, time: Option<TableTime>, span: Span) {
        let Some(time) = time else { return };
        if table.kind.path().is_none() {
            self.error("42601", span, "only a table or a view, by its name, has a history");
            self.help("`AS OF …` before a query goes for all its tables: `(AS OF … SELECT …)`");
        }
        table.time = Some(Box::new(time));
    }

    /// `SNAPSHOT 's'` or, behind CREATE, the same.
    pub(super) fn snapshot(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let if_not_exists = has(&node, Rule::if_not_exists);
        let (mut name, mut at) = (None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::if_not_exists => {}
                Rule::snapshot_at => at = self.when(part),
                _ => name = Some(self.ident(&part)),
            }
        }
        Some(StatementKind::CreateSnapshot(CreateSnapshot {
            if_not_exists,
            name: name?,
            at,
        }))
    }

    pub(super) fn create_branch(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let if_not_exists = has(&node, Rule::if_not_exists);
        let (mut name, mut from) = (None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::if_not_exists => {}
                Rule::branch_from => from = self.when(part),
                _ => name = Some(self.ident(&part)),
            }
        }
        Some(StatementKind::CreateBranch(CreateBranch {
            if_not_exists,
            name: name?,
            from,
        }))
    }

    pub(super) fn create_watermark(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let if_not_exists = has(&node, Rule::if_not_exists);
        let (mut name, mut table, mut at) = (None, Vec::new(), None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::if_not_exists => {}
                Rule::table_path => table = self.idents(part),
                Rule::watermark_at => at = self.when(part),
                _ => name = Some(self.ident(&part)),
            }
        }
        Some(StatementKind::CreateWatermark(CreateWatermark {
            if_not_exists,
            name: name?,
            table,
            at,
        }))
    }

    /// The statements that begin with a word of the timeline.
    pub(super) fn timeline(&mut self, node: Node<'_>) -> Option<StatementKind> {
        Some(match node.as_rule() {
            Rule::snapshot_stmt => return self.snapshot(node),
            Rule::use_branch_stmt => StatementKind::UseBranch(self.first_ident(node)?),
            Rule::advance_stmt => StatementKind::AdvanceWatermark(self.first_ident(node)?),
            Rule::merge_branch_stmt => {
                let (mut names, mut pick) = (Vec::new(), None);
                for part in parts(node) {
                    match part.as_rule() {
                        Rule::merge_pick if has(&part, Rule::kw_ours) => pick = Some(MergePick::Ours),
                        Rule::merge_pick => pick = Some(MergePick::Theirs),
                        _ => names.push(self.ident(&part)),
                    }
                }
                let mut names = names.into_iter();
                let (name, into) = (names.next()?, names.next());
                StatementKind::MergeBranch(MergeBranch { name, into, pick })
            }
            Rule::diff_stmt => self.diff(node)?,
            Rule::diff_routine_stmt => self.diff_routine(node)?,
            Rule::log_stmt => self.log(node),
            Rule::blame_stmt => {
                let mut inner = parts(node);
                let table = self.idents(inner.next()?);
                let filter = inner.next().and_then(|filter| self.only_expr(filter));
                StatementKind::Blame(Blame { table, filter })
            }
            Rule::verify_stmt => StatementKind::VerifyTable(self.first_path(node)?),
            _ => StatementKind::Prove(parts(node).next().map(|query| self.open_query(query, false))?),
        })
    }

    fn diff_routine(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let (mut kind, mut name, mut points) = (ObjectKind::Function, None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::routine_word => {
                    kind = match part.as_str().trim_end().to_ascii_lowercase().as_str() {
                        "procedure" => ObjectKind::Procedure,
                        "module" => ObjectKind::Module,
                        _ => ObjectKind::Function,
                    };
                }
                Rule::table_path => name = Some(self.idents(part)),
                Rule::when => points.extend(self.when(part)),
                _ => {}
            }
        }
        let mut points = points.into_iter();
        Some(StatementKind::DiffRoutine(DiffRoutine {
            kind,
            name: name?,
            between: points.next().zip(points.next()),
        }))
    }

    fn diff(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let (mut table, mut points) = (None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::free_path => table = Some(self.idents(part)),
                Rule::when => points.extend(self.when(part)),
                _ => {}
            }
        }
        let mut points = points.into_iter();
        Some(StatementKind::Diff(Diff {
            table,
            from: points.next()?,
            to: points.next()?,
        }))
    }

    fn log(&mut self, node: Node<'_>) -> StatementKind {
        let (mut table, mut limit) = (None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::free_path => table = Some(self.idents(part)),
                _ => limit = self.only_expr(part),
            }
        }
        StatementKind::Log(Log { table, limit })
    }
}
