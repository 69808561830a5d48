//! The relations, functions and types that a body sees: those of its surroundings, and the instances.
//!
//! Invariants: without surroundings there are no relations.
//!
//! Does not: check anything itself.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Call, DefineMacro};

use super::Instances;
use crate::plan::change::Shape;
use crate::plan::logical::TableId;
use crate::plan::routine::Program;
use crate::plan::{
    Callee, LambdaCall, Moment, Named, NamedTypes, QueryFunction, ResolveError, RoutineCall, TableInfo, TableResolver,
};
use crate::types::{Field, LogicalType, Value};

/// A resolver that finds functions, and what another one finds.
pub(in crate::procedure) struct WithInstances<'i> {
    /// Where relations are found, if anywhere.
    pub(in crate::procedure) tables: Option<&'i mut dyn TableResolver>,
    /// Where functions are.
    pub(in crate::procedure) instances: &'i mut Instances,
}

impl TableResolver for WithInstances<'_> {
    fn now_micros(&self) -> i64 {
        self.tables.as_ref().map_or(0, |tables| tables.now_micros())
    }

    fn why_unknown(&self) -> Option<String> {
        self.tables.as_ref()?.why_unknown()
    }

    fn by_name(&mut self, parts: &[&str], moment: Option<&Moment>) -> Result<Option<Named>, ResolveError> {
        if let Some(made) = self.instances.made.find(parts).filter(|_| moment.is_none()) {
            return Ok(Some(made));
        }
        match &mut self.tables {
            Some(tables) => tables.by_name(parts, moment),
            None => Ok(None),
        }
    }

    fn written(&mut self, parts: &[&str]) -> Result<Option<Named>, ResolveError> {
        if let Some(made) = self.instances.made.find(parts) {
            return Ok(Some(made));
        }
        match &mut self.tables {
            Some(tables) => tables.written(parts),
            None => Ok(None),
        }
    }

    fn shape(&mut self, parts: &[&str]) -> Option<Shape> {
        self.tables.as_mut()?.shape(parts)
    }

    fn enter_kept(&mut self) {
        self.tables.iter_mut().for_each(|tables| tables.enter_kept());
    }

    fn leave_kept(&mut self) {
        self.tables.iter_mut().for_each(|tables| tables.leave_kept());
    }

    fn by_file(&mut self, path: &str) -> Result<TableId, ResolveError> {
        match &mut self.tables {
            Some(tables) => tables.by_file(path),
            None => Err(ResolveError {
                code: "0A000",
                message: "a query in a function that a query calls is not supported yet".into(),
            }),
        }
    }

    fn info(&self, table: TableId) -> &TableInfo {
        if let Some(made) = self.instances.made.info(table) {
            return made;
        }
        let tables = self.tables.as_ref().expect("a table was found by it");
        tables.info(table)
    }

    fn types(&self) -> NamedTypes {
        self.instances.types.clone()
    }

    fn module(&mut self, name: &str) -> Option<Vec<String>> {
        self.instances.definitions.members(name)
    }

    fn macro_named(&mut self, name: &str) -> Option<Arc<DefineMacro>> {
        self.instances.definitions.macro_named(name)
    }

    fn names(&self) -> Vec<String> {
        self.tables.as_ref().map(|tables| tables.names()).unwrap_or_default()
    }

    fn variable(&self, name: &str) -> Option<(LogicalType, Value)> {
        self.tables.as_ref()?.variable(name)
    }

    fn has_routine(&self, name: &str) -> bool {
        self.instances.has(name)
    }

    fn gives_function(&mut self, call: &Call) -> bool {
        self.instances.gives_function(call)
    }

    fn routine(&mut self, call: &RoutineCall<'_>) -> Option<Result<Callee, Diagnostic>> {
        // The lifetime of the trait object is shortened here, which no closure does.
        #[allow(clippy::manual_map)]
        let tables = match &mut self.tables {
            Some(tables) => Some(&mut **tables as &mut dyn TableResolver),
            None => None,
        };
        self.instances.call(call, tables)
    }

    fn query_function(&mut self, call: &RoutineCall<'_>) -> Option<Result<QueryFunction, Diagnostic>> {
        self.instances.query_function(call)
    }

    fn calls_for_rows(&self) -> bool {
        self.tables.as_ref().is_some_and(|tables| tables.calls_for_rows())
    }

    fn called_function(&mut self, call: &RoutineCall<'_>) -> Result<Callee, Diagnostic> {
        match &mut self.tables {
            Some(tables) => self.instances.called_function(call, &mut **tables),
            None => {
                let message = format!(
                    "`{}`, which asks queries, in such a place is not supported yet",
                    call.name.text
                );
                Err(Diagnostic::new("0A000", call.name.span, message))
            }
        }
    }

    fn lambda_asks(&mut self, call: &LambdaCall<'_>, functions: &[String]) -> bool {
        self.instances.lambda_asks(call, functions)
    }

    fn called_lambda(&mut self, call: &LambdaCall<'_>) -> Result<Callee, Diagnostic> {
        match &mut self.tables {
            Some(tables) => self.instances.called_lambda(call, &mut **tables),
            None => {
                let message = "a lambda that asks queries, in such a place, is not supported yet";
                Err(Diagnostic::new("0A000", call.body.span, message))
            }
        }
    }

    fn called_rows(&mut self, number: usize, name: &str, fields: Vec<Field>) -> Option<TableId> {
        self.tables.as_mut()?.called_rows(number, name, fields)
    }

    fn lambda(&mut self, call: &LambdaCall<'_>) -> Option<Result<Callee, Diagnostic>> {
        // The lifetime of the trait object is shortened here, which no closure does.
        #[allow(clippy::manual_map)]
        let tables = match &mut self.tables {
            Some(tables) => Some(&mut **tables as &mut dyn TableResolver),
            None => None,
        };
        Some(self.instances.lambda_of(call, tables))
    }

    fn program(&self) -> Arc<Program> {
        self.instances.program()
    }

    fn routine_names(&self) -> Vec<String> {
        self.instances.names()
    }
}
