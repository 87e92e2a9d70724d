//! Lists, tuples, sets and dicts, written out or as comprehensions.
//!
//! Left out: generators, which run as they are asked (`iterate`).

use std::rc::Rc;

use super::{Context, Env, not_iterable};
use crate::query::ast::Made;
use crate::query::object::iterate::Generator;
use crate::query::object::{Dict, Frame, Iter, Object};
use crate::query::predicate::{Code, Comprehension, Element, Target};
use crate::query::raised::{Eval, type_error, value_error};

impl<'a> Context<'a> {
    /// The values of a display or of arguments, spread ones spread.
    pub(super) fn elements(
        &mut self,
        elements: &'a [Element],
        env: &Env<'a>,
    ) -> Eval<Vec<Object<'a>>> {
        self.meter.allocate(32 * elements.len() as u64)?;
        let mut values = Vec::with_capacity(elements.len());
        for element in elements {
            let value = self.eval(&element.code, env)?;
            if element.spread {
                self.spread(&value, &mut values)?;
            } else {
                values.push(value);
            }
        }
        Ok(values)
    }

    fn spread(&mut self, value: &Object<'a>, values: &mut Vec<Object<'a>>) -> Eval<()> {
        if self.iterator(value).is_err() && self.is_not_iterable(value) {
            let message = format!("Value after * must be an iterable, not {}", value.type_name());
            return Err(type_error(message));
        }
        values.extend(self.collect(value)?);
        Ok(())
    }

    pub(super) fn set_display(
        &mut self,
        elements: &'a [Element],
        env: &Env<'a>,
    ) -> Eval<Object<'a>> {
        let mut set = Dict::default();
        for element in elements {
            let value = self.eval(&element.code, env)?;
            if element.spread {
                if self.is_not_iterable(&value) {
                    return Err(not_iterable(&value));
                }
                for value in self.collect_unordered(&value)? {
                    set.add(value, self.meter)?;
                }
            } else {
                set.add(value, self.meter)?;
            }
        }
        Ok(Object::Set(Rc::new(set)))
    }

    pub(super) fn dict_display(
        &mut self,
        entries: &'a [(Option<Code>, Code)],
        env: &Env<'a>,
    ) -> Eval<Object<'a>> {
        let mut dict = Dict::default();
        for (key, value) in entries {
            let Some(key) = key else {
                let more = self.eval(value, env)?;
                if !matches!(more, Object::Dict(_) | Object::Fields(_)) {
                    let message = format!("'{}' object is not a mapping", more.type_name());
                    return Err(type_error(message));
                }
                self.add_entries(&mut dict, &more)?;
                continue;
            };
            let key = self.eval(key, env)?;
            let value = self.eval(value, env)?;
            dict.insert(key, value, self.meter)?;
        }
        Ok(Object::Dict(Rc::new(dict)))
    }

    pub(super) fn comprehension(
        &mut self,
        parts: &'a Comprehension,
        env: &Env<'a>,
    ) -> Eval<Object<'a>> {
        let source = self.eval(&parts.clauses[0].source, env)?;
        // Elements of a set may come in any order where a set is made of them.
        let source = match (&source, parts.made) {
            (Object::Set(set), Made::Set) => Object::list(set.keys().cloned().collect()),
            _ => source,
        };
        let first = self.iterator(&source)?;
        let frame = self.frame(env.clone(), parts.slots, parts.captured)?;
        let mut run = Generator { code: parts, frame, open: vec![first] };
        match parts.made {
            Made::Generator => Ok(Object::iterator(Iter::Generator(run))),
            Made::List => {
                let mut items = Vec::new();
                while self.advance(&mut run)? {
                    self.meter.allocate(32)?;
                    items.push(self.element(&run)?);
                }
                Ok(Object::list(items))
            }
            Made::Set => {
                let mut set = Dict::default();
                while self.advance(&mut run)? {
                    let item = self.element(&run)?;
                    set.add(item, self.meter)?;
                }
                Ok(Object::Set(Rc::new(set)))
            }
            Made::Dict => {
                let mut dict = Dict::default();
                while self.advance(&mut run)? {
                    let key = self.element(&run)?;
                    let value = match &parts.value {
                        Some(value) => self.eval(value, &Some(Rc::clone(&run.frame)))?,
                        None => Object::None,
                    };
                    dict.insert(key, value, self.meter)?;
                }
                Ok(Object::Dict(Rc::new(dict)))
            }
        }
    }

    /// The element for what is bound now.
    pub(super) fn element(&mut self, run: &Generator<'a>) -> Eval<Object<'a>> {
        self.eval(&run.code.element, &Some(Rc::clone(&run.frame)))
    }

    /// Binds the next combination for which all conditions hold; says whether there was one.
    pub(super) fn advance(&mut self, run: &mut Generator<'a>) -> Eval<bool> {
        let clauses = &run.code.clauses;
        let env = Some(Rc::clone(&run.frame));
        while let Some(iterator) = run.open.last().cloned() {
            let clause = &clauses[run.open.len() - 1];
            let Some(item) = self.next(&iterator)? else {
                run.open.pop();
                continue;
            };
            self.bind(&clause.target, item, &run.frame)?;
            let mut holds = true;
            for condition in &clause.conditions {
                if !self.eval(condition, &env)?.truthy() {
                    holds = false;
                    break;
                }
            }
            if !holds {
                continue;
            }
            let Some(inner) = clauses.get(run.open.len()) else { return Ok(true) };
            let source = self.eval(&inner.source, &env)?;
            run.open.push(self.iterator(&source)?);
        }
        Ok(false)
    }

    fn bind(&mut self, target: &'a Target, value: Object<'a>, frame: &Rc<Frame<'a>>) -> Eval<()> {
        let targets = match target {
            Target::Slot(slot) => {
                frame.set(*slot, value);
                return Ok(());
            }
            Target::Many(targets) => targets,
        };
        if self.is_not_iterable(&value) {
            let message = format!("cannot unpack non-iterable {} object", value.type_name());
            return Err(type_error(message));
        }
        let iterator = self.iterator(&value)?;
        let mut values = Vec::with_capacity(targets.len());
        while values.len() <= targets.len() {
            let Some(value) = self.next(&iterator)? else { break };
            values.push(value);
        }
        let expected = targets.len();
        if values.len() > expected {
            return Err(value_error(format!("too many values to unpack (expected {expected})")));
        }
        if values.len() < expected {
            return Err(value_error(format!(
                "not enough values to unpack (expected {expected}, got {})",
                values.len()
            )));
        }
        for (target, value) in targets.iter().zip(values) {
            self.bind(target, value, frame)?;
        }
        Ok(())
    }
}
