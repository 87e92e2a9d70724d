//! The arguments of one call: who gets which, and the errors when nobody does.
//!
//! Left out: what is done with them (`call`, `builtins`, `methods`).

use super::{Context, Env};
use crate::query::object::integer::Integer;
use crate::query::object::{Function, Object};
use crate::query::predicate::Arguments;
use crate::query::raised::{Eval, EvalError, raised, type_error};

/// The values given to a call.
pub(super) struct Given<'a> {
    pub(super) by_position: Vec<Object<'a>>,
    pub(super) by_name: Vec<(&'a str, Object<'a>)>,
}

impl<'a> Context<'a> {
    pub(super) fn given(&mut self, arguments: &'a Arguments, env: &Env<'a>) -> Eval<Given<'a>> {
        let by_position = self.elements(&arguments.by_position, env)?;
        let mut by_name = Vec::with_capacity(arguments.by_name.len());
        for (name, code) in &arguments.by_name {
            by_name.push((&**name, self.eval(code, env)?));
        }
        Ok(Given { by_position, by_name })
    }
}

impl<'a> Given<'a> {
    pub(super) fn positional(by_position: Vec<Object<'a>>) -> Given<'a> {
        Given { by_position, by_name: Vec::new() }
    }

    /// Refuses arguments by name.
    pub(super) fn no_names(&self, function: &str) -> Eval<()> {
        if self.by_name.is_empty() {
            return Ok(());
        }
        Err(type_error(format!("{function}() takes no keyword arguments")))
    }

    /// Exactly one argument, without a name.
    pub(super) fn one(mut self, function: &str) -> Eval<Object<'a>> {
        self.no_names(function)?;
        let count = self.by_position.len();
        match (self.by_position.pop(), count) {
            (Some(argument), 1) => Ok(argument),
            _ => {
                Err(type_error(format!("{function}() takes exactly one argument ({count} given)")))
            }
        }
    }

    /// Up to `N` arguments by position, of which `least` must be there.
    pub(super) fn up_to<const N: usize>(
        self,
        function: &str,
        least: usize,
    ) -> Eval<[Option<Object<'a>>; N]> {
        self.no_names(function)?;
        let count = self.by_position.len();
        if count < least || count > N {
            return Err(wrong_count(function, least, N, count));
        }
        let mut arguments = self.by_position.into_iter();
        Ok(std::array::from_fn(|_| arguments.next()))
    }

    /// Arguments by position or by name, of which the first `least` must be there; `names` are the
    /// names that may be used, empty ones excepted.
    pub(super) fn named<const N: usize>(
        self,
        function: &str,
        names: [&str; N],
        least: usize,
    ) -> Eval<[Option<Object<'a>>; N]> {
        let count = self.by_position.len() + self.by_name.len();
        if count > N || self.by_position.len() > N {
            let how = if self.by_name.is_empty() && least == N { "exactly" } else { "at most" };
            let plural = if N == 1 { "" } else { "s" };
            return Err(type_error(format!(
                "{function}() takes {how} {N} argument{plural} ({count} given)"
            )));
        }
        let given = |at: usize| {
            at < self.by_position.len() || self.by_name.iter().any(|(name, _)| *name == names[at])
        };
        // One argument of an unknown name is complained of as such by `enumerate` alone.
        let unknown = function == "enumerate" && self.by_name.len() == 1;
        if let Some(at) = (0..least).find(|at| !given(*at)).filter(|_| !unknown) {
            let place =
                if function == "enumerate" { String::new() } else { format!(" (pos {})", at + 1) };
            return Err(type_error(format!(
                "{function}() missing required argument '{}'{place}",
                names[at]
            )));
        }
        let mut bound: [Option<Object<'a>>; N] = std::array::from_fn(|_| None);
        let positional = self.by_position.len();
        for (slot, value) in bound.iter_mut().zip(self.by_position) {
            *slot = Some(value);
        }
        for (name, value) in self.by_name {
            match names.iter().position(|other| *other == name && !name.is_empty()) {
                Some(at) if at < positional => {
                    return Err(type_error(format!(
                        "argument for {function}() given by name ('{name}') and position ({})",
                        at + 1
                    )));
                }
                Some(at) => bound[at] = Some(value),
                None => {
                    return Err(type_error(format!(
                        "'{name}' is an invalid keyword argument for {function}()"
                    )));
                }
            }
        }
        Ok(bound)
    }
}

fn wrong_count(function: &str, least: usize, most: usize, count: usize) -> EvalError {
    let how = match (least == most, count < least) {
        (true, _) => "expected",
        (false, true) => "expected at least",
        (false, false) => "expected at most",
    };
    let bound = if count < least { least } else { most };
    let plural = if bound == 1 { "" } else { "s" };
    type_error(format!("{function} {how} {bound} argument{plural}, got {count}"))
}

/// The arguments of a lambda, one for each parameter.
pub(super) fn bind<'a>(function: &Function<'a>, given: Given<'a>) -> Eval<Vec<Object<'a>>> {
    let lambda = function.lambda;
    let (name, parameters) = (&lambda.name, &lambda.parameters);
    let count = given.by_position.len();
    if count > parameters.len() {
        return Err(too_many(function, count));
    }
    let mut bound: Vec<Option<Object<'a>>> = given.by_position.into_iter().map(Some).collect();
    bound.resize(parameters.len(), None);
    for (given_name, value) in given.by_name {
        let Some(at) = parameters.iter().position(|other| **other == *given_name) else {
            let message = format!("{name}() got an unexpected keyword argument '{given_name}'");
            return Err(type_error(message));
        };
        if bound[at].is_some() {
            let message = format!("{name}() got multiple values for argument '{given_name}'");
            return Err(type_error(message));
        }
        bound[at] = Some(value);
    }
    let required = parameters.len() - function.defaults.len();
    for (slot, default) in bound[required..].iter_mut().zip(&function.defaults) {
        slot.get_or_insert_with(|| default.clone());
    }
    let missing: Vec<String> = parameters
        .iter()
        .zip(&bound)
        .filter(|(_, value)| value.is_none())
        .map(|(parameter, _)| format!("'{parameter}'"))
        .collect();
    if missing.is_empty() {
        return Ok(bound.into_iter().flatten().collect());
    }
    let plural = if missing.len() == 1 { "" } else { "s" };
    Err(type_error(format!(
        "{name}() missing {} required positional argument{plural}: {}",
        missing.len(),
        listed(&missing)
    )))
}

fn listed(names: &[String]) -> String {
    match names {
        [only] => only.clone(),
        [first, second] => format!("{first} and {second}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
        [] => String::new(),
    }
}

fn too_many(function: &Function<'_>, count: usize) -> EvalError {
    let most = function.lambda.parameters.len();
    let least = most - function.defaults.len();
    let name = &function.lambda.name;
    let takes = if least == most { most.to_string() } else { format!("from {least} to {most}") };
    let plural = if most == 1 && least == most { "" } else { "s" };
    let were = if count == 1 { "was" } else { "were" };
    type_error(format!(
        "{name}() takes {takes} positional argument{plural} but {count} {were} given"
    ))
}

/// The type of an argument, as complaints about it give it.
pub(super) fn argument_kind(argument: &Object<'_>) -> &'static str {
    match argument {
        Object::None => "None",
        other => other.type_name(),
    }
}

/// An argument that must be an integer, beyond an `i64` the nearest end.
pub(super) fn index_of(value: &Object<'_>) -> Eval<i64> {
    match Integer::of(value) {
        Some(integer) => Ok(super::number::index(&integer)),
        None => {
            let name = value.type_name();
            Err(type_error(format!("'{name}' object cannot be interpreted as an integer")))
        }
    }
}

/// An argument that must be an integer of 32 bits.
pub(super) fn c_int(value: &Object<'_>) -> Eval<i32> {
    i32::try_from(index_of(value)?)
        .map_err(|_| raised("OverflowError", "Python int too large to convert to C int"))
}

/// An argument that must be an integer of machine size.
pub(super) fn machine_index(value: &Object<'_>) -> Eval<i64> {
    let index = index_of(value)?;
    if index == i64::MAX || index == i64::MIN {
        let message = "Python int too large to convert to C ssize_t";
        return Err(raised("OverflowError", message));
    }
    Ok(index)
}
