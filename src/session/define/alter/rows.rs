//! Questions to the rows of a table that is altered.
//!
//! `SET NOT NULL` asks for a row in which the column is NULL; there is none, or the statement fails.
//!
//! Invariants: the answer is about what the transaction sees, under the definition as it is by now.
//!
//! Does not: keep rows.

use gobi_grammar::Dialect;
use gobi_grammar::ast::StatementKind;

use super::{Altering, user};
use crate::catalog::{ColumnNo, Entity, ForeignKeyDef, KeyDef, TableDef};
use crate::session::{Error, cells, statement};

impl Altering<'_> {
    /// The first row of a query, each value as text.
    pub(super) fn first_row(&mut self, query: &str, dialect: Dialect) -> Result<Option<Vec<Option<String>>>, Error> {
        let running = self.running;
        let parsed = gobi_grammar::parse(query, dialect);
        let statement = parsed.statements.into_iter().next().map(|statement| statement.kind);
        let Some(StatementKind::Query(query)) = statement else {
            return Err(user("XX000", running.span, format!("`{query}` is no query")));
        };
        let outer = self.session.relations.view.replace(self.view.clone());
        let stream = statement::query_stream(self.session, &query, dialect, running.phases, running.span);
        self.session.relations.view = outer;
        let stream = stream?;
        let fields = stream.fields().to_vec();
        for batch in stream {
            let batch = batch?;
            if batch.num_rows() > 0 {
                let columns = batch.columns().iter().zip(&fields);
                return Ok(Some(
                    columns
                        .map(|(column, field)| cells::text(column, 0, &field.ty))
                        .collect(),
                ));
            }
        }
        Ok(None)
    }

    /// The table's name in a query.
    pub(super) fn table_name(&self, def: &TableDef) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&def.name))
    }

    /// Whether the table has a row that satisfies a condition.
    pub(super) fn has_row(&mut self, def: &TableDef, condition: &str, dialect: Dialect) -> Result<bool, Error> {
        let query = format!("SELECT 1 FROM {} WHERE {condition} LIMIT 1", self.table_name(def));
        self.first_row(&query, dialect).map(|row| row.is_some())
    }

    /// Fails if two rows have the same key.
    pub(super) fn check_unique(&mut self, def: &TableDef, key: &KeyDef) -> Result<(), Error> {
        let names: Vec<String> = key
            .columns
            .iter()
            .filter_map(|no| def.by_no(*no))
            .map(|c| quoted(&c.name))
            .collect();
        let known: Vec<String> = names.iter().map(|name| format!("{name} IS NOT NULL")).collect();
        let (list, known) = (names.join(", "), known.join(" AND "));
        let query = format!(
            "SELECT {list} FROM {} WHERE {known} GROUP BY {list} HAVING count(*) > 1 LIMIT 1",
            self.table_name(def)
        );
        let Some(values) = self.first_row(&query, Dialect::Grizzly)? else {
            return Ok(());
        };
        let values: Vec<String> = values
            .into_iter()
            .map(|value| value.unwrap_or_else(|| "NULL".into()))
            .collect();
        let message = format!(
            "`{}` has several rows with ({}) = ({}), against `{}`",
            def.name,
            def.column_names(&key.columns),
            values.join(", "),
            key.name
        );
        Err(user("23505", self.running.span, message))
    }
}

impl Altering<'_> {
    /// Fails if a row has no partner.
    pub(super) fn check_reference(&mut self, def: &TableDef, key: &ForeignKeyDef) -> Result<(), Error> {
        let other = self.view.catalog().get(key.table).cloned();
        let Some((schema, other)) = other.and_then(|entry| match &*entry.entity {
            Entity::Table(other) => Some((entry.schema.to_string(), other.clone())),
            _ => None,
        }) else {
            return Ok(());
        };
        let name =
            |def: &TableDef, no: &ColumnNo| def.by_no(*no).map_or_else(String::new, |column| quoted(&column.name));
        let own: Vec<String> = key.columns.iter().map(|no| format!("c.{}", name(def, no))).collect();
        let known: Vec<String> = own.iter().map(|own| format!("{own} IS NOT NULL")).collect();
        let theirs = key.referenced.iter().map(|no| format!("p.{}", name(&other, no)));
        let same: Vec<String> = own
            .iter()
            .zip(theirs)
            .map(|(own, theirs)| format!("{own} = {theirs}"))
            .collect();
        let query = format!(
            "SELECT {} FROM {} AS c WHERE {} AND NOT EXISTS (SELECT 1 FROM {}.{} AS p WHERE {}) LIMIT 1",
            own.join(", "),
            self.table_name(def),
            known.join(" AND "),
            quoted(&schema),
            quoted(&other.name),
            same.join(" AND ")
        );
        let Some(values) = self.first_row(&query, Dialect::Grizzly)? else {
            return Ok(());
        };
        let values: Vec<String> = values
            .into_iter()
            .map(|value| value.unwrap_or_else(|| "NULL".into()))
            .collect();
        let message = format!(
            "`{}` has a row with ({}) = ({}), which `{}` has not, against `{}`",
            def.name,
            def.column_names(&key.columns),
            values.join(", "),
            other.name,
            key.name
        );
        Err(user("23503", self.running.span, message))
    }
}

/// A name in any dialect.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
