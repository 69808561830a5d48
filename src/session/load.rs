//! `COPY t FROM 'file'`: the rows of a file into a table, all of them or none.
//!
//! `COPY orders FROM 'orders-*.csv' (DELIMITER '|')` is `INSERT INTO orders SELECT … FROM 'orders-*.csv'`, where the columns of the
//! file have the types of the table's, so that a code `007` keeps its zeros.
//!
//! Invariants: where all columns of the file have names of the table's columns, they go by them; otherwise by their order, and
//! there must be as many. Rows pass defaults, checks and keys as those of any INSERT do.
//!
//! Does not: hold the rows; they stream.

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{
    CopyFrom, Expr, Ident, Insert, InsertSource, SelectItem, Span, StatementKind, TableRef, TableRefKind, Target, With,
};

use super::change::{self, Running};
use super::define::select;
use super::store::View;
use super::{Error, Session, StatementResult, script};
use crate::catalog::TableDef;
use crate::formats::{self, Format, OpenOptions};
use crate::types::{Field, LogicalType};

/// COPY FROM.
pub fn run(
    session: &mut Session,
    copy: &CopyFrom,
    view: &mut View,
    running: Running,
) -> Result<StatementResult, Error> {
    let (_, def) = change::target(view, &copy.table)?;
    let mut options = OpenOptions::default();
    for (name, value) in &copy.options {
        set_option(&mut options, name, value)?;
    }
    // What goes into JSON may be of any shape, so that this is to be known first.
    let json = |ty: &LogicalType| ty.has_type(&LogicalType::Json);
    let of_json = def.columns.iter().filter(|column| json(&column.ty));
    options.json_types = of_json.map(|column| (column.name.clone(), column.ty.clone())).collect();
    let open = |options: &OpenOptions| {
        let opened = formats::open(&copy.source, options);
        opened.map_err(|error| Error::from_format(&error, copy.source_span))
    };
    let fields = open(&options)?.schema().to_vec();
    let targets = targets(&def, copy, &fields)?;
    let typed = fields.iter().zip(&targets);
    let typed = typed.filter_map(|(field, name)| Some((field.name.clone(), def.column(&name.text)?.ty.clone())));
    for (name, ty) in typed {
        if ty.is_nested() || matches!(ty, LogicalType::Uuid | LogicalType::Json) {
            options.json_types.push((name.clone(), ty.clone()));
        }
        if !ty.is_nested() {
            options.csv.types.push((name, ty));
        }
    }
    session.relations.set_options(&copy.source, options);
    let insert = Insert {
        with: With::default(),
        target: Target {
            table: copy.table.clone(),
            alias: None,
            span: copy.source_span,
        },
        columns: targets,
        source: InsertSource::Query(Box::new(select(vec![all(copy.source_span)], vec![file(copy)], None))),
        on_conflict: None,
        returning: Vec::new(),
    };
    let done = change::run(session, &StatementKind::Insert(Box::new(insert)), view, running);
    session.relations.forget_options(&copy.source);
    done.map(change::Done::result)
}

fn all(span: Span) -> SelectItem {
    SelectItem::Star {
        qualifier: None,
        exclude: Vec::new(),
        span,
    }
}

fn file(copy: &CopyFrom) -> TableRef {
    TableRef {
        kind: TableRefKind::File(copy.source.clone()),
        time: None,
        alias: None,
        columns: Vec::new(),
        span: copy.source_span,
    }
}

/// The column of the table for each column of the file.
fn targets(def: &TableDef, copy: &CopyFrom, fields: &[Field]) -> Result<Vec<Ident>, Error> {
    let span = copy.source_span;
    let ident = |text: &str| Ident {
        text: text.to_string(),
        quoted: true,
        span,
    };
    if copy.columns.is_empty() && fields.iter().all(|field| def.column(&field.name).is_some()) {
        return Ok(fields.iter().map(|field| ident(&field.name)).collect());
    }
    let targets: Vec<Ident> = match copy.columns.as_slice() {
        [] => {
            let given = def.columns.iter().filter(|column| column.generated.is_none());
            given.map(|column| ident(&column.name)).collect()
        }
        columns => columns.to_vec(),
    };
    if targets.len() != fields.len() {
        let (found, wanted) = (fields.len(), targets.len());
        let message = format!("`{}` has {found} columns where {wanted} are wanted", copy.source);
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let help = format!("its columns are {}", names.join(", "));
        return Err(Error::new(Diagnostic::new("42601", span, message).with_help(help)));
    }
    Ok(targets)
}

fn set_option(options: &mut OpenOptions, name: &Ident, value: &Expr) -> Result<(), Error> {
    let invalid = |message: String| Error::new(Diagnostic::new("22023", value.span, message));
    let text = script::value_text(value)
        .ok_or_else(|| invalid(format!("the option `{}` takes a word, a string or a number", name.text)))?;
    let bad = || invalid(format!("`{text}` is no value for the option `{}`", name.text));
    let byte = |text: &str| match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        b"\\t" => Some(b'\t'),
        _ => None,
    };
    match name.text.to_ascii_lowercase().as_str() {
        "format" => options.format = Some(Format::from_name(&text).ok_or_else(bad)?),
        "header" => options.csv.header = Some(text.to_ascii_lowercase().parse().map_err(|_| bad())?),
        "delimiter" | "delim" | "sep" => options.csv.delimiter = Some(byte(&text).ok_or_else(bad)?),
        "quote" => options.csv.quote = Some(byte(&text).ok_or_else(bad)?),
        _ => {
            let names = ["format", "header", "delimiter", "quote"];
            let mut error = Diagnostic::new("22023", name.span, format!("COPY FROM has no option `{}`", name.text));
            let near = gobi_grammar::similar::nearest(&name.text, names);
            error.help = Some(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the options are {}", names.join(", ")),
            });
            return Err(Error::new(error));
        }
    }
    Ok(())
}
