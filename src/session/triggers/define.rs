//! UPSERT TRIGGER, CREATE TRIGGER, ENABLE and DISABLE.
//!
//! `upsert TRIGGER as t (timing: 'before', event: 'insert|update', target: 'orders', call: 'p')` and
//! `CREATE TRIGGER t BEFORE INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE PROCEDURE p()` make the same object.
//!
//! Invariants: a trigger that is made was checked for each of its tables; the same definition again changes nothing; one that
//! does not check leaves the one before it.
//!
//! Does not: fire.

use gobi_grammar::ast::{
    self, CreateTrigger, Expr, ExprKind, Ident, Literal, Span, TriggerEvent, TriggerTiming, UpsertTrigger,
};
use gobi_grammar::similar::nearest;
use gobi_grammar::{Diagnostic, Dialect};

use super::ready::{self, NEW_ROWS, OLD_ROWS};
use super::{mentions, named, places};
use crate::catalog::{Entity, EntityId, Event, MAIN_SCHEMA, RoutineDef, Source, Timing, TriggerDef};
use crate::session::change::{Running, shape};
use crate::session::databases::{TEMP, Which};
use crate::session::define::{catalog_error, schema_and_name, unsupported};
use crate::session::relations::Relations;
use crate::session::store::View;
use crate::session::{Error, Session};

/// The options of `upsert TRIGGER`.
const OPTIONS: &[&str] = &[
    "timing", "event", "target", "for", "when", "of", "order", "exe", "call", "args", "old_rows", "new_rows", "enabled",
];

/// UPSERT TRIGGER.
pub fn upsert(session: &mut Session, upsert: &UpsertTrigger, view: &mut View, running: Running) -> Result<(), Error> {
    let written = Written {
        trigger: &upsert.name,
        options: &upsert.options,
        dialect: running.dialect,
    };
    let def = written.definition(view, &session.relations)?;
    let when = written.find("when");
    put(session, view, def, (&upsert.name, when), running)
}

/// CREATE TRIGGER.
pub fn create(session: &mut Session, create: &CreateTrigger, view: &mut View, running: Running) -> Result<(), Error> {
    let name = &create.name;
    if view.catalog().trigger(MAIN_SCHEMA, &name.text).is_some() {
        if create.if_not_exists {
            return Ok(());
        }
        if !create.or_replace {
            let message = format!("the trigger `{}` exists already", name.text);
            let help = "write `CREATE OR REPLACE TRIGGER`, or `upsert TRIGGER`";
            return Err(user("42710", name.span, message).with_help(help));
        }
    }
    let mut of = Vec::new();
    let events = create.events.iter().map(|event| match event {
        TriggerEvent::Insert => Event::Insert,
        TriggerEvent::Delete => Event::Delete,
        TriggerEvent::Upsert => Event::Upsert,
        TriggerEvent::Update(columns) => {
            of.extend(columns.iter().cloned());
            Event::Update
        }
    });
    let mut events: Vec<Event> = events.collect();
    events.sort_unstable();
    events.dedup();
    let (call, member) = procedure(view, &whole(&create.call, name.span))?;
    let args = create.args.iter().map(|arg| {
        let name = arg.name.as_ref().map_or(String::new(), |name| name.text.clone());
        (name, shape::source_of(&arg.value, running.dialect))
    });
    refuse_target(&session.relations, &create.target)?;
    let def = TriggerDef {
        name: name.text.clone(),
        targets: vec![target(view, &create.target)?],
        timing: match create.timing {
            TriggerTiming::Before => Timing::Before,
            TriggerTiming::After => Timing::After,
            TriggerTiming::Instead => Timing::Instead,
        },
        events,
        // A trigger that stands for statements on a view does so row by row.
        each_row: create.each_row.unwrap_or(create.timing == TriggerTiming::Instead),
        of: columns_of(view, &[target(view, &create.target)?], &of)?,
        when: create.when.as_ref().map(|when| shape::source_of(when, running.dialect)),
        order: 0,
        call,
        member,
        args: args.collect(),
        names: Vec::new(),
        writes: Vec::new(),
        old_rows: other_name(create.old_table.as_ref(), OLD_ROWS),
        new_rows: other_name(create.new_table.as_ref(), NEW_ROWS),
        disabled: false,
    };
    put(session, view, def, (name, create.when.as_ref()), running)
}

/// What REFERENCING calls the rows, unless it is what they are called anyway.
fn other_name(name: Option<&Ident>, usual: &str) -> Option<String> {
    let name = name.filter(|name| !name.text.eq_ignore_ascii_case(usual));
    name.map(|name| name.text.clone())
}

/// ENABLE TRIGGER, DISABLE TRIGGER.
pub fn toggle(toggle: &ast::ToggleTrigger, view: &mut View) -> Result<(), Error> {
    let (id, def) = find(view, &toggle.name)?;
    let def = TriggerDef {
        disabled: !toggle.enable,
        ..def
    };
    let replaced = view.changes.catalog.replace(id, Entity::Trigger(def));
    replaced.map_err(|error| catalog_error(&error, toggle.name.span))
}

/// DROP TRIGGER.
pub fn drop(drop: &ast::Drop, view: &mut View) -> Result<(), Error> {
    for path in &drop.names {
        let [name] = path.as_slice() else {
            return Err(unsupported(
                "a trigger in a schema",
                drop.names
                    .first()
                    .and_then(|p| p.first())
                    .map_or_else(Span::default, |n| n.span),
            ));
        };
        if drop.if_exists && view.catalog().trigger(MAIN_SCHEMA, &name.text).is_none() {
            continue;
        }
        let (id, def) = find(view, name)?;
        if let Some(table) = &drop.on
            && !def.targets.contains(&target(view, table)?)
        {
            let table = table.last().map_or("", |name| name.text.as_str());
            return Err(user(
                "42704",
                name.span,
                format!("the trigger `{}` is not one of `{table}`", name.text),
            ));
        }
        let gone = view.changes.catalog.drop(id, false);
        gone.map_err(|error| catalog_error(&error, name.span))?;
    }
    Ok(())
}

/// A trigger by name.
fn find(view: &View, name: &Ident) -> Result<(EntityId, TriggerDef), Error> {
    if let Some((id, def)) = view.catalog().trigger(MAIN_SCHEMA, &name.text) {
        return Ok((id, def.clone()));
    }
    let triggers = view
        .catalog()
        .entries()
        .filter(|entry| entry.entity.kind() == "trigger");
    let error = user("42704", name.span, format!("trigger `{}` does not exist", name.text));
    Err(with_near(error, &name.text, triggers.map(|entry| entry.entity.name())))
}

/// Checks a definition, and puts it into the catalog.
fn put(
    session: &mut Session,
    view: &mut View,
    def: TriggerDef,
    (name, when): (&Ident, Option<&Expr>),
    running: Running,
) -> Result<(), Error> {
    fits(view, &def, name.span)?;
    refuse_row_that_never_is(&def, when)?;
    let known = view
        .catalog()
        .trigger(MAIN_SCHEMA, &def.name)
        .map(|(id, known)| (id, known.clone()));
    let unchanged = |known: &TriggerDef| {
        *known
            == TriggerDef {
                names: known.names.clone(),
                writes: known.writes.clone(),
                ..def.clone()
            }
    };
    let catalog = &mut view.changes.catalog;
    let made = match known {
        Some((_, known)) if unchanged(&known) => return Ok(()),
        Some((id, _)) => catalog.replace(id, Entity::Trigger(def.clone())).map(|()| id),
        None => catalog.create(MAIN_SCHEMA, Entity::Trigger(def.clone())),
    };
    let id = made.map_err(|error| catalog_error(&error, name.span))?;
    let checked = ready::check(session, view, (id, &def), running);
    checked.map_err(|error| match (&def.when, when) {
        (Some(kept), Some(written)) => places::of_written(error, &session.relations.routines.sources, kept, written),
        _ => error,
    })
}

/// Whether the parts of a definition go together.
fn fits(view: &View, def: &TriggerDef, span: Span) -> Result<(), Error> {
    for id in &def.targets {
        let is_view = view.catalog().table(*id).is_none();
        let name = view.catalog().get(*id).map_or("", |entry| entry.entity.name());
        match (is_view, def.timing) {
            (true, Timing::Before | Timing::After) => {
                let message = format!("`{name}` is a view: a trigger of it stands instead of the statement");
                return Err(user("42809", span, message).with_help("write `timing: 'instead'`, or `INSTEAD OF`"));
            }
            (false, Timing::Instead) => {
                let message = format!("`{name}` is a table: a trigger of it fires before or after the statement");
                return Err(user("42809", span, message));
            }
            _ => {}
        }
    }
    if def.timing == Timing::Instead && !def.each_row {
        return Err(user("42601", span, "a trigger of a view is one for each row"));
    }
    let [old, new] = ready::names_of_rows(def);
    if old.eq_ignore_ascii_case(new) {
        let message = format!("the rows before and after the statement cannot both be called `{new}`");
        return Err(user("42710", span, message));
    }
    if (def.each_row || def.timing != Timing::After) && (def.old_rows.is_some() || def.new_rows.is_some()) {
        let message = "the rows of a statement have names in a trigger after statements only";
        return Err(user("42601", span, message).with_help("write `for: 'statement'`, or `FOR EACH STATEMENT`"));
    }
    if !def.of.is_empty()
        && !def
            .events
            .iter()
            .any(|event| matches!(event, Event::Update | Event::Upsert))
    {
        return Err(user("42601", span, "columns go with the event `update` only"));
    }
    Ok(())
}

/// An error for a WHEN that is about the row before the change, of a trigger that fires for rows that come only; or about that after it, where all go.
fn refuse_row_that_never_is(def: &TriggerDef, when: Option<&Expr>) -> Result<(), Error> {
    let (row, event) = match def.events.as_slice() {
        [Event::Insert] => ("OLD", "INSERT"),
        [Event::Delete] => ("NEW", "DELETE"),
        _ => return Ok(()),
    };
    let Some(place) = when.and_then(|when| mentions::row_in(when, row)) else {
        return Ok(());
    };
    let message = format!("WHEN of a trigger for {event} cannot be about `{row}`: there is no such row");
    let other = if row == "OLD" { "NEW" } else { "OLD" };
    Err(user("42P17", place, message).with_help(format!("`{other}` is the row that {event} is about")))
}

/// An error for a table whose triggers nobody would fire: a temporary one, or one of an attached database.
fn refuse_target(relations: &Relations, path: &[Ident]) -> Result<(), Error> {
    let parts: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
    let Some((Which::Other(at), _)) = relations.seek(&parts, None) else {
        return Ok(());
    };
    let Some(other) = relations.others.get(at) else {
        return Ok(());
    };
    let span = path.first().map_or_else(Span::default, |first| first.span);
    Err(match &*other.name == TEMP {
        true => unsupported("a trigger on a temporary table", span),
        false => unsupported(
            &format!("a trigger on a table of the attached database `{}`", other.name),
            span,
        ),
    })
}

fn target(view: &View, path: &[Ident]) -> Result<EntityId, Error> {
    let path = path.to_vec();
    let (schema, name) = schema_and_name(&path)?;
    let found = view.catalog().find(&[&schema, &name.text]);
    match found.map(|entry| (entry.id, &*entry.entity)) {
        Some((id, Entity::Table(_) | Entity::View(_))) => Ok(id),
        _ => {
            let relations = view.catalog().entries();
            let relations = relations.filter(|entry| matches!(&*entry.entity, Entity::Table(_) | Entity::View(_)));
            let error = user(
                "42P01",
                name.span,
                format!("table or view `{}` does not exist", name.text),
            );
            Err(with_near(error, &name.text, relations.map(|entry| entry.entity.name())))
        }
    }
}

/// A name of several parts as one.
fn whole(path: &[Ident], span: Span) -> Ident {
    let parts: Vec<&str> = path.iter().map(|part| part.text.as_str()).collect();
    let (first, last) = (path.first(), path.last());
    Ident {
        text: parts.join("."),
        quoted: true,
        span: first.zip(last).map_or(span, |(first, last)| first.span.to(last.span)),
    }
}

/// What has a procedure, and which one of a module's it is.
fn procedure(view: &View, name: &Ident) -> Result<(EntityId, Option<String>), Error> {
    let found = view.catalog().find(&[MAIN_SCHEMA, &name.text]);
    if let Some((id, Entity::Routine(_))) = found.map(|entry| (entry.id, &*entry.entity)) {
        return Ok((id, None));
    }
    if let Some((module, _)) = name.text.split_once('.')
        && let Some((entry, def)) = view.catalog().module(MAIN_SCHEMA, module)
        && let Some(member) = callable(def).find(|member| member.eq_ignore_ascii_case(&name.text))
    {
        return Ok((entry.id, Some(member.to_owned())));
    }
    let routines = view.catalog().entries().filter_map(|entry| match &*entry.entity {
        Entity::Routine(def) => Some(def),
        _ => None,
    });
    let names = routines.flat_map(|def| callable(def).chain(def.members.is_none().then_some(&*def.name)));
    let error = user("42883", name.span, format!("procedure `{}` does not exist", name.text));
    Err(with_near(error, &name.text, names))
}

/// The functions and procedures of a module.
fn callable(def: &RoutineDef) -> impl Iterator<Item = &str> {
    let members = def.members.iter().flatten();
    let own = members.filter(|member| matches!(&*member.kind, "procedure" | "function"));
    own.map(|member| &*member.name)
}

/// The names of columns, as the targets have them.
fn columns_of(view: &View, targets: &[EntityId], names: &[Ident]) -> Result<Vec<String>, Error> {
    let mut columns = Vec::with_capacity(names.len());
    for name in names {
        for target in targets {
            let target = ready::Target::of(view, *target);
            let fields = target.as_ref().map_or(&[][..], |target| &target.columns);
            if !fields.iter().any(|field| field.name.eq_ignore_ascii_case(&name.text)) {
                let of = target.as_ref().map_or("", |target| target.name.as_str());
                let error = user(
                    "42703",
                    name.span,
                    format!("column `{}` of `{of}` does not exist", name.text),
                );
                return Err(with_near(
                    error,
                    &name.text,
                    fields.iter().map(|field| field.name.as_str()),
                ));
            }
        }
        columns.push(name.text.clone());
    }
    Ok(columns)
}

/// What `upsert TRIGGER` says.
struct Written<'u> {
    trigger: &'u Ident,
    options: &'u [(Ident, Expr)],
    dialect: Dialect,
}

impl Written<'_> {
    fn definition(&self, view: &View, relations: &Relations) -> Result<TriggerDef, Error> {
        self.check_names()?;
        let targets = self.split("target")?;
        if targets.is_empty() {
            return Err(self.missing("target", "target: 'orders'"));
        }
        let targets = targets.iter().map(|word| {
            let parts = named::split(&word.text, '.').into_iter().map(|part| Ident {
                text: named::read(part),
                ..word.clone()
            });
            let path: Vec<Ident> = parts.collect();
            refuse_target(relations, &path)?;
            target(view, &path)
        });
        let targets: Vec<EntityId> = targets.collect::<Result<_, _>>()?;
        let timing = match self.word("timing")? {
            None => Timing::After,
            Some(word) => match word.text.to_ascii_lowercase().as_str() {
                "before" => Timing::Before,
                "after" => Timing::After,
                "instead" => Timing::Instead,
                _ => return Err(self.no_value(&word, "before, after, instead")),
            },
        };
        let each_row = match self.word("for")? {
            None => true,
            Some(word) => match word.text.to_ascii_lowercase().as_str() {
                "row" => true,
                "statement" => false,
                _ => return Err(self.no_value(&word, "row, statement")),
            },
        };
        let of = self.list("of")?;
        let (call, member) = self.callee(view)?;
        Ok(TriggerDef {
            name: self.trigger.text.clone(),
            of: columns_of(view, &targets, &of)?,
            targets,
            timing,
            events: self.events()?,
            each_row,
            when: self.find("when").map(|when| shape::source_of(when, self.dialect)),
            order: self.order()?,
            call,
            member,
            args: self.args()?,
            names: Vec::new(),
            writes: Vec::new(),
            old_rows: other_name(self.word("old_rows")?.as_ref(), OLD_ROWS),
            new_rows: other_name(self.word("new_rows")?.as_ref(), NEW_ROWS),
            disabled: self.disabled()?,
        })
    }

    fn check_names(&self) -> Result<(), Error> {
        for (at, (name, _)) in self.options.iter().enumerate() {
            if !OPTIONS.iter().any(|known| known.eq_ignore_ascii_case(&name.text)) {
                let error = user("42601", name.span, format!("a trigger has no option `{}`", name.text));
                let near = nearest(&name.text, OPTIONS.iter().copied());
                let list = format!("the options are {}", OPTIONS.join(", "));
                return Err(error.with_help(near.map_or(list, |near| format!("did you mean `{near}`?"))));
            }
            let earlier = self.options.iter().take(at);
            if earlier
                .into_iter()
                .any(|(other, _)| other.text.eq_ignore_ascii_case(&name.text))
            {
                return Err(user(
                    "42601",
                    name.span,
                    format!("the option `{}` is there twice", name.text),
                ));
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<&Expr> {
        let found = self
            .options
            .iter()
            .find(|(known, _)| known.text.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }

    /// A string or a word.
    fn word(&self, name: &str) -> Result<Option<Ident>, Error> {
        self.find(name).map(|value| self.text(name, value)).transpose()
    }

    fn text(&self, name: &str, value: &Expr) -> Result<Ident, Error> {
        match &value.kind {
            ExprKind::Literal(Literal::String(text)) => Ok(Ident {
                text: text.trim().to_owned(),
                quoted: true,
                span: value.span,
            }),
            ExprKind::Name(path) if path.len() == 1 => Ok(path[0].clone()),
            _ => Err(user("42601", value.span, format!("`{name}` takes a string"))),
        }
    }

    /// `'a|b'`.
    fn words(&self, name: &str) -> Result<Vec<Ident>, Error> {
        let Some(word) = self.word(name)? else {
            return Ok(Vec::new());
        };
        let words = word.text.split('|').map(|part| Ident {
            text: part.trim().to_owned(),
            ..word.clone()
        });
        Ok(words.collect())
    }

    /// The same, but for what stands in backticks.
    fn split(&self, name: &str) -> Result<Vec<Ident>, Error> {
        let Some(word) = self.word(name)? else {
            return Ok(Vec::new());
        };
        let words = named::split(&word.text, '|').into_iter().map(|part| Ident {
            text: part.to_owned(),
            ..word.clone()
        });
        Ok(words.collect())
    }

    /// `[a, b]`, `['a', 'b']`.
    fn list(&self, name: &str) -> Result<Vec<Ident>, Error> {
        match self.find(name).map(|value| (value, &value.kind)) {
            None => Ok(Vec::new()),
            Some((_, ExprKind::Array(items))) => items.iter().map(|item| self.text(name, item)).collect(),
            Some(_) => self.words(name),
        }
    }

    fn events(&self) -> Result<Vec<Event>, Error> {
        let words = self.words("event")?;
        if words.is_empty() {
            return Err(self.missing("event", "event: 'insert|update'"));
        }
        let mut events = Vec::with_capacity(words.len());
        for word in words {
            events.push(match word.text.to_ascii_lowercase().as_str() {
                "insert" => Event::Insert,
                "update" => Event::Update,
                "delete" => Event::Delete,
                "upsert" => Event::Upsert,
                _ => return Err(self.no_value(&word, "insert, update, delete, upsert")),
            });
        }
        events.sort_unstable();
        events.dedup();
        Ok(events)
    }

    fn order(&self) -> Result<i64, Error> {
        let Some(value) = self.find("order") else { return Ok(0) };
        let (value, sign) = match &value.kind {
            ExprKind::Neg(inner) => (&**inner, -1),
            _ => (value, 1),
        };
        let number = match &value.kind {
            ExprKind::Literal(Literal::Integer(digits)) => digits.parse::<i64>().ok(),
            _ => None,
        };
        let number = number.map(|number| sign * number);
        number.ok_or_else(|| user("42601", value.span, "`order` takes a whole number"))
    }

    fn disabled(&self) -> Result<bool, Error> {
        match self.find("enabled").map(|value| (value.span, &value.kind)) {
            None => Ok(false),
            Some((_, ExprKind::Literal(Literal::Boolean(enabled)))) => Ok(!enabled),
            Some((span, _)) => Err(user("42601", span, "`enabled` takes true or false")),
        }
    }

    /// `call: 'p'`, `exe: 'p'`, or a procedure of the trigger's own name.
    fn callee(&self, view: &View) -> Result<(EntityId, Option<String>), Error> {
        let exe = self.word("exe")?;
        let is_kind = |word: &Ident| ["procedure", "function"].contains(&word.text.to_ascii_lowercase().as_str());
        if let Some(exe) = exe
            .as_ref()
            .filter(|word| word.text.eq_ignore_ascii_case("pipeline") || word.text.contains('.'))
        {
            return Err(unsupported("a trigger that runs a pipeline", exe.span));
        }
        let named = self.word("call")?.or(exe.filter(|word| !is_kind(word)));
        procedure(view, named.as_ref().unwrap_or(self.trigger))
    }

    /// `args: {a: 1}`, `args: [1, 2]`.
    fn args(&self) -> Result<Vec<(String, Source)>, Error> {
        let source = |value: &Expr| shape::source_of(value, self.dialect);
        match self.find("args").map(|value| (value.span, &value.kind)) {
            None => Ok(Vec::new()),
            Some((_, ExprKind::Struct(fields))) => Ok(fields
                .iter()
                .map(|(name, value)| (name.text.clone(), source(value)))
                .collect()),
            Some((_, ExprKind::Array(items))) => Ok(items.iter().map(|item| (String::new(), source(item))).collect()),
            Some((span, _)) => Err(user("42601", span, "`args` takes `{name: value}` or `[value]`")),
        }
    }

    fn missing(&self, name: &str, example: &str) -> Error {
        let message = format!("the trigger `{}` needs `{name}`", self.trigger.text);
        user("42601", self.trigger.span, message).with_help(format!("write `{example}`"))
    }

    fn no_value(&self, word: &Ident, values: &str) -> Error {
        let error = user("42601", word.span, format!("`{}` is none of {values}", word.text));
        with_near(error, &word.text, values.split(", "))
    }
}

/// The error, and the nearest of what there is.
fn with_near<'n>(error: Error, name: &str, known: impl Iterator<Item = &'n str>) -> Error {
    match nearest(name, known) {
        Some(near) => error.with_help(format!("did you mean `{near}`?")),
        None => error,
    }
}

fn user(code: &'static str, span: Span, message: impl Into<String>) -> Error {
    Error::new(Diagnostic::new(code, span, message))
}
