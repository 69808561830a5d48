//! Types by the names that users gave them.
//!
//! After `type struct as P(a int)`, `p` is `struct(a bigint)`; inside of `function first<T>(xs array<T>)`, called with an array of
//! texts, `t` is a string.
//!
//! Invariants: names compare without regard to case; what stands for a type in a generic function hides a type of that name.
//!
//! Does not: know the language's own types, or where these are kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::types::LogicalType;

/// What names stand for. Copies are cheap.
#[derive(Clone, Debug, Default)]
pub struct NamedTypes {
    declared: Arc<BTreeMap<String, (String, LogicalType)>>,
    /// Parameters of a generic function, in lower case.
    bound: Arc<Vec<(String, LogicalType)>>,
    /// Modules whose types go by their short names, in lower case.
    imports: Arc<Vec<String>>,
}

impl NamedTypes {
    /// Of names, in the case that they were declared in, and types; of two of one name the later one counts.
    pub fn new(declared: impl IntoIterator<Item = (String, LogicalType)>) -> Self {
        let entry = |(name, ty): (String, LogicalType)| (name.to_lowercase(), (name, ty));
        Self {
            declared: Arc::new(declared.into_iter().map(entry).collect()),
            bound: Arc::default(),
            imports: Arc::default(),
        }
    }

    /// With the types of these modules by their short names.
    #[must_use]
    pub fn importing(self, modules: &Arc<Vec<String>>) -> Self {
        Self {
            imports: Arc::clone(modules),
            ..self
        }
    }

    /// The type of that name.
    pub fn find(&self, name: &str) -> Option<&LogicalType> {
        let key = name.to_lowercase();
        let bound = self.bound.iter().find(|(known, _)| *known == key);
        let declared = || self.declared_as(&key).map(|(_, ty)| ty);
        bound.map(|(_, ty)| ty).or_else(declared)
    }

    /// The name that a type was declared with, whole, and the type.
    pub fn declared_as(&self, name: &str) -> Option<(&str, &LogicalType)> {
        let key = name.to_lowercase();
        let whole = || self.imports.iter().map(|module| format!("{module}.{key}"));
        let found = self.declared.get(&key);
        let found = found.or_else(|| whole().find_map(|whole| self.declared.get(&whole)));
        found.map(|(name, ty)| (name.as_str(), ty))
    }

    /// Names, and what they stand for.
    pub fn declared(&self) -> impl Iterator<Item = (&str, &LogicalType)> {
        self.declared.values().map(|(name, ty)| (name.as_str(), ty))
    }

    /// What the struct or enum is called, if it has one name: of structs, fields and their types have to be the same.
    pub fn name_of(&self, ty: &LogicalType) -> Option<&str> {
        let mut names = self.declared().filter(|(_, known)| *known == ty);
        let (name, _) = names
            .next()
            .filter(|_| ty.is_nested() || matches!(ty, LogicalType::Enum(_)))?;
        names.next().is_none().then_some(name)
    }

    /// With these in the place of a generic function's parameters.
    #[must_use]
    pub fn with(&self, bound: Vec<(String, LogicalType)>) -> Self {
        Self {
            declared: Arc::clone(&self.declared),
            bound: Arc::new(bound),
            imports: Arc::clone(&self.imports),
        }
    }

    /// What the parameters of the generic function around stand for.
    pub fn bound(&self) -> &[(String, LogicalType)] {
        &self.bound
    }
}
