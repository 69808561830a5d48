//! SHOW TABLES, VIEWS, SCHEMAS and INDEXES, and DESCRIBE of a table: the catalog as rows.
//!
//! `SHOW TABLES LIKE 'o%'` gives `main | orders | table | 3 | 214`: schema, name, kind, rows and bytes.
//!
//! Invariants: what is shown is what the transaction sees; rows come in the order of their names.
//!
//! Does not: read rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringViewArray};
use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Ident, Show, Span};
use gobi_grammar::similar::nearest;

use super::databases::{TEMP, Which};
use super::store::{View, store_error};
use super::{Error, ResultStream, Session};
use crate::catalog::{Catalog, Entity, EntityId, Entry, KeyDef, MAIN_SCHEMA, TableDef};
use crate::functions::like::LikePattern;
use crate::types::arrow::arrow_schema;
use crate::types::{Field, LogicalType};

/// A value of a list.
pub enum Cell {
    /// A text.
    Text(String),
    /// A text, or NULL.
    Maybe(Option<String>),
    /// A number, or NULL.
    Count(Option<u64>),
}

/// What the names of `SHOW what` list; `None` for anything else.
pub fn show(session: &Session, what: &str, show: &Show, span: Span) -> Result<Option<ResultStream>, Error> {
    let list = match what {
        "tables" => tables,
        "views" => views,
        "schemas" | "schema" => schemas,
        "indexes" => indexes,
        _ => return Ok(None),
    };
    // `IN old`, `IN old.main`: within another database.
    let parts: Vec<&str> = show.of.iter().map(|part| part.text.as_str()).collect();
    let found = session.relations.database_in(&parts);
    let within = show.of.get(usize::from(found.is_some())..).unwrap_or_default();
    let which = found.unwrap_or(Which::Own);
    let Some(view) = session.relations.view_of(which) else {
        return Ok(None);
    };
    let names = Names::new(view.catalog(), show, within)?;
    let (columns, mut rows) = list(view, &names, span)?;
    let temporary = session.relations.named_database(TEMP);
    if let Some(temp) = temporary.and_then(|temp| session.relations.view_of(temp))
        && show.of.is_empty()
        && matches!(what, "tables" | "views" | "indexes")
    {
        let (_, own) = list(temp, &Names::new(temp.catalog(), show, &[])?, span)?;
        rows.extend(own.into_iter().map(|(key, mut row)| {
            if let Some(schema) = row.first_mut() {
                *schema = text(TEMP);
            }
            ((TEMP.to_string(), key.1), row)
        }));
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    Ok(Some(stream(columns, rows, span)))
}

/// The pattern of `LIKE 'pattern'`.
pub fn like_of(show: &Show) -> Result<Option<LikePattern>, Error> {
    let like = show.like.as_ref().map(|pattern| LikePattern::new(pattern, None, true));
    like.transpose()
        .map_err(|error| Error::new(Diagnostic::new("22025", show.what.span, error.to_string())))
}

/// `IN schema` or `IN table`, and `LIKE 'pattern'`.
struct Names {
    schema: Option<String>,
    table: Option<EntityId>,
    like: Option<LikePattern>,
}

impl Names {
    fn new(catalog: &Catalog, show: &Show, within: &[Ident]) -> Result<Self, Error> {
        let mut names = Self {
            schema: None,
            table: None,
            like: like_of(show)?,
        };
        names.within(catalog, within)?;
        Ok(names)
    }

    fn within(&mut self, catalog: &Catalog, of: &[Ident]) -> Result<(), Error> {
        let parts: Vec<&str> = of.iter().map(|part| part.text.as_str()).collect();
        let Some(last) = of.last() else {
            return Ok(());
        };
        match parts.as_slice() {
            [schema] if catalog.has_schema(schema) => self.schema = Some(schema.to_lowercase()),
            parts => match catalog.find(parts) {
                Some(entry) => self.table = Some(entry.id),
                None => {
                    let schemas = catalog.entries().filter(|entry| entry.schema.is_empty());
                    let names = schemas.map(|entry| entry.entity.name()).chain([MAIN_SCHEMA]);
                    let mut error = Diagnostic::new("3F000", last.span, format!("there is no schema `{}`", last.text));
                    error.help = nearest(&last.text, names).map(|near| format!("did you mean `{near}`?"));
                    return Err(Error::new(error));
                }
            },
        }
        Ok(())
    }

    fn has(&self, schema: &str, name: &str) -> bool {
        self.schema.as_ref().is_none_or(|wanted| wanted == schema)
            && self.like.as_ref().is_none_or(|like| like.matches(name.as_bytes()))
    }

    fn has_entry(&self, entry: &Entry) -> bool {
        self.table.is_none_or(|id| id == entry.id) && self.has(&entry.schema, entry.entity.name())
    }
}

type Sorted = Vec<((String, String), Vec<Cell>)>;
type List = (&'static [(&'static str, bool)], Sorted);

fn text(text: &str) -> Cell {
    Cell::Text(text.to_string())
}

fn tables(view: &View, names: &Names, span: Span) -> Result<List, Error> {
    let mut rows = Sorted::new();
    for entry in view.catalog().entries().filter(|entry| names.has_entry(entry)) {
        let (count, bytes) = match &*entry.entity {
            Entity::Table(def) => sizes(view, entry.id, def, span)?,
            Entity::View(_) => (None, None),
            _ => continue,
        };
        let (schema, name) = (&*entry.schema, entry.entity.name());
        let row = vec![
            text(schema),
            text(name),
            text(entry.entity.kind()),
            Cell::Count(count),
            Cell::Count(bytes),
        ];
        rows.push(((schema.to_string(), name.to_lowercase()), row));
    }
    let columns = &[
        ("schema", false),
        ("name", false),
        ("kind", false),
        ("rows", true),
        ("bytes", true),
    ];
    Ok((columns, rows))
}

/// Rows and bytes of a table, as the transaction sees it.
fn sizes(view: &View, id: EntityId, def: &TableDef, span: Span) -> Result<(Option<u64>, Option<u64>), Error> {
    let failed = |error| store_error(&error, span);
    let table = view.table(id, def).map_err(failed)?;
    let staged = view.changes.tables.get(&id);
    let rows = table.live_rows(staged).map_err(failed)?;
    let bytes = table.bytes(staged).map_err(failed)?;
    Ok((Some(rows), Some(bytes)))
}

fn views(view: &View, names: &Names, _: Span) -> Result<List, Error> {
    let mut rows = Sorted::new();
    for entry in view.catalog().entries().filter(|entry| names.has_entry(entry)) {
        if let Entity::View(def) = &*entry.entity {
            let columns: Vec<&str> = def.columns.iter().map(|field| field.name.as_str()).collect();
            let row = vec![
                text(&entry.schema),
                text(&def.name),
                text(&columns.join(", ")),
                text(&def.query.text),
            ];
            rows.push(((entry.schema.to_string(), def.name.to_lowercase()), row));
        }
    }
    let columns = &[("schema", false), ("name", false), ("columns", false), ("query", false)];
    Ok((columns, rows))
}

fn schemas(view: &View, names: &Names, _: Span) -> Result<List, Error> {
    let own = view.catalog().entries().filter(|entry| entry.schema.is_empty());
    let all = own.map(|entry| entry.entity.name()).chain([MAIN_SCHEMA]);
    let inside = |schema: &str, kind: &str| {
        let schema = schema.to_lowercase();
        let entries = view.catalog().entries();
        let inside = entries.filter(|entry| *entry.schema == *schema && entry.entity.kind() == kind);
        Cell::Count(Some(inside.count() as u64))
    };
    let rows = all.filter(|name| names.has(&name.to_lowercase(), name)).map(|name| {
        let row = vec![text(name), inside(name, "table"), inside(name, "view")];
        ((name.to_lowercase(), String::new()), row)
    });
    Ok((&[("name", false), ("tables", true), ("views", true)], rows.collect()))
}

fn indexes(view: &View, names: &Names, _: Span) -> Result<List, Error> {
    let mut rows = Sorted::new();
    let mut add = |entry: &Entry, def: &TableDef, key: &KeyDef, kind: &str| {
        let of_table = names.table.is_none_or(|id| id == entry.id);
        if of_table && names.has(&entry.schema, &key.name) {
            let row = vec![
                text(&entry.schema),
                text(&def.name),
                text(&key.name),
                text(&def.column_names(&key.columns)),
                text(kind),
            ];
            rows.push((
                (
                    format!("{}.{}", entry.schema, def.name.to_lowercase()),
                    key.name.to_lowercase(),
                ),
                row,
            ));
        }
    };
    for entry in view.catalog().entries() {
        match &*entry.entity {
            Entity::Table(def) => {
                def.primary_key
                    .iter()
                    .for_each(|key| add(entry, def, key, "primary key"));
                def.unique
                    .iter()
                    .for_each(|key| add(entry, def, key, "unique constraint"));
            }
            Entity::Index(index) => {
                let kind = if index.unique { "unique index" } else { "index" };
                let table = view.catalog().get(index.table);
                if let Some((entry, Entity::Table(def))) = table.map(|entry| (entry, &*entry.entity)) {
                    let key = KeyDef {
                        name: index.name.clone(),
                        columns: index.columns.clone(),
                    };
                    add(entry, def, &key, kind);
                }
            }
            _ => {}
        }
    }
    let columns = &[
        ("schema", false),
        ("table", false),
        ("name", false),
        ("columns", false),
        ("kind", false),
    ];
    Ok((columns, rows))
}

/// DESCRIBE of a table: its columns with their keys and defaults.
pub fn describe(def: &TableDef, span: Span) -> ResultStream {
    let key = |column: &crate::catalog::ColumnDef| {
        let is_in = |key: &&KeyDef| key.columns.contains(&column.no);
        match (&def.primary_key, def.unique.iter().find(is_in)) {
            (Some(primary), _) if is_in(&primary) => Some("primary".to_string()),
            (_, Some(_)) => Some("unique".to_string()),
            _ => None,
        }
    };
    let row = |column: &crate::catalog::ColumnDef| {
        let computed = column
            .generated
            .as_ref()
            .map(|source| format!("generated as ({})", source.text));
        vec![
            text(&column.name),
            Cell::Text(column.ty.to_string()),
            text(if column.not_null { "no" } else { "yes" }),
            Cell::Maybe(key(column)),
            Cell::Maybe(computed.or_else(|| column.default.as_ref().map(|source| source.text.clone()))),
        ]
    };
    let columns = &[
        ("column", false),
        ("type", false),
        ("null", false),
        ("key", false),
        ("default", false),
    ];
    stream(columns, def.columns.iter().map(row).collect(), span)
}

/// A list as rows; its columns are numbers, or texts.
pub fn stream(columns: &[(&str, bool)], rows: Vec<Vec<Cell>>, span: Span) -> ResultStream {
    let field = |(name, is_count): &(&str, bool)| Field {
        name: (*name).to_string(),
        ty: if *is_count {
            LogicalType::BigInt
        } else {
            LogicalType::String
        },
        nullable: true,
    };
    let fields: Vec<Field> = columns.iter().map(field).collect();
    let array = |at: usize, is_count: bool| -> ArrayRef {
        let cells = rows.iter().map(|row| row.get(at));
        if is_count {
            let counts = cells.map(|cell| match cell {
                Some(Cell::Count(Some(count))) => i64::try_from(*count).ok(),
                _ => None,
            });
            return Arc::new(counts.collect::<Int64Array>());
        }
        let texts = cells.map(|cell| match cell {
            Some(Cell::Text(text)) => Some(text.as_str()),
            Some(Cell::Maybe(text)) => text.as_deref(),
            _ => None,
        });
        Arc::new(texts.collect::<StringViewArray>())
    };
    let arrays = columns
        .iter()
        .enumerate()
        .map(|(at, (_, is_count))| array(at, *is_count));
    let batch =
        RecordBatch::try_new(arrow_schema(&fields), arrays.collect()).expect("columns are built from the schema");
    ResultStream::ready(fields, batch, span)
}
