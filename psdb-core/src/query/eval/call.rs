//! Calling things.
//!
//! Left out: what each built-in function, type and method does.

use super::arguments::{Given, bind};
use super::{Context, Env};
use crate::query::object::compare::lookup;
use crate::query::object::{Method, Object, Text, Type};
use crate::query::predicate::{Call, Get, Key, MethodCall};
use crate::query::raised::{Eval, refused, type_error};

impl<'a> Context<'a> {
    pub(super) fn call_code(&mut self, call: &'a Call, env: &Env<'a>) -> Eval<Object<'a>> {
        let function = self.eval(&call.function, env)?;
        let given = self.given(&call.arguments, env)?;
        self.call_given(&function, given)
    }

    /// Calls with arguments by position.
    pub(super) fn call(
        &mut self,
        function: &Object<'a>,
        arguments: Vec<Object<'a>>,
    ) -> Eval<Object<'a>> {
        self.call_given(function, Given::positional(arguments))
    }

    pub(super) fn call_given(
        &mut self,
        function: &Object<'a>,
        given: Given<'a>,
    ) -> Eval<Object<'a>> {
        self.meter.step()?;
        if self.depth >= super::EVALUATION_DEPTH {
            return Err(refused("calls nest too deeply"));
        }
        self.depth += 1;
        let value = match function {
            Object::Function(function) => {
                let values = bind(function, given)?;
                let lambda = function.lambda;
                let frame = self.frame(function.outer.clone(), values.len(), lambda.captured)?;
                for (slot, value) in values.into_iter().enumerate() {
                    frame.set(slot, value);
                }
                self.eval(&lambda.body, &Some(frame))
            }
            Object::Builtin(builtin) => self.builtin(*builtin, given),
            Object::Type(kind) => self.construct(*kind, given),
            Object::Method(bound) => self.method(&bound.0, bound.1, given),
            Object::Unbound(kind, method) => {
                let mut arguments = given.by_position.into_iter();
                let Some(receiver) = arguments.next() else {
                    return Err(type_error(format!(
                        "unbound method {}.{}() needs an argument",
                        kind.name(),
                        method.name()
                    )));
                };
                if receiver.kind() != *kind {
                    return Err(type_error(format!(
                        "descriptor '{}' for '{}' objects doesn't apply to a '{}' object",
                        method.name(),
                        kind.name(),
                        receiver.type_name()
                    )));
                }
                let given = Given { by_position: arguments.collect(), by_name: given.by_name };
                self.method(&receiver, *method, given)
            }
            _ => {
                let name = function.type_name();
                Err(type_error(format!("'{name}' object is not callable")))
            }
        };
        self.depth -= 1;
        value
    }

    pub(super) fn method_call(&mut self, call: &'a MethodCall, env: &Env<'a>) -> Eval<Object<'a>> {
        let receiver = self.eval(&call.receiver, env)?;
        match call.method.filter(|method| method.belongs_to(receiver.kind())) {
            Some(method) => {
                let given = self.given(&call.arguments, env)?;
                self.method(&receiver, method, given)
            }
            None => {
                // A dict has fields for attributes, but a method of another type is meant as one.
                let meant = call.method.is_some() && receiver.kind() == Type::Dict;
                let name = Object::Str(Text::Borrowed(&call.name));
                if meant && !self.contains(&receiver, &name)? {
                    return Err(self.no_attribute(&receiver, &call.name));
                }
                let function = self.attribute(&receiver, &call.name)?;
                let given = self.given(&call.arguments, env)?;
                self.call_given(&function, given)
            }
        }
    }

    /// `target.get(key, default)`.
    pub(super) fn get(&mut self, parts: &'a Get, env: &Env<'a>) -> Eval<Object<'a>> {
        let Get { target, key, default } = parts;
        let target = self.eval(target, env)?;
        if !matches!(target, Object::Fields(_) | Object::Dict(_)) {
            self.attribute(&target, Method::Get.name())?;
        }
        let wanted = match key {
            Key::Constant(field) => Object::Str(Text::Borrowed(&field.name)),
            Key::Computed(key) => self.eval(key, env)?,
        };
        let default = match default {
            Some(default) => self.eval(default, env)?,
            None => Object::None,
        };
        let found = match (&target, key) {
            (Object::Fields(fields), Key::Constant(field)) => {
                fields.get_near(&field.name, &field.place).map(Object::of)
            }
            _ => lookup(&target, &wanted, self.meter)?,
        };
        Ok(found.unwrap_or(default))
    }
}
