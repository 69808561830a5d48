//! The definition that a call leads to.
//!
//! `xs.nth(1)` leads to the `nth` whose receiver is the type of `xs`, `nth(1)` to the function of that name.
//!
//! Does not: look at types of parameters.

use std::sync::Arc;

use gobi_grammar::Diagnostic;
use gobi_grammar::ast::Ident;

use super::super::{Definition, generics};
use super::Instances;
use crate::plan::{NamedTypes, ROWS_OF, RoutineCall};

impl Instances {
    /// The definition that a call leads to.
    pub(super) fn definition_of(
        &self,
        call: &RoutineCall<'_>,
        declared: &NamedTypes,
    ) -> Option<Result<Arc<Definition>, Diagnostic>> {
        if let Some(name) = call.name.text.strip_suffix(ROWS_OF) {
            let name = Ident {
                text: name.to_owned(),
                ..call.name.clone()
            };
            let call = RoutineCall {
                name: &name,
                args: call.args.clone(),
            };
            let found = self.definition_of(&call, declared)?;
            return Some(found.map(|definition| Arc::new(definition.of_rows())));
        }
        if let Some(lifted) = self.lifted.iter().find(|lifted| lifted.name == call.name.text) {
            return Some(Ok(Arc::clone(lifted)));
        }
        let methods = match self.definitions.is_stored(call.name.span) {
            true => self.definitions.stored(&call.name.text).1,
            false => self.definitions.methods(&call.name.text),
        };
        match method_of(&methods, call, declared).or_else(|| self.definitions.find_at(call.name)) {
            Some(definition) if definition.routine.is_model() => Some(Err(is_model(&definition, call))),
            Some(definition) if definition.gives_function(&*self.definitions) => {
                Some(Err(gives_function(&definition, call)))
            }
            Some(definition) => Some(Ok(definition)),
            None if methods.is_empty() => None,
            None => Some(Err(no_method(&methods, call))),
        }
    }
}

/// The one for the receiver that a call gives: of its type, or of one that its values can be taken as.
fn method_of(methods: &[Arc<Definition>], call: &RoutineCall<'_>, types: &NamedTypes) -> Option<Arc<Definition>> {
    let (_, given, _) = call.args.first()?;
    let receiver = |method: &Definition| generics::receiver_for(method, given, types);
    let is_plain = |method: &&Arc<Definition>| method.routine.type_params.is_empty();
    let is_same = |method: &&Arc<Definition>| receiver(method).as_ref() == Some(given);
    let is_wider = |method: &&Arc<Definition>| {
        receiver(method).is_some_and(|ty| crate::plan::common_type(&ty, given).as_ref() == Some(&ty))
    };
    let mut plain = methods.iter().filter(is_plain);
    let found = plain.find(is_same).or_else(|| methods.iter().find(is_same));
    found.or_else(|| methods.iter().find(is_wider)).cloned()
}

/// What a function that gives one gives is called, or handed on.
fn gives_function(definition: &Definition, call: &RoutineCall<'_>) -> Diagnostic {
    let name = definition.shown_name();
    let message = format!("`{name}` gives a function, which is no value");
    let help = format!("give it a name in a statement of its own, before a query that calls it: `let f = {name}(…)`");
    Diagnostic::new("42809", call.name.span, message).with_help(help)
}

/// A model is run; it has no value.
fn is_model(definition: &Definition, call: &RoutineCall<'_>) -> Diagnostic {
    let name = definition.shown_name();
    let message = format!("`{name}` is a model, which has no value");
    let help = format!("run it by `call {name}(…)`, and read the table that it fills");
    Diagnostic::new("42809", call.name.span, message).with_help(help)
}

fn no_method(methods: &[Arc<Definition>], call: &RoutineCall<'_>) -> Diagnostic {
    let name = &call.name.text;
    let given = match call.args.first() {
        Some((_, ty, _)) => format!("of {ty}"),
        None => "without a receiver".to_owned(),
    };
    let known = methods.iter().filter_map(|method| method.routine.receiver.as_ref());
    let known: Vec<String> = known.map(|ty| format!("`{ty}`")).collect();
    let message = format!("there is no `{name}` {given}");
    Diagnostic::new("42883", call.name.span, message).with_help(format!("there is one of {}", known.join(", ")))
}
