//! Types that have names: declared, shown, described and dropped.
//!
//! `type enum as Tier('basic', 'vip')` is kept in the database, where there is one, and else as long as the session; `SHOW TYPES` gives
//! `Tier | enum | 'basic', 'vip' | database`.
//!
//! Invariants: what a name stands for does not change while a table, view, function or type is made of it; the same declaration
//! again changes nothing.
//!
//! Does not: resolve names of types; the binder does, by what [`Relations::types`] gives it.

mod alter;
pub mod exceptions;

use std::collections::HashSet;
use std::sync::Arc;

use gobi_grammar::ast::{DefineType, Drop, DropBehavior, ExprKind, Ident, ObjectKind, Show, Span, TypeBody, TypeForm};
use gobi_grammar::similar::nearest;
use gobi_grammar::{Diagnostic, Dialect, ast};

pub use alter::{alter, alter_local};

use super::change::Running;
use super::relations::Relations;
use super::store::View;
use super::{Error, ResultStream, Session, StatementResult, define, listing, routines};
use crate::catalog::{Catalog, Entity, EntityId, MAIN_SCHEMA, TypeDef};
use crate::plan::{NamedTypes, bind_type, is_own_type};
use crate::procedure::Definitions as _;
use crate::types::labels::MOST_LABELS;
use crate::types::{EnumType, Field, LogicalType};

/// Declares a type of the session, which has no database.
pub fn declare(session: &mut Session, define: &DefineType, running: Running) -> Result<(), Error> {
    let name = name_of(&define.name)?;
    let ty = meaning(session, name, &define.body, running.dialect)?;
    let known = &mut session.relations.routines.known;
    if known.exceptions().any(|own| own.name.eq_ignore_ascii_case(&name.text)) {
        return Err(exceptions::taken("exception", name));
    }
    if let Some((_, known)) = known.local_type(&name.text)
        && replaces(define.form, *known == ty, name)? == Replaces::No
    {
        return Ok(());
    }
    known.keep_type(&name.text, ty);
    Ok(())
}

/// Declares a type of a database; that its own module needs it keeps nobody from changing it.
pub fn create(
    session: &mut Session,
    define: &DefineType,
    (view, module): (&mut View, Option<EntityId>),
    running: Running,
) -> Result<(), Error> {
    let name = name_of(&define.name)?;
    let ty = meaning(session, name, &define.body, running.dialect)?;
    let found = view.catalog().named_type(MAIN_SCHEMA, &name.text);
    if found.is_some_and(|(_, def)| def.says.is_some()) {
        return Err(exceptions::taken("exception", name));
    }
    let found = found.map(|(id, def)| (id, def.ty == ty));
    let def = Entity::Type(TypeDef {
        name: name.text.clone(),
        ty,
        says: None,
    });
    let catalog = &mut view.changes.catalog;
    let made = match found {
        None => catalog.create(MAIN_SCHEMA, def).map(|_| ()),
        Some((id, same)) => {
            if replaces(define.form, same, name)? == Replaces::No {
                return Ok(());
            }
            let mut dependants = catalog.dependants(id);
            dependants.retain(|user| Some(*user) != module);
            if !dependants.is_empty() {
                return Err(needed(catalog, &name.text, &dependants, name.span));
            }
            catalog.replace(id, def)
        }
    };
    made.map_err(|error| define::catalog_error(&error, name.span))
}

/// The value that stands behind a declaration, if there is one.
pub fn shown(session: &mut Session, define: &DefineType, running: Running) -> Result<StatementResult, Error> {
    let [name] = define.name.as_slice() else {
        return Ok(StatementResult::Done);
    };
    if define.instance.is_empty() {
        return Ok(StatementResult::Done);
    }
    let kind = ExprKind::Instance {
        name: name.clone(),
        fields: define.instance.clone(),
    };
    let span = running.span;
    let kind = ast::StatementKind::Eval(Box::new(ast::Expr { kind, span }));
    session.refresh_view(span)?;
    routines::run(session, &ast::Statement { kind, span }, running)
}

#[derive(PartialEq)]
enum Replaces {
    Yes,
    No,
}

/// Whether a type takes the place of one of that name.
fn replaces(form: TypeForm, same: bool, name: &Ident) -> Result<Replaces, Error> {
    match form {
        TypeForm::Declare | TypeForm::Create { or_replace: true, .. } if !same => Ok(Replaces::Yes),
        TypeForm::Declare | TypeForm::Create { or_replace: true, .. } => Ok(Replaces::No),
        TypeForm::Create {
            if_not_exists: true, ..
        } => Ok(Replaces::No),
        TypeForm::Create { .. } => {
            let message = format!("the type `{}` exists already", name.text);
            Err(Error::new(Diagnostic::new("42710", name.span, message)))
        }
    }
}

fn needed(catalog: &Catalog, name: &str, by: &[EntityId], span: Span) -> Error {
    let message = format!("`{name}` is needed by {}", catalog.described(by));
    Error::new(Diagnostic::new("2BP01", span, message).with_help("drop what needs it first"))
}

fn name_of(path: &[Ident]) -> Result<&Ident, Error> {
    let [name] = path else {
        let span = path.first().map_or_else(Span::default, |first| first.span);
        return Err(define::unsupported("a type in a schema", span));
    };
    if is_own_type(&name.text) {
        let message = format!("`{}` is a type of the language's own", name.text);
        return Err(Error::new(Diagnostic::new("42939", name.span, message)));
    }
    Ok(name)
}

/// The type that a declaration makes.
fn meaning(session: &mut Session, name: &Ident, body: &TypeBody, dialect: Dialect) -> Result<LogicalType, Error> {
    let types = session.relations.types();
    match body {
        TypeBody::Enum(labels) => enum_type(name, labels),
        TypeBody::Alias(ty) => bind_type(ty, dialect, &types).map_err(Error::all),
        TypeBody::Struct(fields) => {
            let mut known: Vec<Field> = Vec::with_capacity(fields.len());
            for (field, ty) in fields {
                if known.iter().any(|other| other.name.eq_ignore_ascii_case(&field.text)) {
                    let message = format!("field `{}` is there twice", field.text);
                    return Err(Error::new(Diagnostic::new("42701", field.span, message)));
                }
                known.push(Field {
                    name: field.text.clone(),
                    ty: bind_type(ty, dialect, &types).map_err(Error::all)?,
                    nullable: true,
                });
            }
            Ok(LogicalType::Struct(known))
        }
    }
}

fn enum_type(name: &Ident, labels: &[(String, Span)]) -> Result<LogicalType, Error> {
    let mut seen = HashSet::new();
    for (label, span) in labels {
        if !seen.insert(label.as_str()) {
            let message = format!("label `{label}` is there twice");
            return Err(Error::new(Diagnostic::new("42710", *span, message)));
        }
    }
    if labels.len() > MOST_LABELS {
        let message = format!("an enum has at most {MOST_LABELS} labels");
        return Err(Error::new(Diagnostic::new("54000", name.span, message)));
    }
    let labels = labels.iter().map(|(label, _)| label.clone()).collect();
    Ok(LogicalType::Enum(Arc::new(EnumType::new(name.text.clone(), labels))))
}

impl Relations {
    /// Types that have names: of the session, and of the database as the transaction sees it.
    pub fn types(&self) -> NamedTypes {
        self.routines.types(self.view.as_ref())
    }
}

/// Types that a text names, by its words: a column that is called like a type counts as if it named it.
pub fn named_in(catalog: &Catalog, words: &HashSet<String>) -> Vec<EntityId> {
    let named = catalog
        .types()
        .filter(|(_, def)| words.contains(&def.name.to_lowercase()));
    let mut named: Vec<EntityId> = named.map(|(id, _)| id).collect();
    named.extend(exceptions::named_in(catalog, words));
    named
}

/// DROP TYPE in a database.
pub fn drop(session: &mut Session, drop: &Drop, view: &mut View) -> Result<(), Error> {
    let mut going = Vec::new();
    for path in &drop.names {
        let name = name_of(path)?;
        let Some((id, _)) = view.catalog().named_type(MAIN_SCHEMA, &name.text) else {
            if drop.if_exists {
                continue;
            }
            let types = view.catalog().types().map(|(_, def)| def.name.as_str());
            let names: Vec<&str> = types
                .chain(view.catalog().exceptions().map(|(_, name, _)| name))
                .collect();
            return Err(missing(name, names));
        };
        let catalog = &mut view.changes.catalog;
        // Rows are never dropped with a type.
        let tables = catalog
            .dependants(id)
            .into_iter()
            .filter(|id| catalog.table(*id).is_some());
        let tables: Vec<EntityId> = tables.collect();
        if !tables.is_empty() {
            return Err(needed(catalog, &name.text, &tables, name.span));
        }
        going.push((id, name));
    }
    define::drop::all(session, view, &going, drop.behavior == Some(DropBehavior::Cascade))
}

/// DROP TYPE of types of a session without a database; `None` if it is about something else.
pub fn drop_local(session: &mut Session, drop: &Drop) -> Option<Result<(), Error>> {
    if drop.kind != ObjectKind::Type || session.store.is_some() {
        return None;
    }
    for name in drop.names.iter().flatten() {
        let known = &mut session.relations.routines.known;
        if !known.forget_type(&name.text) && !known.forget_exception(&name.text) && !drop.if_exists {
            let types = session.relations.types();
            return Some(Err(missing(name, types.declared().map(|(name, _)| name))));
        }
    }
    Some(Ok(()))
}

fn missing<'n>(name: &Ident, names: impl IntoIterator<Item = &'n str>) -> Error {
    let mut error = Diagnostic::new("42704", name.span, format!("type `{}` does not exist", name.text));
    error.help = nearest(&name.text, names).map(|near| format!("did you mean `{near}`?"));
    Error::new(error)
}

/// `SHOW TYPES | ENUMS | STRUCTS | EXCEPTIONS [LIKE 'pattern']`.
pub fn list(session: &mut Session, show: &Show, span: Span) -> Result<ResultStream, Error> {
    if let Some(first) = show.of.first() {
        return Err(define::unsupported("SHOW TYPES IN a schema", first.span));
    }
    let like = listing::like_of(show)?;
    session.relations.refresh_routines();
    let only = show.what.text.to_lowercase();
    let kept = if session.store.is_some() { "database" } else { "session" };
    let types = session.relations.types();
    let shown = types.declared().filter(|(name, ty)| {
        let wanted = matches!(
            (only.as_str(), kind(ty)),
            ("types", _) | ("enums", "enum") | ("structs", "struct")
        );
        wanted && like.as_ref().is_none_or(|like| like.matches(name.as_bytes()))
    });
    let row = |(name, ty): (&str, &LogicalType)| {
        let cells = [name, kind(ty), &definition(ty), kept];
        cells.map(str::to_owned).to_vec()
    };
    let mut rows: Vec<Vec<String>> = shown.map(row).collect();
    let declared = session.relations.routines.known.exceptions().filter(|exception| {
        matches!(only.as_str(), "types" | "exceptions")
            && like.as_ref().is_none_or(|like| like.matches(exception.name.as_bytes()))
    });
    rows.extend(declared.map(|exception| {
        let cells = [exception.name.as_str(), "exception", &literal(&exception.says), kept];
        cells.map(str::to_owned).to_vec()
    }));
    rows.sort();
    Ok(ResultStream::strings(
        &["name", "kind", "definition", "kept in"],
        &rows,
        span,
    ))
}

/// `DESCRIBE TYPE t`: a row for each label or field.
pub fn describe(session: &mut Session, name: &Ident, span: Span) -> Result<ResultStream, Error> {
    session.relations.refresh_routines();
    let types = session.relations.types();
    if let Some(exception) = session.relations.routines.known.exception(name) {
        let rows = [vec![exception.name, exception.says]];
        return Ok(ResultStream::strings(&["name", "message"], &rows, span));
    }
    let Some(ty) = types.find(&name.text) else {
        let exceptions = session.relations.routines.known.exceptions();
        let names = types.declared().map(|(name, _)| name);
        return Err(missing(name, names.chain(exceptions.map(|known| known.name.as_str()))));
    };
    let rows: Vec<Vec<String>> = match ty {
        LogicalType::Enum(labels) => labels
            .labels
            .iter()
            .map(|label| vec![label.clone(), "label".into()])
            .collect(),
        LogicalType::Struct(fields) => {
            let row = |field: &Field| vec![field.name.clone(), field.ty.to_string()];
            fields.iter().map(row).collect()
        }
        other => vec![vec![String::new(), other.to_string()]],
    };
    Ok(ResultStream::strings(&["name", "type"], &rows, span))
}

fn kind(ty: &LogicalType) -> &'static str {
    match ty {
        LogicalType::Enum(_) => "enum",
        LogicalType::Struct(_) => "struct",
        _ => "alias",
    }
}

fn definition(ty: &LogicalType) -> String {
    match ty {
        LogicalType::Enum(labels) => {
            let quoted = labels.labels.iter().map(|label| literal(label));
            quoted.collect::<Vec<_>>().join(", ")
        }
        LogicalType::Struct(fields) => define::text::fields_text(fields),
        other => define::text::type_text(other),
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The statements that declare a catalog's exceptions and types, of these those first that others are made of.
pub fn statements(catalog: &Catalog) -> Vec<String> {
    let mut left: Vec<&TypeDef> = catalog.types().map(|(_, def)| def).collect();
    let exception = |(_, name, says): (EntityId, &str, &str)| {
        format!("TYPE EXCEPTION AS {}({});", define::text::quoted(name), literal(says))
    };
    let mut out: Vec<String> = catalog.exceptions().map(exception).collect();
    while !left.is_empty() {
        let is_free = |def: &TypeDef| {
            let others = left.iter().filter(|other| other.name != def.name);
            !others
                .map(|other| &other.ty)
                .any(|ty| def.ty != *ty && def.ty.has_type(ty))
        };
        let at = left.iter().position(|def| is_free(def)).unwrap_or(0);
        let def = left.remove(at);
        let name = define::text::quoted(&def.name);
        out.push(match kind(&def.ty) {
            "enum" => format!("CREATE TYPE {name} AS ENUM ({});", definition(&def.ty)),
            "struct" => format!("CREATE TYPE {name} AS STRUCT({});", definition(&def.ty)),
            _ => format!("CREATE TYPE {name} AS {};", definition(&def.ty)),
        });
    }
    out
}

/// Types that a script declares are types for the functions that stand before them.
pub fn announce(session: &mut Session, define: &DefineType) {
    if let [name] = define.name.as_slice() {
        routines::announce_type(session, &name.text);
    }
}
