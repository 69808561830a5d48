//! Functions that queries call: those that become a part of them, and those that are called for their rows.
//!
//! `function total(c int) => (select sum(x) from orders where customer = c)` becomes a subquery, one with a loop does not.
//!
//! Does not: say when a query calls a function for its rows; the binder does.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::{Mode, Returns};

use super::super::params::params;
use super::super::{Definition, asking, check, generics};
use super::{Instances, WithInstances};
use crate::plan::{Callee, LambdaCall, NamedTypes, QueryFunction, RoutineCall, TableResolver, bind_type};

impl Instances {
    /// The function of a call, if it asks queries; see [`TableResolver::query_function`].
    pub fn query_function(&mut self, call: &RoutineCall<'_>) -> Option<Result<QueryFunction, Diagnostic>> {
        let declared = self.definitions.types();
        let definition = self.definition_of(call, &declared)?.ok()?;
        if !asking::asks(&definition, &*self.definitions) {
            return None;
        }
        Some(self.asking(&definition, call, &declared))
    }

    /// The function of a call that is made for rows; see [`TableResolver::called_function`].
    pub fn called_function(
        &mut self,
        call: &RoutineCall<'_>,
        tables: &mut dyn TableResolver,
    ) -> Result<Callee, Diagnostic> {
        let Some(called) = self.call(call, Some(tables)) else {
            let message = format!("function `{}` does not exist", call.name.text);
            return Err(Diagnostic::new("42883", call.name.span, message));
        };
        let mut callee = called?;
        callee.effects = self.any_question(callee.routine.0 as usize, &|kind| !kind.only_reads());
        Ok(callee)
    }

    /// Whether the function of an expression with lambdas asks queries; see [`TableResolver::lambda_asks`].
    pub fn lambda_asks(&self, call: &LambdaCall<'_>, functions: &[String]) -> bool {
        let own = Arc::new(Definition::of_expression(call));
        let named = functions.iter().filter_map(|name| self.definitions.find(name));
        let mut all = std::iter::once(own).chain(named);
        all.any(|definition| asking::asks(&definition, &*self.definitions))
    }

    /// The function of an expression with lambdas that is called for rows; see [`TableResolver::called_lambda`].
    pub fn called_lambda(
        &mut self,
        call: &LambdaCall<'_>,
        tables: &mut dyn TableResolver,
    ) -> Result<Callee, Diagnostic> {
        let mut callee = self.lambda_of(call, Some(tables))?;
        callee.effects = self.any_question(callee.routine.0 as usize, &|kind| !kind.only_reads());
        Ok(callee)
    }

    fn asking(
        &mut self,
        definition: &Arc<Definition>,
        call: &RoutineCall<'_>,
        declared: &NamedTypes,
    ) -> Result<QueryFunction, Diagnostic> {
        let types = generics::bound(definition, call, declared)?;
        let returns = match &definition.routine.returns {
            Returns::Type(ty) => Some(bind_type(ty, definition.dialect, &types).map_err(check::first)?),
            Returns::Inferred | Returns::Void | Returns::Rows(_) => None,
        };
        let mut nothing = WithInstances {
            tables: None,
            instances: self,
        };
        let params = params(definition, call, &types, &mut nothing)?;
        let names = definition.routine.params.iter().map(|param| param.name.text.clone());
        let params = names.zip(params).map(|(name, param)| (name, param.ty, param.passed));
        self.inlined.push(Arc::clone(definition));
        Ok(QueryFunction {
            name: definition.name.clone(),
            params: params.collect(),
            constants: definition.constants.clone(),
            body: asking::arrowed(&definition.routine.body),
            returns,
            dialect: definition.dialect,
            stored: definition.stored,
            is_part: asking::is_part(definition, &*self.definitions),
            gathers: definition.gives_array(),
            is_async: definition.routine.mode == Some(Mode::Async),
        })
    }
}
