//! Triggers.
//!
//! `ENABLE TRIGGER t` becomes a [`ToggleTrigger`]; `upsert TRIGGER as t (order: 2)` an [`UpsertTrigger`] with one option.
//!
//! Invariants: what `CREATE TRIGGER` leaves out is left out of the tree.
//!
//! Does not: look at what the options say.

use super::Builder;
use super::rules::Rule;
use super::tree::{Node, has, parts};
use crate::ast::{
    CreateTrigger, DefineAudit, Expr, Ident, StatementKind, ToggleTrigger, TriggerEvent, TriggerTiming, UpsertTrigger,
};

impl Builder<'_> {
    pub(super) fn trigger(&mut self, node: Node<'_>) -> Option<StatementKind> {
        Some(match node.as_rule() {
            Rule::upsert_trigger_stmt => {
                let mut inner = parts(node).skip(1);
                let name = self.ident(&inner.next()?);
                let options = self.trigger_options(inner.next()?)?;
                StatementKind::UpsertTrigger(UpsertTrigger { name, options })
            }
            Rule::audit_stmt => {
                let mut inner = parts(node).skip(1).peekable();
                let name = self.ident(&inner.next()?);
                let options = inner.next_if(|part| part.as_rule() == Rule::trigger_options);
                let options = match options {
                    Some(options) => self.trigger_options(options)?,
                    None => Vec::new(),
                };
                let query = self.open_query(inner.next()?, false);
                StatementKind::Audit(Box::new(DefineAudit { name, options, query }))
            }
            Rule::create_trigger_stmt => StatementKind::CreateTrigger(Box::new(self.create_trigger(node)?)),
            _ => {
                let mut inner = parts(node);
                let enable = inner.next()?.as_str().to_ascii_lowercase().starts_with("enable");
                let name = self.ident(&inner.next()?);
                StatementKind::ToggleTrigger(ToggleTrigger { enable, name })
            }
        })
    }

    fn trigger_options(&mut self, node: Node<'_>) -> Option<Vec<(Ident, Expr)>> {
        let mut options = Vec::new();
        for option in parts(node) {
            let mut both = parts(option);
            let key = self.ident(&both.next()?);
            options.push((key, self.expr(both.next()?)));
        }
        Some(options)
    }

    fn create_trigger(&mut self, node: Node<'_>) -> Option<CreateTrigger> {
        let if_not_exists = has(&node, Rule::if_not_exists);
        let mut inner = parts(node).filter(|part| part.as_rule() != Rule::if_not_exists);
        let or_replace = inner.next()?.as_str().to_ascii_lowercase().contains("replace");
        let mut trigger = CreateTrigger {
            or_replace,
            if_not_exists,
            name: self.ident(&inner.next()?),
            timing: TriggerTiming::After,
            events: Vec::new(),
            target: Vec::new(),
            old_table: None,
            new_table: None,
            each_row: None,
            when: None,
            call: Vec::new(),
            args: Vec::new(),
        };
        for part in inner {
            self.trigger_part(&mut trigger, part)?;
        }
        Some(trigger)
    }

    fn trigger_part(&mut self, trigger: &mut CreateTrigger, part: Node<'_>) -> Option<()> {
        match part.as_rule() {
            Rule::trigger_timing => {
                trigger.timing = match parts(part).next()?.as_rule() {
                    Rule::before_word => TriggerTiming::Before,
                    Rule::after_word => TriggerTiming::After,
                    _ => TriggerTiming::Instead,
                }
            }
            Rule::trigger_event => {
                let event = if has(&part, Rule::kw_insert) {
                    TriggerEvent::Insert
                } else if has(&part, Rule::kw_delete) {
                    TriggerEvent::Delete
                } else if has(&part, Rule::kw_upsert) {
                    TriggerEvent::Upsert
                } else {
                    let columns = parts(part).next();
                    TriggerEvent::Update(columns.map(|list| self.idents(list)).unwrap_or_default())
                };
                trigger.events.push(event);
            }
            Rule::table_path => trigger.target = self.idents(part),
            Rule::trigger_tables => {
                for table in parts(part).skip(1) {
                    let is_old = has(&table, Rule::old_word);
                    let name = self.ident(&parts(table).nth(1)?);
                    match is_old {
                        true => trigger.old_table = Some(name),
                        false => trigger.new_table = Some(name),
                    }
                }
            }
            Rule::trigger_level => trigger.each_row = Some(has(&part, Rule::row_word)),
            Rule::trigger_when => trigger.when = parts(part).find(|p| p.as_rule() == Rule::expr).map(|e| self.expr(e)),
            _ => {
                for inner in parts(part) {
                    match inner.as_rule() {
                        Rule::table_path => trigger.call = self.idents(inner),
                        Rule::table_args => {
                            for arg in parts(inner) {
                                let arg = self.argument(arg)?;
                                trigger.args.push(arg);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        Some(())
    }
}
