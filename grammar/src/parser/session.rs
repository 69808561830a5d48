//! Statements about the session and the database as a whole.
//!
//! `PREPARE p (int) AS SELECT $1` becomes [`Prepare`] around a query.
//!
//! Invariants: the statement inside PREPARE is read like any other, with its own span.
//!
//! Does not: look anything up.

use super::Builder;
use super::operand::unquote;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{
    Analyze, Argument, Attach, AttachSource, Cache, Deallocate, Detach, Execute, Expr, ExprKind, Maintain,
    MaintainTask, Prepare, Statement, StatementKind,
};

impl Builder<'_> {
    pub(super) fn session(&mut self, node: Node<'_>) -> Option<StatementKind> {
        Some(match node.as_rule() {
            Rule::prepare_stmt => self.prepare(node)?,
            Rule::execute_stmt => self.execute(node)?,
            Rule::deallocate_stmt => StatementKind::Deallocate(Deallocate {
                name: self.first_ident(node),
            }),
            Rule::attach_stmt => self.attach(node)?,
            Rule::detach_stmt => {
                let if_exists = has(&node, Rule::if_exists);
                let name = parts(node).find(|part| part.as_rule() != Rule::if_exists)?;
                let name = self.ident(&name);
                StatementKind::Detach(Detach { if_exists, name })
            }
            Rule::use_stmt => StatementKind::Use(self.first_path(node)?),
            Rule::analyze_stmt => {
                let mut inner = parts(node);
                let table = inner.next().map(|path| self.idents(path));
                let columns = inner.next().map(|list| self.idents(list)).unwrap_or_default();
                StatementKind::Analyze(Analyze { table, columns })
            }
            Rule::maintain_stmt => self.maintain(node),
            _ if has(&node, Rule::kw_stats) => StatementKind::Cache(Cache::Stats),
            _ => StatementKind::Cache(Cache::Clear),
        })
    }

    fn prepare(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut inner = parts(node);
        let name = self.ident(&inner.next()?);
        let (mut types, mut statement) = (Vec::new(), None);
        for part in inner {
            if part.as_rule() == Rule::prepare_types {
                types = parts(part).map(|ty| self.type_name(ty)).collect();
            } else {
                statement = self.inner_statement(part);
            }
        }
        Some(StatementKind::Prepare(Prepare {
            name,
            types,
            statement: Box::new(statement?),
        }))
    }

    /// A statement inside another; what a repeated SELECT begins is left for behind it.
    pub(super) fn inner_statement(&mut self, node: Node<'_>) -> Option<Statement> {
        let span = self.span(&node);
        if node.as_rule() == Rule::query_stmt {
            let query = self.open_query(parts(node).next()?, false);
            let span = query.span;
            let kind = StatementKind::Query(query);
            return Some(Statement { kind, span });
        }
        self.statement_kinds(node, span).into_iter().next()
    }

    fn execute(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let mut inner = parts(node);
        let name = self.idents(inner.next()?);
        let mut args = Vec::new();
        for arg in inner.flat_map(|list| parts(list).collect::<Vec<_>>()) {
            args.push(self.argument(arg)?);
        }
        Some(StatementKind::Execute(Execute { name, args }))
    }

    pub(super) fn argument(&mut self, node: Node<'_>) -> Option<Argument> {
        let span = self.span(&node);
        match node.as_rule() {
            Rule::named_arg => {
                let mut inner = parts(node);
                let name = Some(self.ident(&inner.next()?));
                let value = self.expr(inner.next()?);
                Some(Argument { name, value })
            }
            Rule::query => {
                let kind = ExprKind::Subquery(Box::new(self.query(node)));
                let value = Expr { kind, span };
                Some(Argument { name: None, value })
            }
            _ => {
                let value = self.expr(node);
                Some(Argument { name: None, value })
            }
        }
    }

    fn attach(&mut self, node: Node<'_>) -> Option<StatementKind> {
        let (mut source, mut alias, mut read_only) = (None, None, false);
        for part in parts(node) {
            match part.as_rule() {
                Rule::squoted => source = Some(AttachSource::Path(unquote(part.as_str()), self.span(&part))),
                Rule::attach_alias => alias = self.first_ident(part),
                Rule::attach_mode => read_only = true,
                _ => source = Some(AttachSource::Name(self.ident(&part))),
            }
        }
        Some(StatementKind::Attach(Attach {
            source: source?,
            alias,
            read_only,
        }))
    }

    fn maintain(&mut self, node: Node<'_>) -> StatementKind {
        let task = if has(&node, Rule::kw_vacuum) {
            MaintainTask::Vacuum
        } else if has(&node, Rule::kw_checkpoint) {
            MaintainTask::Checkpoint
        } else {
            MaintainTask::Compact
        };
        let table = parts(node).next().map(|path| self.idents(path));
        StatementKind::Maintain(Maintain { task, table })
    }
}
