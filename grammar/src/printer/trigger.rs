//! Triggers in canonical form.
//!
//! `create trigger a after insert on t execute function p()` is written `CREATE TRIGGER a AFTER INSERT ON t EXECUTE PROCEDURE p()`.
//!
//! Invariants: the order of events and options is the tree's.
//!
//! Does not: break lines.

use super::Printer;
use crate::ast::{CreateTrigger, Expr, Ident, StatementKind, TriggerEvent, TriggerTiming};

impl Printer {
    /// Whether the statement is one of these.
    pub(super) fn trigger(&mut self, kind: &StatementKind) -> bool {
        match kind {
            StatementKind::UpsertTrigger(upsert) => {
                self.word("upsert trigger as ");
                self.ident(&upsert.name);
                self.word(" ");
                self.trigger_options(&upsert.options);
            }
            StatementKind::Audit(audit) => {
                self.word("AUDIT ");
                self.ident(&audit.name);
                self.word(" ");
                if !audit.options.is_empty() {
                    self.trigger_options(&audit.options);
                    self.word(" ");
                }
                self.word("AS ");
                self.query(&audit.query);
            }
            StatementKind::CreateTrigger(create) => self.create_trigger(create),
            StatementKind::ToggleTrigger(toggle) => {
                self.word(if toggle.enable {
                    "ENABLE TRIGGER "
                } else {
                    "DISABLE TRIGGER "
                });
                self.ident(&toggle.name);
            }
            _ => return false,
        }
        true
    }

    fn trigger_options(&mut self, options: &[(Ident, Expr)]) {
        self.word("(");
        self.list(options, |printer, (name, value)| {
            printer.ident(name);
            printer.word(": ");
            printer.expr(value);
        });
        self.word(")");
    }

    fn create_trigger(&mut self, create: &CreateTrigger) {
        self.word("CREATE ");
        self.when_set(create.or_replace, "OR REPLACE ");
        self.word("TRIGGER ");
        self.when_set(create.if_not_exists, "IF NOT EXISTS ");
        self.ident(&create.name);
        self.word(match create.timing {
            TriggerTiming::Before => " BEFORE ",
            TriggerTiming::After => " AFTER ",
            TriggerTiming::Instead => " INSTEAD OF ",
        });
        for (at, event) in create.events.iter().enumerate() {
            self.when_set(at > 0, " OR ");
            self.trigger_event(event);
        }
        self.word(" ON ");
        self.path(&create.target);
        self.when_set(create.old_table.is_some() || create.new_table.is_some(), " REFERENCING");
        for (name, words) in [
            (&create.old_table, " OLD TABLE AS "),
            (&create.new_table, " NEW TABLE AS "),
        ] {
            if let Some(name) = name {
                self.word(words);
                self.ident(name);
            }
        }
        self.word(match create.each_row {
            None => "",
            Some(true) => " FOR EACH ROW",
            Some(false) => " FOR EACH STATEMENT",
        });
        if let Some(when) = &create.when {
            self.word(" WHEN (");
            self.expr(when);
            self.word(")");
        }
        self.word(" EXECUTE PROCEDURE ");
        self.path(&create.call);
        self.word("(");
        self.list(&create.args, Self::argument);
        self.word(")");
    }

    fn trigger_event(&mut self, event: &TriggerEvent) {
        match event {
            TriggerEvent::Insert => self.word("INSERT"),
            TriggerEvent::Delete => self.word("DELETE"),
            TriggerEvent::Upsert => self.word("UPSERT"),
            TriggerEvent::Update(columns) => {
                self.word("UPDATE");
                if !columns.is_empty() {
                    self.word(" OF ");
                    self.list(columns, Self::ident);
                }
            }
        }
    }
}
